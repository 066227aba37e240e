package dev.infonce.internal.java;

import dev.infonce.internal.java.row.Row;
import dev.infonce.internal.java.row.RowFunction;
import dev.infonce.internal.java.row.RowRule;
import java.util.Arrays;

/**
 * Row losses over the negatives of every row, which may come in any number of parts: a strip of rows against one block of
 * columns at a time. Strips are cut by the number of rows alone.
 */
final class DenseForward {
    static final int STRIP = 32; // divides Rows.BLOCK

    private final RowFunction.OfLogits loss;
    private final SimilarityMeasure measure;
    private final Pairing pairing;
    private final Embeddings rows;
    private final Embeddings positives;
    private final int count;
    private final double temperature;
    private final int topK;
    private final Row[] states;
    private final long[] moreSimilar;
    private final long[] asSimilar;
    private final Tally[] tallies; // of strips
    private final long[] negatives; // of rows

    final double[] losses;
    final double[] temperatureSlopes;
    final double[] biasSlopes;

    /** The derivative of the objective by the similarity of each row's positive. */
    final double[] positiveFactors;

    /** Those by the similarities of the negatives. */
    final Slopes slopes;

    final Tally tally = new Tally();

    /** Row i's positive is a row of positives, as pairing says. topK is 0 if nobody wants metrics. */
    DenseForward(
            RowFunction.OfLogits loss,
            SimilarityMeasure measure,
            Pairing pairing,
            Embeddings rows,
            Embeddings positives,
            double temperature,
            RowRule rule,
            int topK) {
        this.loss = loss;
        this.measure = measure;
        this.pairing = pairing;
        this.rows = rows;
        this.positives = positives;
        this.count = rows.count();
        this.topK = topK;
        this.losses = new double[count];
        this.temperatureSlopes = new double[count];
        this.biasSlopes = new double[count];
        this.positiveFactors = new double[count];
        this.temperature = temperature;
        this.slopes = new Slopes(loss, temperature, rule.bias(), count);
        this.states = new Row[count];
        for (int row = 0; row < count; row++) {
            states[row] = new Row(temperature, rule);
            states[row].positive = positiveSimilarity(row);
        }
        this.negatives = new long[count];
        this.moreSimilar = new long[count];
        this.asSimilar = new long[count];
        this.tallies = new Tally[(count + STRIP - 1) / STRIP];
        Arrays.setAll(tallies, _ -> new Tally());
    }

    /** Adds columns, except for those that are excluded. */
    DenseForward add(Workers workers, Exclusion excluded, Embeddings columns) {
        workers.run(tallies.length, strip -> add(strip, excluded, columns));
        return this;
    }

    /** After all columns. A row's objective is scales[row] times its loss. */
    DenseForward finish(Workers workers, double[] scales) {
        workers.run(tallies.length, strip -> finish(strip, scales));
        for (Tally part : tallies) {
            tally.add(part);
        }
        return this;
    }

    /** The first row with a number beyond the range of float64, or -1. */
    int firstOverflow() {
        for (int row = 0; row < count; row++) {
            if (!states[row].isFinite() || !Double.isFinite(losses[row])) {
                return row;
            }
        }
        return -1;
    }

    private void add(int strip, Exclusion excluded, Embeddings columns) {
        int first = strip * STRIP;
        int height = Math.min(STRIP, count - first);
        Tally sums = tallies[strip];
        double[] similarities = new double[Rows.BLOCK];
        double[] cosines = new double[Rows.BLOCK];
        for (int block = 0; block < columns.vectors().blockCount(); block++) {
            int firstColumn = block * Rows.BLOCK;
            int width = columns.vectors().width(block);
            for (int row = first; row < first + height; row++) {
                measure.similarities(rows.vectors(), row, columns.vectors(), block, similarities);
                double potentials = 0.0;
                if (topK > 0) {
                    potentials = potentials(row, columns.units(), block, similarities, cosines, excluded);
                }
                int kept = excluded.drop(row, count, similarities, firstColumn, width);
                negatives[row] += kept;
                loss.function.add(states[row], similarities, kept);
                if (topK > 0) {
                    double positive = states[row].positive;
                    double sum = 0.0;
                    for (int k = 0; k < kept; k++) {
                        sum += similarities[k];
                        moreSimilar[row] += similarities[k] > positive ? 1 : 0;
                        asSimilar[row] += similarities[k] == positive ? 1 : 0;
                    }
                    sums.negatives(kept, sum, potentials);
                }
            }
        }
    }

    private void finish(int strip, double[] scales) {
        for (int row = strip * STRIP; row < Math.min(count, (strip + 1) * STRIP); row++) {
            Row state = states[row];
            losses[row] = loss.loss(state);
            temperatureSlopes[row] = scales[row] * loss.temperatureSlope(state);
            biasSlopes[row] = scales[row] * loss.biasSlope(state);
            positiveFactors[row] = scales[row] * loss.positiveSlope(state) / temperature;
            slopes.keep(row, state, scales[row]);
            if (topK > 0) {
                Tally sums = tallies[strip];
                sums.rank(moreSimilar[row], asSimilar[row], topK);
                sums.positive(state.positive, positiveSquaredDistance(row));
                sums.effectiveNegatives(loss.effectiveNegatives(state), negatives[row]);
                sums.row(1, negatives[row]);
            }
        }
    }

    private double positiveSimilarity(int row) {
        int partner = pairing.positive(row, count);
        int dim = rows.dim();
        return measure.similarity(
                rows.vectors().blockOf(row),
                Rows.offset(row, dim),
                positives.vectors().blockOf(partner),
                Rows.offset(partner, dim),
                dim);
    }

    private double positiveSquaredDistance(int row) {
        int partner = pairing.positive(row, count);
        int dim = rows.dim();
        return Kernels.squaredDistance(
                rows.units().blockOf(row),
                Rows.offset(row, dim),
                positives.units().blockOf(partner),
                Rows.offset(partner, dim),
                dim);
    }

    /** The sum of the potentials of a row and the negatives of one block. */
    private double potentials(
            int row, Rows units, int block, double[] similarities, double[] cosines, Exclusion excluded) {
        int width = units.width(block);
        int firstColumn = block * Rows.BLOCK;
        if (measure.isOfUnitRows()) {
            System.arraycopy(similarities, 0, cosines, 0, width);
        } else {
            Kernels.dots(
                    rows.units().blockOf(row),
                    Rows.offset(row, rows.dim()),
                    units.panel(block),
                    width,
                    rows.dim(),
                    cosines);
        }
        double squaredNorm = rows.units().squaredUnitNorm(row);
        for (int k = 0; k < width; k++) {
            double squaredDistance = squaredNorm + units.squaredUnitNorm(firstColumn + k) - 2.0 * cosines[k];
            cosines[k] = Tally.potential(Math.max(squaredDistance, 0.0));
        }
        excluded.clear(row, count, cosines, firstColumn, width);
        double sum = 0.0;
        for (int k = 0; k < width; k++) {
            sum += cosines[k];
        }
        return sum;
    }
}
