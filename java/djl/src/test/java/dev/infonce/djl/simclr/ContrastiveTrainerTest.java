package dev.infonce.djl.simclr;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import dev.infonce.Device;
import dev.infonce.djl.TestData;
import dev.infonce.djl.data.ImageSet;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ContrastiveTrainerTest {
    private static final Recipe RECIPE =
            Recipe.quick().withBatch(16).withSteps(12).withImages(80);
    private static final ImageSet IMAGES = TestData.bars(80, 1);

    @TempDir
    private Path folder;

    private Device device;
    private NDManager manager;

    @BeforeEach
    void open() {
        Engine engine = TorchRuntime.start();
        device = Device.best();
        manager = engine.newBaseManager(ai.djl.Device.cpu());
    }

    @AfterEach
    void close() {
        manager.close();
        device.close();
    }

    @Test
    void theSameSeedGivesTheSameCurveAndAnotherSeedAnother() {
        List<CurvePoint> first = curve(RECIPE, 3);
        assertThat(curve(RECIPE, 3)).isEqualTo(first);
        assertThat(curve(RECIPE, 4)).isNotEqualTo(first);
        assertThat(first.getLast().loss()).isLessThan(first.getFirst().loss());
    }

    @Test
    void aResumedRunFollowsTheCurveOfAnUninterruptedOne() throws IOException {
        Path file = folder.resolve("checkpoint.bin");
        try (ContrastiveTrainer interrupted = trainer(RECIPE, 3)) {
            for (int step = 0; step < 7; step++) {
                interrupted.step();
            }
            interrupted.checkpoint(99, 1.5).save(file);
        }
        Checkpoint checkpoint = Checkpoint.load(file);
        assertThat(checkpoint.dataChecksum()).isEqualTo(99);
        try (ContrastiveTrainer whole = trainer(RECIPE, 3);
                ContrastiveTrainer resumed = trainer(RECIPE, 3)) {
            resumed.restore(checkpoint);
            assertThat(resumed.curve()).hasSize(7);
            finish(whole);
            finish(resumed);
            assertThat(resumed.curve()).isEqualTo(whole.curve());
            assertThat(resumed.snapshots()).isEqualTo(whole.snapshots());
            List<float[]> expected = whole.checkpoint(0, 0).arrays();
            List<float[]> actual = resumed.checkpoint(0, 0).arrays();
            for (int i = 0; i < expected.size(); i++) {
                assertThat(actual.get(i)).isEqualTo(expected.get(i));
            }
        }
    }

    @Test
    void aStepLeavesNoArrayBehind() {
        try (ContrastiveTrainer trainer = trainer(RECIPE, 3)) {
            trainer.step();
            int before = count(manager);
            for (int step = 0; step < 6; step++) {
                trainer.step();
            }
            assertThat(count(manager)).isEqualTo(before);
        }
    }

    @Test
    void weightsStartWithinPyTorchsBounds() {
        try (SimClrModel model = new SimClrModel(manager, Recipe.standard(), 0)) {
            for (Parameter parameter : model.learnedParameters()) {
                Shape shape = parameter.getShape();
                if (parameter.getName().equals("weight")) {
                    double bound = 1 / Math.sqrt((double) shape.size() / shape.get(0));
                    float[] values = parameter.getArray().toFloatArray();
                    double largest = 0;
                    double squares = 0;
                    for (float value : values) {
                        largest = Math.max(largest, Math.abs(value));
                        squares += value * value;
                    }
                    assertThat(largest).isBetween(0.97 * bound, bound);
                    // the variance of a uniform distribution is bound^2 / 3; 400 values or more scatter by 5 % or less
                    assertThat(squares / values.length).isBetween(0.8 * bound * bound / 3, 1.2 * bound * bound / 3);
                }
            }
            NDArray features = model.features(manager.zeros(new Shape(2, 1, 28, 28)), false);
            assertThat(features.getShape()).isEqualTo(new Shape(2, 256));
            assertThat(model.projections(features, false).getShape()).isEqualTo(new Shape(2, 64));
        }
    }

    @Test
    void weightsOutliveTheJavaBuffersTheyWereMadeFrom() {
        try (SimClrModel model = new SimClrModel(manager, Recipe.standard(), 0)) {
            List<float[]> before = weights(model);
            for (int round = 0; round < 3; round++) {
                System.gc();
                manager.create(new float[100_000]).close();
            }
            List<float[]> after = weights(model);
            for (int i = 0; i < before.size(); i++) {
                assertThat(after.get(i)).isEqualTo(before.get(i));
            }
        }
    }

    @Test
    void aCheckpointOfAnotherSeedOrOfOtherArraysIsRefused() {
        try (ContrastiveTrainer trainer = trainer(RECIPE, 3);
                ContrastiveTrainer other = trainer(RECIPE, 5)) {
            trainer.step();
            Checkpoint checkpoint = trainer.checkpoint(0, 0);
            assertThatThrownBy(() -> other.restore(checkpoint)).hasMessageContaining("another recipe or seed");
            List<float[]> arrays = new ArrayList<>(checkpoint.arrays());
            arrays.set(0, new float[1]);
            assertThatThrownBy(() -> trainer.restore(with(checkpoint, arrays)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("array 0 has 1 numbers");
            arrays.removeFirst();
            assertThatThrownBy(() -> trainer.restore(with(checkpoint, arrays)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(arrays.size() + " arrays");
        }
    }

    private static Checkpoint with(Checkpoint checkpoint, List<float[]> arrays) {
        return new Checkpoint(
                checkpoint.recipe(),
                checkpoint.seed(),
                checkpoint.dataChecksum(),
                checkpoint.seconds(),
                checkpoint.curve(),
                checkpoint.snapshots(),
                arrays);
    }

    private List<CurvePoint> curve(Recipe recipe, long seed) {
        try (ContrastiveTrainer trainer = trainer(recipe, seed)) {
            finish(trainer);
            return List.copyOf(trainer.curve());
        }
    }

    private static List<float[]> weights(SimClrModel model) {
        return model.learnedParameters().stream()
                .map(parameter -> parameter.getArray().toFloatArray())
                .toList();
    }

    private ContrastiveTrainer trainer(Recipe recipe, long seed) {
        return new ContrastiveTrainer(manager, recipe, seed, IMAGES, device);
    }

    private static void finish(ContrastiveTrainer trainer) {
        while (!trainer.isDone()) {
            trainer.step();
        }
    }

    private static int count(NDManager manager) {
        return manager.getManagedArrays().size();
    }
}
