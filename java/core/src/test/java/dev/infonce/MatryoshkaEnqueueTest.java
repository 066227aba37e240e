package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Prefixes on a stream, one after the other in one workspace. */
class MatryoshkaEnqueueTest extends OnDevicesWithMemory {
    private static final int N = 12;
    private static final int DIM = 10;
    private static final Shape SHAPE = Shape.of(N, N, DIM);

    static List<ContrastiveLoss> losses() {
        return List.of(
                InfoNce.withTemperature(0.3).symmetric(),
                InfoNce.withTemperature(0.3).withReduction(Reduction.NONE),
                NtXent.withTemperature(0.3),
                SigLip.learned(),
                InfoNce.withTemperature(0.3).withOwnNegatives(),
                Triplet.withMargin(0.3));
    }

    private Matrix device(DType dtype, int rows, long seed) {
        return Samples.fill(device.allocate(dtype, rows, DIM), seed);
    }

    private static DeviceInputs inputs(Matrix queries, Matrix keys, Matrix negatives) {
        return DeviceInputs.of(queries, keys).withNegatives(negatives);
    }

    /** With coordinates beyond the largest prefix and without; twice, since the second call begins with what the first left. */
    @ParameterizedTest
    @MethodSource("losses")
    void anEnqueuedCallGivesTheBitsOfOneThatWaits(ContrastiveLoss plain) {
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT16)) {
            for (int largest : new int[] {8, DIM}) {
                Plan plan = device.plan(plain.matryoshka(2, 5, largest).withWeights(1, 0.5, 2), SHAPE, dtype);
                Matrix queries = device(dtype, N, 1);
                Matrix keys = device(dtype, N, 2);
                int count = plain.negatives() == Negatives.OWN ? N * N : N;
                Matrix negatives = plain.takesNegatives() ? device(dtype, count, 3) : null;
                GradientResult expected =
                        plan.forwardBackward(Inputs.of(queries, keys).withNegatives(negatives));
                DeviceOutputs out = plan.allocateOutputs();
                DeviceBuffer workspace = plan.allocateWorkspace();
                try (Stream stream = device.stream()) {
                    for (int call = 0; call < 2; call++) {
                        plan.enqueue(stream, inputs(queries, keys, negatives), out, workspace)
                                .await();
                        assertSame(out, expected);
                    }
                }
            }
        }
    }

    private static void assertSame(DeviceOutputs out, GradientResult expected) {
        double[] losses = expected.rowLosses().length > 0 ? expected.rowLosses() : new double[] {expected.loss()};
        assertThat(out.readLoss()).containsExactly(losses);
        assertThat(out.readMetrics()).isEqualTo(expected.metrics());
        assertThat(Samples.content(out.dQueries())).isEqualTo(Samples.content(expected.dQueries()));
        assertThat(Samples.content(out.dKeys())).isEqualTo(Samples.content(expected.dKeys()));
        if (expected.dNegatives() != null) {
            assertThat(Samples.content(out.dNegatives())).isEqualTo(Samples.content(expected.dNegatives()));
        }
        assertThat(out.dTemperature().toDoubleArray()).containsExactly(expected.dTemperature());
        assertThat(out.dBias().toDoubleArray()).containsExactly(expected.dBias());
    }

    @Test
    void theLossAloneNeedsNoGradient() {
        Plan plan = device.plan(InfoNce.withTemperature(0.3).matryoshka(2, 5), SHAPE, DType.FLOAT32);
        Matrix queries = device(DType.FLOAT32, N, 1);
        Matrix keys = device(DType.FLOAT32, N, 2);
        DeviceOutputs out = new DeviceOutputs(device.buffer(99.0), null, null, null, null, null, null);
        try (Stream stream = device.stream()) {
            plan.enqueue(stream, DeviceInputs.of(queries, keys), out, plan.allocateWorkspace())
                    .await();
        }
        assertThat(out.readLoss()[0]).isEqualTo(plan.forward(queries, keys).loss());
    }

    /** Of a coordinate that all prefixes have nothing is written; one that only the largest has is told all the same. */
    @ParameterizedTest
    @ValueSource(ints = {0, 7})
    void refusalsOfTheLargestPrefixAreTold(int column) {
        Plan plan = device.plan(InfoNce.withTemperature(0.3).matryoshka(2, 5, 8), SHAPE, DType.FLOAT32);
        Matrix bad = Samples.heap(DType.FLOAT32, N, DIM, 1);
        bad.set(3, column, Double.NaN);
        Matrix queries = device.allocate(DType.FLOAT32, N, DIM).copyFrom(bad);
        Matrix keys = device(DType.FLOAT32, N, 2);
        Matrix dQueries = device.allocate(DType.FLOAT32, N, DIM).copyFrom(Samples.sentinel(DType.FLOAT32, N, DIM));
        DeviceOutputs out = new DeviceOutputs(
                device.buffer(77.0), dQueries.prefix(8), null, null, device.buffer(77.0), device.buffer(77.0), null);
        DeviceOutputs all = new DeviceOutputs(out.loss(), dQueries, null, null, out.dTemperature(), out.dBias(), null);
        try (Stream stream = device.stream()) {
            PendingCall call = plan.enqueue(stream, DeviceInputs.of(queries, keys), all, plan.allocateWorkspace());
            assertThat(call.status()).isEqualTo(Status.NON_FINITE);
            assertThatThrownBy(call::await)
                    .isInstanceOf(InfoNceException.class)
                    .hasMessageContaining("queries")
                    .hasMessageContaining("row 3");
        }
        if (column == 0) {
            assertThat(out.readLoss()).containsExactly(77);
            assertThat(out.dTemperature().toDoubleArray()).containsExactly(77);
            assertThat(Samples.isUntouched(out.dQueries())).isTrue();
        }
    }

    /** Each prefix keeps how it ended, although the next one has the same workspace. */
    @Test
    void aRefusalOfASmallerPrefixIsTold() {
        ContrastiveLoss loss = InfoNce.withTemperature(1e-9).withSimilarity(Similarity.DOT);
        Plan plan = device.plan(loss.matryoshka(1, 2, 3), Shape.of(2, 2, 3), DType.FLOAT64);
        double huge = 0x1p498;
        Matrix queries =
                device.allocate(DType.FLOAT64, 2, 3).copyFrom(Matrix.of(new double[] {1, huge, huge, 1, 1, 1}, 2, 3));
        Matrix keys =
                device.allocate(DType.FLOAT64, 2, 3).copyFrom(Matrix.of(new double[] {1, -huge, huge, 1, 1, 1}, 2, 3));
        try (Stream stream = device.stream()) {
            PendingCall call = plan.enqueue(
                    stream, DeviceInputs.of(queries, keys), plan.allocateOutputs(), plan.allocateWorkspace());
            assertThatThrownBy(call::await)
                    .isInstanceOf(InfoNceException.class)
                    .hasMessageContaining("queries")
                    .hasMessageContaining("range of float64");
        }
    }

    @Test
    void prefixesTakeTurnsInTheWorkspaceOfTheLargest() {
        ContrastiveLoss loss = InfoNce.withTemperature(0.3);
        Shape shape = Shape.of(40, 40, 256);
        Plan whole = device.plan(loss, shape, DType.FLOAT32);
        Plan prefixes = device.plan(loss.matryoshka(32, 64, 128, 256), shape, DType.FLOAT32);
        assertThat(prefixes.workspaceBytes()).isBetween(whole.workspaceBytes(), whole.workspaceBytes() + 1024);
    }
}
