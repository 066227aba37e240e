package dev.infonce.djl.simclr;

import dev.infonce.ContrastiveLoss;
import dev.infonce.djl.data.ViewSettings;
import java.util.List;
import java.util.Objects;

/**
 * Everything that decides what a run learns, apart from the seed.
 *
 * @param name "default" or "quick"
 * @param convolutions the encoder, first layer first
 * @param headHidden width of the projection head's hidden layer
 * @param headOutput dimension of the projections
 * @param views how views are made
 * @param loss what is learned by
 * @param temperature of NT-Xent; other losses have numbers of their own
 * @param learningRate peak, reached after the warm-up
 * @param weightDecay of AdamW
 * @param warmUp share of the steps with linearly growing learning rate
 * @param images training images, from the start of the set
 * @param batch images a step; a step sees two views of each
 * @param steps optimiser steps
 */
public record Recipe(
        String name,
        List<Convolution> convolutions,
        int headHidden,
        int headOutput,
        ViewSettings views,
        TrainingLoss loss,
        double temperature,
        double learningRate,
        double weightDecay,
        double warmUp,
        int images,
        int batch,
        int steps) {

    /** Mean of the training pixels of Fashion-MNIST, in [0, 1]. */
    public static final float PIXEL_MEAN = 0.286f;

    /** Their standard deviation. */
    public static final float PIXEL_DEVIATION = 0.353f;

    private static final String QUICK = "quick";
    private static final int QUICK_PROBE_IMAGES = 5000;
    private static final int MAP_IMAGES = 2000;
    private static final int QUICK_MAP_IMAGES = 500;

    /**
     * One convolution without bias, followed by batch normalisation and ReLU; padding keeps the size at stride 1.
     *
     * @param filters output channels
     * @param kernel side of the kernel, odd
     * @param stride step in both directions
     */
    public record Convolution(int filters, int kernel, int stride) {
        /** Checks the ranges. */
        public Convolution {
            require(filters >= 1, "filters", filters, "1 or more");
            require(kernel >= 1 && kernel % 2 == 1, "kernel", kernel, "an odd number");
            require(stride >= 1, "stride", stride, "1 or more");
        }
    }

    /** Checks the ranges and copies the list. */
    public Recipe {
        convolutions = List.copyOf(convolutions);
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(views, "views");
        Objects.requireNonNull(loss, "loss");
        require(!convolutions.isEmpty(), "convolutions", convolutions.size(), "1 or more");
        require(headHidden >= 1, "headHidden", headHidden, "1 or more");
        require(headOutput >= 1, "headOutput", headOutput, "1 or more");
        require(temperature > 0 && temperature < Double.POSITIVE_INFINITY, "temperature", temperature, "above 0");
        require(
                learningRate >= 0 && learningRate < Double.POSITIVE_INFINITY,
                "learningRate",
                learningRate,
                "0 or more");
        require(weightDecay >= 0 && weightDecay < Double.POSITIVE_INFINITY, "weightDecay", weightDecay, "0 or more");
        require(warmUp >= 0 && warmUp <= 1, "warmUp", warmUp, "0 to 1");
        require(images >= 1, "images", images, "1 or more");
        require(batch >= 2, "batch", batch, "2 or more");
        require(steps >= 1, "steps", steps, "1 or more");
    }

    private static void require(boolean holds, String name, double value, String allowed) {
        if (!holds) {
            throw new IllegalArgumentException(name + " is " + value + ", allowed is " + allowed);
        }
    }

    /** 60 000 images, 865 steps: the run of the acceptance line, 256 features. */
    public static Recipe standard() {
        return new Recipe(
                "default",
                List.of(
                        new Convolution(16, 5, 2),
                        new Convolution(32, 3, 2),
                        new Convolution(96, 3, 2),
                        new Convolution(256, 1, 1)),
                128,
                64,
                new ViewSettings(0.45, 0.2, 0.5, 0.4, 0.2),
                TrainingLoss.NTXENT,
                0.2,
                5e-3,
                1e-4,
                0.1,
                60_000,
                256,
                865);
    }

    /** A third of the images, 156 steps, a smaller encoder with 128 features: well under a minute. */
    public static Recipe quick() {
        return new Recipe(
                QUICK,
                List.of(new Convolution(16, 5, 2), new Convolution(32, 3, 2), new Convolution(128, 3, 2)),
                128,
                64,
                new ViewSettings(0.6, 0.15, 0.5, 0.2, 0.1),
                TrainingLoss.NTXENT,
                0.1,
                6e-3,
                1e-4,
                0.1,
                20_000,
                256,
                156);
    }

    /** The same with another loss. */
    public Recipe withLoss(TrainingLoss newLoss) {
        return with(newLoss, images, batch, steps);
    }

    /** The same with another batch size. */
    public Recipe withBatch(int newBatch) {
        return with(loss, images, newBatch, steps);
    }

    /** The same with another number of steps. */
    public Recipe withSteps(int newSteps) {
        return with(loss, images, batch, newSteps);
    }

    /** The same with at most this many images. */
    public Recipe withImages(int newImages) {
        return with(loss, newImages, batch, steps);
    }

    private Recipe with(TrainingLoss newLoss, int newImages, int newBatch, int newSteps) {
        return new Recipe(
                name,
                convolutions,
                headHidden,
                headOutput,
                views,
                newLoss,
                temperature,
                learningRate,
                weightDecay,
                warmUp,
                newImages,
                newBatch,
                newSteps);
    }

    /** Labelled images that probes learn from, the first ones: all would take the quick recipe longer than training. */
    public int probeImages() {
        return name.equals(QUICK) ? Math.min(images, QUICK_PROBE_IMAGES) : images;
    }

    /** Test images on the maps, whose time grows with the square of their number. */
    public int mapImages() {
        return name.equals(QUICK) ? QUICK_MAP_IMAGES : MAP_IMAGES;
    }

    /** The loss with its numbers. */
    public ContrastiveLoss contrastiveLoss() {
        return loss.withTemperature(temperature);
    }

    /** Features that the encoder gives for an image. */
    public int features() {
        return convolutions.getLast().filters();
    }

    /**
     * The learning rate of a step: linear from 0 over the warm-up, then half a cosine to 0.
     *
     * @param step from 0 to steps - 1
     */
    public double learningRate(int step) {
        double warmUpSteps = Math.max(1, warmUp * steps);
        if (step < warmUpSteps) {
            return learningRate * (step + 1) / warmUpSteps;
        }
        double progress = (step - warmUpSteps) / Math.max(1, steps - warmUpSteps);
        return learningRate * 0.5 * (1 + Math.cos(Math.PI * progress));
    }
}
