package dev.infonce.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.Trainer;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import ai.djl.util.Pair;
import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.GradientResult;
import dev.infonce.InfoNce;
import dev.infonce.InfoNceException;
import dev.infonce.Mining;
import dev.infonce.Negatives;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.SigLip;
import dev.infonce.Triplet;
import dev.infonce.djl.simclr.TorchRuntime;
import dev.infonce.suite.Case;
import dev.infonce.suite.Cases;
import dev.infonce.suite.Compare;
import dev.infonce.suite.Oracle;
import dev.infonce.suite.Result;
import dev.infonce.suite.Tolerances;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every loss against the oracle; and loss and gradients of a small network, fused against DJL's own operations. There both
 * are float32: the fused side promises 1e-5 of float64, DJL's chain of normalise, matrix product, log-softmax and mean loses
 * about sqrt(64 terms) x 2^-24 x 1/tau = 3e-6 relative at tau 0.2, and the network's own backward as much again, so 5e-5 in
 * norm is allowed.
 */
class FusedContrastiveLossTest {
    private static final double BOUND = 5e-5;
    private static final long SEED = 9;
    private static final int ROWS = 24;
    private static final int INPUTS = 10;
    private static final int OUTPUTS = 16;

    private static Engine engine;
    private static Device device;

    /** Loss and the gradients of all weights, in a fixed order. */
    private record Outcome(double loss, List<float[]> gradients) {}

    @BeforeAll
    static void start() {
        engine = TorchRuntime.start();
        device = Device.best();
    }

    @AfterAll
    static void stop() {
        device.close();
    }

    static List<ContrastiveLoss> losses() {
        return Cases.all(0.4);
    }

