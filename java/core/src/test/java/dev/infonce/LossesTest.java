package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Presets against what their papers say of equal vectors, where only the counts of rows differ. */
class LossesTest {
    private static final int N = 8;
    private static final Matrix ROWS = Matrix.of(filled(N), N, 1);

    private static double[] filled(int count) {
        double[] ones = new double[count];
        Arrays.fill(ones, 1);
        return ones;
    }

    private static double loss(ContrastiveLoss loss, Shape shape, Inputs in) {
        try (Device device = Device.java(1);
                Plan plan = device.plan(loss, shape, DType.FLOAT64)) {
            return plan.forward(in).loss();
        }
    }

    @Test
    void ofOneTowerCountAllOtherRows() {
        Shape shape = Shape.tower(N, 1);
        assertThat(loss(Losses.simclr(0.5), shape, Inputs.of(ROWS))).isCloseTo(Math.log(N - 1), within(1e-12));
        assertThat(loss(Losses.dcl(0.5), shape, Inputs.of(ROWS))).isCloseTo(Math.log(N - 2), within(1e-12));
    }

    /** Two rows of each label: one positive and N - 2 negatives. */
    @Test
    void ofLabelsCountAllOtherRowsToo() {
        Shape shape = Shape.tower(N, 1);
        Inputs in = Inputs.of(ROWS).withLabels(0, 0, 1, 1, 2, 2, 3, 3);
        assertThat(loss(Losses.supcon(0.5), shape, in)).isCloseTo(Math.log(N - 1), within(1e-12));
        Inputs halves = Inputs.of(ROWS).withLabels(0, 0, 0, 0, 1, 1, 1, 1);
        assertThat(loss(Losses.softNearestNeighbours(2), shape, halves)).isCloseTo(Math.log(7.0 / 3), within(1e-12));
    }

    @Test
    void ofTwoTowersCountTheirKeys() {
        Shape shape = Shape.of(N, N, 1);
        assertThat(loss(Losses.clip(0.5), shape, Inputs.of(ROWS, ROWS))).isCloseTo(Math.log(N), within(1e-12));
        // z = 10 - 10 for every pair
        assertThat(loss(Losses.siglip(), shape, Inputs.of(ROWS, ROWS))).isCloseTo(N * Math.log(2), within(1e-12));
    }

    /** Of each kind of pairs all but one with itself. */
    @Test
    void acrossBlocksCountTheirPairs() {
        Shape shape = Shape.of(N, N, 1);
        assertThat(loss(Losses.gte(0.5), shape, Inputs.of(ROWS, ROWS))).isCloseTo(Math.log(4 * N - 3), within(1e-12));
    }

    /** Copies of the positive stay below its similarity and any margin from 0 on, and not below a margin less. */
    @Test
    void ofHardNegativesCountThemToo() {
        int own = 3;
        Shape shape = Shape.of(N, N, 1).withOwnNegatives(own);
        Inputs in = Inputs.of(ROWS, ROWS).withNegatives(Matrix.of(filled(N * own), N * own, 1));
        assertThat(loss(Losses.qwen3(0.5, 0.1), shape, in)).isCloseTo(Math.log(3 * N - 2 + own), within(1e-12));
        assertThat(loss(Losses.qwen3(0.5, 0), shape, in)).isCloseTo(Math.log(3 * N - 2 + own), within(1e-12));
        assertThat(loss(Losses.qwen3(0.5, -0.1), shape, in)).isZero();
    }

    @Test
    void ofAQueueCountsTheQueue() {
        int queue = 20;
        Matrix negatives = Matrix.of(filled(queue), queue, 1);
        double loss = loss(
                Losses.moco(0.5), Shape.of(N, queue, 1), Inputs.of(ROWS, ROWS).withNegatives(negatives));
        assertThat(loss).isCloseTo(Math.log(queue + 1), within(1e-12));
    }
}
