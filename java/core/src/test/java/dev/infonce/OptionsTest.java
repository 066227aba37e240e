package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Test;

/** What plans and calls are asked for arrives where the work is done. */
class OptionsTest extends OnEachDevice {
    private static final int N = 600;
    private static final int DIM = 8;
    private static final Shape SHAPE = Shape.of(N, N, DIM);

    private final Inputs in = Inputs.of(Samples.heap(DType.FLOAT32, N, DIM, 1), Samples.heap(DType.FLOAT32, N, DIM, 2));

    @Test
    void fastPrecisionTakesLessMemoryAndKeepsAFewDigits() {
        assumeTrue(deviceName.equals("cpu"), "only device cpu widens by its precision");
        InfoNce loss = InfoNce.withTemperature(0.5).withSimilarity(Similarity.NEGATIVE_EUCLIDEAN);
        Plan precise = device.plan(loss, SHAPE, DType.FLOAT32);
        Plan fast =
                device.plan(loss, SHAPE, DType.FLOAT32, PlanOptions.defaults().withPrecision(Precision.FAST));
        assertThat(fast.workspaceBytes()).isLessThan(precise.workspaceBytes());
        double right = precise.forward(in).loss();
        double rough = fast.forward(in).loss();
        assertThat(rough).isNotEqualTo(right);
        assertThat(Math.abs(rough / right - 1)).isLessThan(1e-5);
    }

    @Test
    void aSmallerBudgetTakesLessMemoryAndGivesTheSameBits() {
        boolean vectors = deviceName.equals("java") && device.description().contains("vectors");
        assumeTrue(vectors || deviceName.equals("cpu"), "only cpu and java with vectors keep tiles");
        InfoNce loss = InfoNce.withTemperature(0.5);
        Plan usual = device.plan(loss, SHAPE, DType.FLOAT32);
        Plan small =
                device.plan(loss, SHAPE, DType.FLOAT32, PlanOptions.defaults().withWorkspaceBudget(0));
        assertThat(small.workspaceBytes()).isLessThan(usual.workspaceBytes());
        GradientResult expected = usual.forwardBackward(in);
        GradientResult result = small.forwardBackward(in);
        assertThat(result.loss()).isEqualTo(expected.loss());
        assertThat(result.dQueries().toFloatArray())
                .isEqualTo(expected.dQueries().toFloatArray());
        assertThat(result.dKeys().toFloatArray()).isEqualTo(expected.dKeys().toFloatArray());
    }

    /** 2^46 kept floats are more than a processor can address. */
    @Test
    void aWorkspaceThatIsRefusedNamesItsSizesAndTheWayOut() {
        assumeTrue(deviceName.equals("cpu"), "java keeps its workspace on the heap, and device memory is its owner's");
        int n = 1 << 23;
        Shape shape = Shape.of(n, n, 1);
        InfoNce loss = InfoNce.withTemperature(0.5);
        Inputs many = Inputs.of(Matrix.of(new float[n], n, 1), Matrix.of(new float[n], n, 1));
        Gradients out = new Gradients(Matrix.of(new float[n], n, 1), null, null);
        PlanOptions all = PlanOptions.defaults().withWorkspaceBudget(1L << 50);
        try (Plan plan = device.plan(loss, shape, DType.FLOAT32, all);
                Plan least = device.plan(loss, shape, DType.FLOAT32, all.withWorkspaceBudget(0))) {
            assertThat(plan.workspaceBytes()).isGreaterThan(1L << 47);
            assertThatThrownBy(() -> plan.forwardBackward(many, out))
                    .isInstanceOf(InfoNceException.class)
                    .hasMessageStartingWith(
                            "the workspace of %s, FLOAT32, has %d bytes; PlanOptions.withWorkspaceBudget(0) would need "
                                    + "%d, and fewer rows still less. bytes is %d; the host refused the allocation",
                            shape, plan.workspaceBytes(), least.workspaceBytes(), plan.workspaceBytes())
                    .extracting(thrown -> ((InfoNceException) thrown).status())
                    .isEqualTo(Status.OUT_OF_MEMORY);
            assertThat(out.dQueries().toFloatArray()).containsOnly(0f);
        }
    }

