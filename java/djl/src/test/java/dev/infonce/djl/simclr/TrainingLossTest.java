package dev.infonce.djl.simclr;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import dev.infonce.Device;
import dev.infonce.NtXent;
import dev.infonce.djl.TestData;
import dev.infonce.djl.data.ImageSet;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class TrainingLossTest {
    private static final int STEPS = 12;
    private static final Recipe RECIPE =
            Recipe.quick().withBatch(16).withSteps(STEPS).withImages(80);
    private static final ImageSet IMAGES = TestData.bars(80, 1);

    private static Engine engine;
    private static Device device;

    @TempDir
    private Path folder;

    @BeforeAll
    static void start() {
        engine = TorchRuntime.start();
        device = Device.best();
    }

    @AfterAll
    static void stop() {
        device.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"ntxent", "dcl", "supcon", "siglip", "nt-logistic", "triplet"})
    void everyWordIsThatOfALoss(String word) {
        TrainingLoss loss = TrainingLoss.ofWord(word);
        assertThat(loss.word()).isEqualTo(word);
        assertThat(loss.seesClasses()).isEqualTo(word.equals("supcon"));
        if (loss != TrainingLoss.DCL) {
            assertThat(Recipe.quick().withLoss(loss).contrastiveLoss().word()).isEqualTo(word);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"foo", "NTXENT", "NT_LOGISTIC", ""})
    void anotherWordIsRefusedWithWhatIsAllowed(String word) {
        assertThatThrownBy(() -> TrainingLoss.ofWord(word))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--loss is " + word + ", allowed are ntxent, dcl, supcon, siglip, nt-logistic, triplet");
    }

    @Test
    void ntXentHasTheTemperatureOfItsRecipe() {
        assertThat(Recipe.standard().contrastiveLoss()).isEqualTo(NtXent.withTemperature(0.2));
        assertThat(Recipe.quick().contrastiveLoss()).isEqualTo(NtXent.withTemperature(0.1));
        Recipe dcl = Recipe.standard().withLoss(TrainingLoss.DCL);
        assertThat(dcl.contrastiveLoss()).isEqualTo(NtXent.withTemperature(0.1).decoupled());
    }

    @ParameterizedTest
    @EnumSource
    void everyLossFallsAndLeavesNoArrayBehind(TrainingLoss loss) {
        try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu());
                ContrastiveTrainer trainer = trainer(manager, loss)) {
            trainer.step();
            int before = manager.getManagedArrays().size();
            finish(trainer);
            assertThat(manager.getManagedArrays()).hasSize(before);
            List<CurvePoint> curve = trainer.curve();
            double first = mean(curve.subList(0, 3));
            assertThat(mean(curve.subList(STEPS - 3, STEPS))).isLessThan(first - 0.01 * Math.abs(first));
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyLossIsResumedWhereItWas(TrainingLoss loss) throws IOException {
        Path file = folder.resolve("checkpoint.bin");
        try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu());
                ContrastiveTrainer whole = trainer(manager, loss);
                ContrastiveTrainer resumed = trainer(manager, loss)) {
            for (int step = 0; step < 5; step++) {
                whole.step();
            }
            whole.checkpoint(0, 0).save(file);
            Checkpoint checkpoint = Checkpoint.load(file);
            assertThat(checkpoint.recipe().loss()).isEqualTo(loss);
            resumed.restore(checkpoint);
            finish(whole);
            finish(resumed);
            assertThat(resumed.curve()).isEqualTo(whole.curve());
        }
    }

    @Test
    void ofSigLipTemperatureAndBiasAreLearned() {
        try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu());
                ContrastiveTrainer trainer = trainer(manager, TrainingLoss.SIGLIP)) {
            assertThat(number(trainer, "logTemperature")).isCloseTo(Math.log(0.1), within(1e-6));
            assertThat(number(trainer, "bias")).isEqualTo(-10);
            finish(trainer);
            assertThat(number(trainer, "logTemperature")).isNotCloseTo(Math.log(0.1), within(1e-3));
            assertThat(number(trainer, "bias")).isNotCloseTo(-10, within(1e-3));
        }
    }

    private static double number(ContrastiveTrainer trainer, String name) {
        return trainer.model().learnedParameters().stream()
                .filter(parameter -> parameter.getName().equals(name))
                .map(Parameter::getArray)
                .filter(array -> array.size() == 1)
                .mapToDouble(NDArray::getFloat)
                .findFirst()
                .orElseThrow();
    }

    private static double mean(List<CurvePoint> points) {
        return points.stream().mapToDouble(CurvePoint::loss).average().orElseThrow();
    }

    private static ContrastiveTrainer trainer(NDManager manager, TrainingLoss loss) {
        return new ContrastiveTrainer(manager, RECIPE.withLoss(loss), 3, IMAGES, device);
    }

    private static void finish(ContrastiveTrainer trainer) {
        while (!trainer.isDone()) {
            trainer.step();
        }
    }
}
