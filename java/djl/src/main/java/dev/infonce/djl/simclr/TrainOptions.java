package dev.infonce.djl.simclr;

import java.nio.file.Path;
import java.util.List;

/**
 * What a user may choose about a training run.
 *
 * @param data folder of the IDX files; null: look for the Debian package, then fetch it into the user's cache
 * @param out folder for report and checkpoint, new or empty; null: runs/ and the time
 * @param overwrite whether {@code out} may hold the results of an earlier run, which are replaced
 * @param epochs passes over the training images, 1 to 1000; null: the recipe's steps. Not together with steps
 * @param steps optimiser steps, 1 to 1 000 000; null: the recipe's
 * @param quick the smoke recipe: fewer images, smaller encoder
 * @param seed decides weights, order and views
 * @param loss what is learned by; null: NT-Xent
 * @param batch images a step, 2 to 16384; null: the recipe's
 * @param device computes the loss: best, java, cpu or cuda
 * @param resume folder of an earlier run, whose recipe, seed and steps then hold; null: start anew
 * @param requireGain percentage points that the linear probe must gain over its own untrained encoder; null: no check
 */
public record TrainOptions(
        Path data,
        Path out,
        boolean overwrite,
        Integer epochs,
        Integer steps,
        boolean quick,
        long seed,
        TrainingLoss loss,
        Integer batch,
        String device,
        Path resume,
        Double requireGain) {
    private static final List<String> DEVICES = List.of("best", "java", "cpu", "cuda");

    /** Checks ranges and combinations. */
    public TrainOptions {
        range("--epochs", epochs, 1, 1000);
        range("--steps", steps, 1, 1_000_000);
        range("--batch", batch, 2, 16_384);
        require(epochs == null || steps == null, "--epochs and --steps exclude each other");
        require(device != null && DEVICES.contains(device), "--device is " + device + ", allowed are " + DEVICES);
        require(
                resume == null
                        || (epochs == null
                                && steps == null
                                && loss == null
                                && batch == null
                                && !quick
                                && seed == 0
                                && out == null),
                "--resume goes on with the run's own settings in its own folder; "
                        + "--epochs, --steps, --loss, --batch, --quick, --seed and --out cannot be given with it");
        require(!overwrite || out != null, "--overwrite needs --out, the folder whose results are to be replaced");
        require(
                requireGain == null || Double.isFinite(requireGain),
                "--require-gain is " + requireGain + ", allowed is a number of percentage points");
    }

    /** The default run. */
    public static TrainOptions defaults() {
        return new TrainOptions(null, null, false, null, null, false, 0, null, null, "best", null, null);
    }

    /** The recipe that these options ask for, given how many training images there are. */
    Recipe recipe(int available) {
        Recipe recipe = quick ? Recipe.quick() : Recipe.standard();
        recipe = recipe.withImages(Math.min(recipe.images(), available));
        if (loss != null) {
            recipe = recipe.withLoss(loss);
        }
        if (batch != null) {
            recipe = recipe.withBatch(batch);
        }
        if (epochs != null) {
            recipe = recipe.withSteps(epochs * Math.max(1, recipe.images() / recipe.batch()));
        }
        return steps == null ? recipe : recipe.withSteps(steps);
    }

    private static void range(String option, Integer value, int least, int most) {
        require(
                value == null || (value >= least && value <= most),
                option + " is " + value + ", allowed is " + least + " to " + most);
    }

    private static void require(boolean holds, String problem) {
        if (!holds) {
            throw new IllegalArgumentException(problem);
        }
    }
}