    @Test
    void theAccuracyOfTheFirstKIsThatOfTheKAskedFor() {
        int n = 40;
        Shape shape = Shape.of(n, n, DIM);
        Matrix queries = Samples.heap(DType.FLOAT32, n, DIM, 1);
        Matrix keys = Samples.heap(DType.FLOAT32, n, DIM, 2);
        InfoNce loss = InfoNce.withTemperature(0.5);
        double[] accuracies = new double[n + 1];
        for (int k : new int[] {1, 5, 20, n}) {
            Metrics metrics = device.plan(
                            loss, shape, DType.FLOAT32, PlanOptions.defaults().withTopK(k))
                    .forward(queries, keys)
                    .metrics();
            accuracies[k] = metrics.topKAccuracy();
            assertThat(accuracies[1]).isEqualTo(metrics.top1Accuracy());
        }
        assertThat(accuracies[5]).isGreaterThan(accuracies[1]);
        assertThat(accuracies[20]).isGreaterThan(accuracies[5]);
        assertThat(accuracies[n]).isEqualTo(1.0);
    }

    @Test
    void twoRowsMayHaveTwoUpstreamGradients() {
        InfoNce loss = InfoNce.withTemperature(0.5).withOwnNegatives().withReduction(Reduction.NONE);
        Plan plan = device.plan(loss, Shape.of(2, 3, DIM), DType.FLOAT32);
        Inputs two = Inputs.of(Samples.heap(DType.FLOAT32, 2, DIM, 1), Samples.heap(DType.FLOAT32, 2, DIM, 2))
                .withNegatives(Samples.heap(DType.FLOAT32, 6, DIM, 3));
        Matrix plain = plan.forwardBackward(two).dQueries();
        Matrix scaled = plan.forwardBackward(two.withUpstream(2, -4)).dQueries();
        for (int d = 0; d < DIM; d++) {
            assertThat(scaled.get(0, d)).isEqualTo(2 * plain.get(0, d));
            assertThat(scaled.get(1, d)).isEqualTo(-4 * plain.get(1, d));
        }
    }

    @Test
    void theEndsOfTheRangeOfTemperaturesAreAllowed() {
        Plan plan = device.plan(InfoNce.withTemperature(0.5), Shape.of(2, 2, DIM), DType.FLOAT32);
        Inputs two = Inputs.of(Samples.heap(DType.FLOAT32, 2, DIM, 1), Samples.heap(DType.FLOAT32, 2, DIM, 2));
        for (double temperature : new double[] {1e-9, 1e9}) {
            assertThat(plan.forward(two.withTemperature(temperature)).loss()).isNotNegative();
        }
    }

    @Test
    void rowsOfWeightZeroCountForNothing() {
        InfoNce loss = InfoNce.withTemperature(0.5);
        Inputs two = Inputs.of(Samples.heap(DType.FLOAT64, 2, DIM, 1), Samples.heap(DType.FLOAT64, 2, DIM, 2));
        double[] rows = device.plan(loss.withReduction(Reduction.NONE), Shape.pairs(2, DIM), DType.FLOAT64)
                .forward(two)
                .rowLosses();
        Plan mean = device.plan(loss, Shape.pairs(2, DIM), DType.FLOAT64);
        assertThat(mean.forward(two.withWeights(0, 3)).loss()).isCloseTo(rows[1], withinPercentage(1e-8));
    }

    @Test
    void aPlanTellsWhatItWasMadeFor() {
        InfoNce loss = InfoNce.withTemperature(0.5);
        Plan plan = device.plan(loss, SHAPE, DType.FLOAT32);
        assertThat(plan.loss()).isEqualTo(loss);
        assertThat(plan.shape()).isEqualTo(SHAPE);
        assertThat(plan.dtype()).isEqualTo(DType.FLOAT32);
        assertThat(plan.device()).isSameAs(device);
        assertThat(plan).hasToString(loss + " of " + SHAPE + ", FLOAT32 on " + deviceName);
    }
}
