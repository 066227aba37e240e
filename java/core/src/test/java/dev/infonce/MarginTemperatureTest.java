package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** A loss with a margin has no temperature, nor has one of a teacher's margins, so that every slope by one is 0 and none is NaN. */
class MarginTemperatureTest extends OnEachDevice {
    @Test
    void theGradientByTheLogarithmOfATemperatureThatIsNotThereIsZero() {
        Matrix queries = Matrix.of(new float[] {1, 2, 3, 4, 5, 7}, 3, 2);
        Matrix keys = Matrix.of(new float[] {2, 1, 0, 4, 1, 1}, 3, 2);
        Inputs labelled = Inputs.of(queries, keys).withLabels(new int[] {1, 0, 1});
        Inputs triples = Inputs.of(queries, keys).withNegatives(Matrix.of(new float[] {3, 1, 2, 2, 5, 5}, 3, 2));
        assertZero(PairwiseContrastive.withMargin(2), labelled);
        assertZero(Triplet.withMargin(2), triples);
        Shape lists = Shape.of(3, 1, 2);
        assertZero(MarginMse.ofDots(), lists, triples.withTeacherScores(3, -1, 0, 0, 5, 4));
    }

    private void assertZero(ContrastiveLoss loss, Inputs in) {
        assertZero(loss, Shape.pairs(3, 2), in);
    }

    private void assertZero(ContrastiveLoss loss, Shape shape, Inputs in) {
        try (Plan plan = device.plan(loss, shape, DType.FLOAT32)) {
            GradientResult result = plan.forwardBackward(in);
            assertThat(result.loss()).isPositive();
            assertThat(result.temperature()).isNaN();
            assertThat(result.dTemperature()).isZero();
            assertThat(result.dLogTemperature()).isZero();
            assertThat(plan.backward(in).dLogTemperature()).isZero();
            Outputs out = Outputs.of(Matrix.zeros(DType.FLOAT32, 3, 2), Matrix.zeros(DType.FLOAT32, 3, 2));
            plan.forwardBackward(in, out);
            assertThat(out.dTemperature()).isZero();
            assertThat(out.dLogTemperature()).isZero();
        }
    }
}
