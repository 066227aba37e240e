package dev.infonce.internal.java;

import dev.infonce.internal.java.row.Row;
import dev.infonce.internal.java.row.RowFunction;
import dev.infonce.internal.java.row.RowRule;
import dev.infonce.internal.java.row.ScoredRow;
import java.util.Arrays;

/**
 * The mathematics of rows that have negatives of their own, one row after the other: begin, all its negatives, which may come in any
 * number of blocks, end; then what became of it.
 */
interface OwnRow {
    /** Begins a row with the similarity of its positive. */
    void begin(int row, double positive);

    /** Adds the next negatives, of similarities s[0] ... s[count - 1]. */
    void add(double[] s, int count);

    /** After the last negative. */
    void end();

    /** Whether what the row is made of is in the range of float64. */
    boolean isFinite();

    double loss();

    /** The derivative of the loss by the temperature. */
    double temperatureSlope();

    /** NaN where there is no softmax over negatives alone. */
    double effectiveNegatives();

    /** The derivative by the positive's similarity. scale is that of the objective by the row's loss. */
    double positiveSlope(double scale);

    /** factors[k] = the derivative by s[k], the similarity of negative first + k, after {@link #positiveSlope}. */
    void negativeSlopes(double scale, int first, double[] s, int count, double[] factors);

    /** Of logits, of which sums say all. */
    final class OfLogits implements OwnRow {
        private final RowFunction.OfLogits loss;
        private final double temperature;
        private final RowRule rule;
        private final Slopes slopes;
        private Row state;

        OfLogits(RowFunction.OfLogits loss, double temperature, RowRule rule) {
            this.loss = loss;
            this.temperature = temperature;
            this.rule = rule;
            this.slopes = new Slopes(loss, temperature, rule, 1);
        }

        @Override
        public void begin(int row, double positive) {
            state = new Row(temperature, rule);
            state.positive = positive;
        }

        @Override
        public void add(double[] s, int count) {
            loss.function.add(state, s, count);
        }

        @Override
        public void end() {}

        @Override
        public boolean isFinite() {
            return state.isFinite();
        }

        @Override
        public double loss() {
            return loss.loss(state);
        }

        @Override
        public double temperatureSlope() {
            return loss.temperatureSlope(state);
        }

        @Override
        public double effectiveNegatives() {
            return loss.effectiveNegatives(state);
        }

        @Override
        public double positiveSlope(double scale) {
            slopes.keep(0, state, scale);
            return scale * loss.positiveSlope(state) / temperature;
        }

        @Override
        public void negativeSlopes(double scale, int first, double[] s, int count, double[] factors) {
            Arrays.fill(factors, 0.0);
            slopes.addOfOwn(0, s, count, factors);
        }
    }

    /** Of lists that a teacher has scored, which are kept as a whole. */
    final class OfScores implements OwnRow {
        private final RowFunction.OfScores loss;
        private final ScoredRow state;

        OfScores(RowFunction.OfScores loss, double temperature, float[] scores, long negatives) {
            this.loss = loss;
            this.state = new ScoredRow(temperature, scores, Math.toIntExact(negatives + 1));
        }

        @Override
        public void begin(int row, double positive) {
            state.begin(row, positive);
        }

        @Override
        public void add(double[] s, int count) {
            state.add(s, count);
        }

        @Override
        public void end() {
            loss.evaluate(state);
        }

        @Override
        public boolean isFinite() {
            return state.isFinite();
        }

        @Override
        public double loss() {
            return state.loss;
        }

        @Override
        public double temperatureSlope() {
            return state.temperatureSlope;
        }

        @Override
        public double effectiveNegatives() {
            return Double.NaN;
        }

        @Override
        public double positiveSlope(double scale) {
            return scale * state.slopes[0];
        }

        @Override
        public void negativeSlopes(double scale, int first, double[] s, int count, double[] factors) {
            for (int k = 0; k < count; k++) {
                factors[k] = scale * state.slopes[1 + first + k];
            }
        }
    }
}
