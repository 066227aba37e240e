package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** Outputs that calls use again. */
class OutputsTest extends OnEachDevice {
    private static final int N = 9;
    private static final int DIM = 5;
    private static final InfoNce LOSS = InfoNce.withTemperature(0.3);

    @Test
    void numbersAndGradientsAreThoseOfANewResult() {
        Plan plan = device.plan(LOSS.symmetric(), Shape.of(N, N, DIM), DType.FLOAT32);
        Outputs out = outputs();
        assertThat(out.loss()).isNaN();
        for (int seed = 1; seed <= 3; seed++) {
            Inputs in = inputs(seed).withTemperature(0.1 * seed);
            GradientResult expected = plan.forwardBackward(in);
            plan.forwardBackward(in, out);
            assertThat(out.loss()).isEqualTo(expected.loss());
            assertThat(out.dTemperature()).isEqualTo(expected.dTemperature());
            assertThat(out.dLogTemperature()).isEqualTo(expected.dLogTemperature());
            assertThat(out.metrics()).isEqualTo(expected.metrics());
            assertThat(out.rowLosses()).isEmpty();
            assertThat(out.gradients().dQueries().toFloatArray())
                    .isEqualTo(expected.dQueries().toFloatArray());
            assertThat(out.gradients().dKeys().toFloatArray())
                    .isEqualTo(expected.dKeys().toFloatArray());
        }
    }

    @Test
    void plansMayTakeTurnsOnTheSameOutputs() {
        Shape shape = Shape.of(N, N, DIM);
        Plan rows = device.plan(LOSS.withReduction(Reduction.NONE), shape, DType.FLOAT32);
        Plan mean =
                device.plan(LOSS, shape, DType.FLOAT32, PlanOptions.defaults().withoutMetrics());
        Outputs out = outputs();
        Inputs in = inputs(1);
        rows.forwardBackward(in, out);
        assertThat(out.loss()).isNaN();
        assertThat(out.rowLosses()).isEqualTo(rows.forward(in).rowLosses()).hasSize(N);
        assertThat(out.metrics()).isNotNull();
        mean.forwardBackward(in, out);
        assertThat(out.loss()).isEqualTo(mean.forward(in).loss());
        assertThat(out.rowLosses()).isEmpty();
        assertThat(out.metrics()).isNull();
    }

    @Test
    void aCallThatFailsLeavesTheNumbersAsTheyWere() {
        Plan plan = device.plan(LOSS, Shape.of(N, N, DIM), DType.FLOAT32);
        Outputs out = outputs();
        plan.forwardBackward(inputs(1), out);
        double loss = out.loss();
        Matrix broken = Samples.heap(DType.FLOAT32, N, DIM, 1);
        broken.set(3, 2, Double.NaN);
        Inputs in = Inputs.of(broken, broken);
        assertThatThrownBy(() -> plan.forwardBackward(in, out)).isInstanceOf(InfoNceException.class);
        assertThat(out.loss()).isEqualTo(loss);
        assertThat(out.metrics()).isNotNull();
    }

    @Test
    void nothingIsLeftOnTheHeapByANativeDevice() {
        assumeTrue(deviceName.equals("cpu"), "other devices make objects");
        Plan plan = device.plan(LOSS.symmetric(), Shape.of(N, N, DIM), DType.FLOAT32);
        Matrix queries = Samples.fill(device.allocate(DType.FLOAT32, N, DIM), 1);
        Matrix keys = Samples.fill(device.allocate(DType.FLOAT32, N, DIM), 2);
        Inputs in = Inputs.of(queries, keys);
        Outputs out = Outputs.of(device.allocate(DType.FLOAT32, N, DIM), device.allocate(DType.FLOAT32, N, DIM));
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        int calls = 20_000;
        long before = 0;
        for (int round = 0; round < 2; round++) {
            before = threads.getCurrentThreadAllocatedBytes();
            for (int call = 0; call < calls; call++) {
                plan.forwardBackward(in, out);
            }
        }
        // The smallest object takes 16 bytes, so a tenth of one a call is none.
        assertThat((threads.getCurrentThreadAllocatedBytes() - before) / (double) calls)
                .isLessThan(1.6);
    }

    private Outputs outputs() {
        return Outputs.of(Matrix.zeros(DType.FLOAT32, N, DIM), Matrix.zeros(DType.FLOAT32, N, DIM));
    }

    private static Inputs inputs(int seed) {
        return Inputs.of(Samples.heap(DType.FLOAT32, N, DIM, seed), Samples.heap(DType.FLOAT32, N, DIM, seed + 10));
    }
}
