package dev.infonce.internal.java;

import dev.infonce.internal.java.row.Row;
import dev.infonce.internal.java.row.RowFunction;

/**
 * Row losses over all negatives of every row, a strip of rows against one block of columns at a time. Strips are cut by
 * the number of rows alone.
 */
final class DenseForward {
    static final int STRIP = 32; // divides Rows.BLOCK

    private final RowFunction.OfLogits loss;
    private final SimilarityMeasure measure;
    private final Pairing pairing;
    private final Embeddings rows;
    private final Embeddings columns;
    private final Embeddings positives;
    private final int count;
    private final double temperature;

    final double[] losses;
    final double[] temperatureSlopes;

    /** The derivative of the objective by the similarity of each row's positive. */
    final double[] positiveFactors;

    /** Those by the similarities of the negatives. */
    final Slopes slopes;

    final Tally tally = new Tally();

    /** The losses of the rows of rows against columns; row i's positive is a row of positives. */
    DenseForward(
            RowFunction.OfLogits loss,
            SimilarityMeasure measure,
            Pairing pairing,
            Embeddings rows,
            Embeddings columns,
            Embeddings positives,
            double temperature) {
        this.loss = loss;
        this.measure = measure;
        this.pairing = pairing;
        this.rows = rows;
        this.columns = columns;
        this.positives = positives;
        this.count = rows.count();
        this.losses = new double[count];
        this.temperatureSlopes = new double[count];
        this.positiveFactors = new double[count];
        this.temperature = temperature;
        this.slopes = new Slopes(loss, temperature, count);
    }

    /** A row's objective is scales[row] times its loss. share as in {@link Row}; topK is 0 if nobody wants metrics. */
    DenseForward run(Workers workers, double share, double[] scales, int topK) {
        int stripCount = (count + STRIP - 1) / STRIP;
        Tally[] tallies = new Tally[stripCount];
        workers.run(stripCount, strip -> tallies[strip] = strip(strip * STRIP, share, scales, topK));
        for (Tally part : tallies) {
            tally.add(part);
        }
        return this;
    }

    private Tally strip(int first, double share, double[] scales, int topK) {
        int height = Math.min(STRIP, count - first);
        Row[] states = new Row[height];
        long[] moreSimilar = new long[height];
        for (int i = 0; i < height; i++) {
            states[i] = new Row(temperature, share);
            states[i].positive = positiveSimilarity(first + i);
        }
        Tally strip = new Tally();
        double[] similarities = new double[Rows.BLOCK];
        double[] cosines = new double[Rows.BLOCK];
        for (int block = 0; block < columns.vectors().blockCount(); block++) {
            int firstColumn = block * Rows.BLOCK;
            int width = columns.vectors().width(block);
            for (int i = 0; i < height; i++) {
                int[] excluded = pairing.excluded(first + i, count);
                measure.similarities(rows.vectors(), first + i, columns.vectors(), block, similarities);
                double potentials = 0.0;
                if (topK > 0) {
                    potentials = potentials(first + i, block, similarities, cosines, excluded);
                }
                int kept = Pairing.dropExcluded(excluded, similarities, firstColumn, width);
                loss.function.add(states[i], similarities, kept);
                if (topK > 0) {
                    double sum = 0.0;
                    for (int k = 0; k < kept; k++) {
                        sum += similarities[k];
                        moreSimilar[i] += similarities[k] > states[i].positive ? 1 : 0;
                    }
                    strip.negatives(kept, sum, potentials);
                }
            }
        }
        for (int i = 0; i < height; i++) {
            int row = first + i;
            Row state = states[i];
            losses[row] = loss.loss(state);
            temperatureSlopes[row] = scales[row] * loss.temperatureSlope(state);
            positiveFactors[row] = scales[row] * loss.positiveSlope(state) / temperature;
            slopes.keep(row, state, scales[row]);
            if (topK > 0) {
                strip.rank(moreSimilar[i], topK);
                strip.positive(state.positive, positiveSquaredDistance(row));
                strip.effectiveNegatives(loss.effectiveNegatives(state));
            }
        }
        return strip;
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
    private double potentials(int row, int block, double[] similarities, double[] cosines, int[] excluded) {
        Rows units = columns.units();
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
        Pairing.clearExcluded(excluded, cosines, firstColumn, width);
        double sum = 0.0;
        for (int k = 0; k < width; k++) {
            sum += cosines[k];
        }
        return sum;
    }
}