    /** Negatives of all shapes, labels, and a tower in one array and in two. */
    @ParameterizedTest
    @MethodSource("losses")
    void everyLossReadsItsArraysAndGivesThemTheOraclesGradients(ContrastiveLoss loss) {
        assertAsOracle(loss);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void soDoesASumOverPrefixes(ContrastiveLoss loss) {
        assertAsOracle(loss.matryoshka(2, 3).withWeights(0.5, 1));
    }

    private static void assertAsOracle(ContrastiveLoss loss) {
        for (int n : new int[] {5, 6}) {
            Case c = Cases.random(loss, n, 7, 4, DType.FLOAT32, SEED);
            try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu());
                    FusedContrastiveLoss fused = new FusedContrastiveLoss(device, loss)) {
                NDArray queries = array(manager, c.queries());
                NDArray keys = array(manager, c.keys());
                NDArray negatives = array(manager, c.negatives());
                if (loss.negatives() == Negatives.OWN) {
                    negatives = negatives.reshape(
                            c.shape().n(), c.shape().m(), c.shape().dim());
                }
                NDList arrays = new NDList();
                Stream.of(queries, keys, negatives).filter(Objects::nonNull).forEach(arrays::add);
                arrays.forEach(array -> array.setRequiresGradient(true));
                NDList labels = new NDList();
                Stream.of(c.labels(), c.keyLabels(), c.groups(), c.keyGroups())
                        .filter(Objects::nonNull)
                        .forEach(numbers -> labels.add(manager.create(numbers)));
                if (c.teacherScores() != null) {
                    labels.add(manager.create(
                            c.teacherScores(),
                            new ai.djl.ndarray.types.Shape(
                                    c.shape().n(), c.shape().m() + 1)));
                }
                try (GradientCollector collector = engine.newGradientCollector()) {
                    collector.backward(fused.evaluate(labels, arrays));
                }
                GradientResult last = fused.lastResult();
                Result actual = new Result(
                        last.loss(),
                        last.rowLosses(),
                        gradient(queries, c.queries()),
                        gradient(keys, c.keys()),
                        gradient(negatives, c.negatives()),
                        last.dTemperature(),
                        last.dBias(),
                        last.metrics(),
                        Result.Sizes.NONE);
                String what = device.name() + ", " + c + ", seed " + SEED;
                Compare.assertClose(actual, Oracle.evaluate(c), Tolerances.of(device.name(), c), what);
            }
        }
    }

    private static NDArray array(NDManager manager, double[][] rows) {
        if (rows == null) {
            return null;
        }
        double[] numbers = Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
        return manager.create(numbers, new Shape(rows.length, rows[0].length)).toType(DataType.FLOAT32, false);
    }

    private static double[][] gradient(NDArray array, double[][] rows) {
        if (array == null) {
            return null;
        }
        float[] numbers = array.getGradient().toFloatArray();
        double[][] gradient = new double[rows.length][rows[0].length];
        for (int i = 0; i < numbers.length; i++) {
            gradient[i / rows[0].length][i % rows[0].length] = numbers[i];
        }
        return gradient;
    }

    @Test
    void ntXentOfOneTowerGivesTheEncoderTheGradientsOfDjlsOwnOperations() {
        try (FusedContrastiveLoss fused = new FusedContrastiveLoss(device, NtXent.withTemperature(0.2))) {
            Outcome actual = train(1, z -> fused.evaluate(new NDList(), z));
            Outcome expected = train(1, z -> EagerLosses.ntXent(z.get(0), temperature(z, 0.2)));
            assertSame(actual, expected);
        }
    }

    @Test
    void ntXentOfTwoArraysIsThatOfTheirConcatenation() {
        try (FusedContrastiveLoss fused = new FusedContrastiveLoss(device, NtXent.withTemperature(0.2))) {
            Outcome actual = train(2, z -> fused.evaluate(new NDList(), z));
            Outcome expected = train(2, z -> EagerLosses.ntXent(z.get(0).concat(z.get(1), 0), temperature(z, 0.2)));
            assertSame(actual, expected);
        }
    }

    @Test
    void symmetricInfoNceWithALearnedTemperatureGivesItsGradientToo() {
        InfoNce loss = InfoNce.withTemperature(1).symmetric();
        try (FusedContrastiveLoss fused = FusedContrastiveLoss.withLearnedTemperature(device, loss)) {
            Outcome actual = train(2, List.of(new LogTemperature(0.3)), z -> fused.evaluate(new NDList(), z));
            Outcome expected = train(
                    2,
                    List.of(new LogTemperature(0.3)),
                    z -> EagerLosses.infoNce(z.get(0), z.get(1), z.get(2).exp(), true));
            assertSame(actual, expected);
            assertThat(fused.lastResult().temperature()).isCloseTo(0.3, within(1e-7));
        }
    }

    @Test
    void sigLipWithALearnedTemperatureAndBiasGivesTheirGradientsToo() {
        SigLip loss = SigLip.learned();
        try (FusedContrastiveLoss fused = FusedContrastiveLoss.withLearnedTemperatureAndBias(device, loss)) {
            Outcome actual = train(
                    2, List.of(new LogTemperature(0.3), new LogitBias(-1.5)), z -> fused.evaluate(new NDList(), z));
            Outcome expected = train(
                    2,
                    List.of(new LogTemperature(0.3), new LogitBias(-1.5)),
                    z -> EagerLosses.sigLip(z.get(0), z.get(1), z.get(2).exp(), z.get(3)));
            assertSame(actual, expected);
            assertThat(fused.lastResult().temperature()).isCloseTo(0.3, within(1e-7));
        }
    }

    @Test
    void aLearnedBiasWantsALossThatHasOneAndOneNumber() {
        assertThatThrownBy(
                        () -> FusedContrastiveLoss.withLearnedTemperatureAndBias(device, InfoNce.withTemperature(0.1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("loss is InfoNce, which has no bias; allowed is SigLip");
        assertThatThrownBy(() -> new LogitBias(Double.NaN))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("initialBias is NaN");
        try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu());
                FusedContrastiveLoss fused =
                        FusedContrastiveLoss.withLearnedTemperatureAndBias(device, SigLip.learned())) {
            NDArray rows = manager.ones(new Shape(4, 3));
            NDArray one = manager.ones(new Shape(1));
            assertThatThrownBy(() -> fused.evaluate(new NDList(), new NDList(rows, rows, one)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("predictions: 3 arrays, SigLip takes 4, the last being ln(temperature) and the bias");
            assertThatThrownBy(() -> fused.evaluate(new NDList(), new NDList(rows, rows, one, rows)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the bias of the predictions has shape (4, 3), allowed is one number");
        }
    }

    @Test
    void tripletTakesThreeArrays() {
        try (FusedContrastiveLoss fused = new FusedContrastiveLoss(device, Triplet.withMargin(0.2))) {
            Outcome actual = train(3, z -> fused.evaluate(new NDList(), z));
            Outcome expected = train(3, z -> EagerLosses.triplet(z.get(0), z.get(1), z.get(2), 0.2));
            assertSame(actual, expected);
        }
    }

    @Test
    void minedTripletsTakeATowerAndTheLabelsOfItsRows() {
        Triplet loss = Triplet.withMargin(0.2).mining(Mining.BATCH_HARD);
        try (FusedContrastiveLoss fused = new FusedContrastiveLoss(device, loss)) {
            Outcome actual = train(1, z -> fused.evaluate(new NDList(rowLabels(z, 1L << 40)), z));
            Outcome expected = train(1, z -> EagerLosses.batchHard(z.head(), rowLabels(z, 1), 0.2));
            assertSame(actual, expected);
        }
    }

    /** Of four classes; ids times 2^40 are all 0 as ints. */
    private static NDArray rowLabels(NDList predictions, long times) {
        long[] labels = new long[ROWS];
        for (int i = 0; i < ROWS; i++) {
            labels[i] = i % 4 * times;
        }
        return predictions.head().getManager().create(labels);
    }

    @Test
    void minedTripletsRefuseASecondArrayAndWantLabels() {
        Triplet loss = Triplet.withMargin(0.2).mining(Mining.SEMI_HARD);
        try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu());
                FusedContrastiveLoss fused = new FusedContrastiveLoss(device, loss)) {
            NDArray tower = manager.ones(new Shape(4, 3));
            assertThatThrownBy(() -> fused.evaluate(new NDList(), new NDList(tower, tower)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("predictions: 2 arrays, Triplet takes 1");
            assertThatThrownBy(() -> fused.evaluate(new NDList(), new NDList(tower)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("labels are missing: Triplet needs a whole number a row");
        }
    }

    @Test
    void pairwiseContrastiveReadsTheLabels() {
        try (FusedContrastiveLoss fused = new FusedContrastiveLoss(device, PairwiseContrastive.withMargin(1))) {
            Outcome actual = train(2, z -> fused.evaluate(new NDList(labels(z)), z));
            Outcome expected = train(2, z -> EagerLosses.pairs(z.get(0), z.get(1), labels(z), 1));
            assertSame(actual, expected);
        }
    }

    @Test
    void stridedEmbeddingsAreReadRightly() {
        try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu());
                FusedContrastiveLoss fused = new FusedContrastiveLoss(device, NtXent.withTemperature(0.5))) {
            NDArray wide = random(manager, new SplittableRandom(3), OUTPUTS, ROWS);
            NDArray strided = wide.transpose();
            float actual = fused.evaluate(new NDList(), new NDList(strided)).getFloat();
            float expected = EagerLosses.ntXent(strided, EagerLosses.constant(manager, 0.5, DataType.FLOAT32))
                    .getFloat();
            assertThat((double) actual).isCloseTo(expected, within(BOUND * expected));
        }
    }

    @Test
    void denseEmbeddingsAreReadInPlace() {
        try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu())) {
            NDArray array = random(manager, new SplittableRandom(4), 3, 5);
            var view = NdMatrix.of("array", array);
            assertThat(view.segment().isNative()).isTrue();
            array.set(new ai.djl.ndarray.index.NDIndex("1,2"), 42f);
            assertThat(view.get(1, 2)).isEqualTo(42);
            view.set(2, 4, -7);
            assertThat(array.getFloat(2, 4)).isEqualTo(-7f);
        }
    }

    @Test
    void aDjlTrainerLearnsWithIt() {
        try (FusedContrastiveLoss fused = new FusedContrastiveLoss(device, NtXent.withTemperature(0.2));
                Model model = Model.newInstance("tower")) {
            model.setBlock(
                    new SequentialBlock().add(Linear.builder().setUnits(OUTPUTS).build()));
            DefaultTrainingConfig config = new DefaultTrainingConfig(fused)
                    .optDevices(new ai.djl.Device[] {ai.djl.Device.cpu()})
                    .optOptimizer(Optimizer.sgd()
                            .setLearningRateTracker(Tracker.fixed(0.5f))
                            .build());
            try (Trainer trainer = model.newTrainer(config)) {
                trainer.initialize(new Shape(ROWS, INPUTS));
                NDArray inputs = random(trainer.getManager(), new SplittableRandom(5), ROWS, INPUTS);
                float first = 0;
                float last = 0;
                for (int step = 0; step < 20; step++) {
                    try (GradientCollector collector = trainer.newGradientCollector()) {
                        NDArray loss = fused.evaluate(new NDList(), trainer.forward(new NDList(inputs)));
                        collector.backward(loss);
                        last = loss.getFloat();
                    }
                    first = step == 0 ? last : first;
                    trainer.step();
                }
                assertThat(last).isLessThan(0.8f * first);
            }
        }
    }

    @Test
    void badPredictionsAreRefusedWithTheirNumbers() {
        try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu());
                FusedContrastiveLoss fused = new FusedContrastiveLoss(device, InfoNce.withTemperature(0.1));
                FusedContrastiveLoss pairs = new FusedContrastiveLoss(device, PairwiseContrastive.withMargin(1))) {
            NDArray rows = manager.ones(new Shape(4, 3));
            assertThatThrownBy(() -> fused.evaluate(new NDList(), new NDList(rows)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("1 arrays")
                    .hasMessageContaining("takes 2");
            assertThatThrownBy(() -> fused.evaluate(new NDList(), new NDList(rows, manager.ones(new Shape(2, 3)))))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> fused.evaluate(new NDList(), new NDList(manager.ones(new Shape(4)), rows)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("queries");
            assertThatThrownBy(() -> fused.evaluate(new NDList(), new NDList(rows.toType(DataType.INT32, true), rows)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("int32");
            assertThatThrownBy(() -> pairs.evaluate(new NDList(), new NDList(rows, rows)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("labels");
            NDArray broken = manager.ones(new Shape(4, 3));
            broken.set(new ai.djl.ndarray.index.NDIndex("2,1"), Float.NaN);
            assertThatThrownBy(() -> fused.evaluate(new NDList(), new NDList(rows, broken)))
                    .isInstanceOf(InfoNceException.class)
                    .hasMessageContaining("2");
        }
        assertThatThrownBy(() -> new FusedContrastiveLoss(
                        device, NtXent.withTemperature(0.1).withReduction(Reduction.NONE)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("NONE");
    }

    private static Outcome train(int towers, Function<NDList, NDArray> loss) {
        return train(towers, List.of(), loss);
    }

    /** One forward and backward pass of a two-layer network over the inputs of each tower. */
    private static Outcome train(int towers, List<LearnedNumber> learned, Function<NDList, NDArray> loss) {
        SplittableRandom random = new SplittableRandom(7);
        try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu())) {
            SequentialBlock network = new SequentialBlock()
                    .add(Linear.builder().setUnits(12).build())
                    .add(Activation::tanh)
                    .add(Linear.builder().setUnits(OUTPUTS).build());
            network.initialize(manager, DataType.FLOAT32, new Shape(ROWS, INPUTS));
            for (Pair<String, Parameter> named : network.getParameters()) {
                NDArray weight = named.getValue().getArray();
                weight.set(
                        new ai.djl.ndarray.index.NDIndex("..."),
                        random(manager, random, weight.getShape().getShape()));
            }
            List<Parameter> parameters = new ArrayList<>(network.getParameters().values());
            for (LearnedNumber number : learned) {
                number.initialize(manager, DataType.FLOAT32, new Shape(ROWS, OUTPUTS));
                parameters.addAll(number.getParameters().values());
            }
            ParameterStore store = new ParameterStore(manager, false);
            NDList inputs = new NDList();
            for (int tower = 0; tower < towers; tower++) {
                inputs.add(random(manager, random, ROWS, INPUTS));
            }
            double value;
            try (GradientCollector collector = engine.newGradientCollector()) {
                NDList predictions = new NDList();
                for (NDArray input : inputs) {
                    predictions.addAll(network.forward(store, new NDList(input), true));
                }
                for (LearnedNumber number : learned) {
                    predictions = number.forward(store, predictions, true);
                }
                NDArray result = loss.apply(predictions);
                assertThat(result.size()).isEqualTo(1);
                collector.backward(result);
                value = result.toFloatArray()[0];
            }
            List<float[]> gradients = new ArrayList<>();
            for (Parameter parameter : parameters) {
                gradients.add(parameter.getArray().getGradient().toFloatArray());
            }
            return new Outcome(value, gradients);
        }
    }

    private static void assertSame(Outcome actual, Outcome expected) {
        assertThat(expected.loss()).isGreaterThan(0.01);
        assertThat(actual.loss()).isCloseTo(expected.loss(), within(BOUND * Math.abs(expected.loss())));
        assertThat(actual.gradients()).hasSameSizeAs(expected.gradients());
        double largest = expected.gradients().stream()
                .mapToDouble(FusedContrastiveLossTest::norm)
                .max()
                .orElseThrow();
        assertThat(largest).isGreaterThan(1e-3);
        for (int i = 0; i < expected.gradients().size(); i++) {
            float[] difference = expected.gradients().get(i).clone();
            for (int k = 0; k < difference.length; k++) {
                difference[k] -= actual.gradients().get(i)[k];
            }
            assertThat(norm(difference)).as("gradient %d", i).isLessThan(BOUND * largest);
        }
    }

    private static double norm(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }

    private static NDArray temperature(NDList predictions, double value) {
        return EagerLosses.constant(predictions.head().getManager(), value, DataType.FLOAT32);
    }

    private static NDArray labels(NDList predictions) {
        float[] labels = new float[ROWS];
        for (int i = 0; i < ROWS; i += 2) {
            labels[i] = 1;
        }
        return predictions.head().getManager().create(labels);
    }

    private static NDArray random(NDManager manager, SplittableRandom random, long... shape) {
        Shape size = new Shape(shape);
        float[] values = new float[(int) size.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextDouble() - 0.5);
        }
        return manager.create(values, size);
    }

    private static org.assertj.core.data.Offset<Double> within(double offset) {
        return org.assertj.core.api.Assertions.within(offset);
    }
}
