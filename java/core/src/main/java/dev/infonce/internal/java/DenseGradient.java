package dev.infonce.internal.java;

import dev.infonce.Matrix;
import java.util.Arrays;

/**
 * The gradient by the rows of one tower. Similarities are computed again, a strip of rows against one block of the other
 * tower at a time; the same code with the towers exchanged gives the other tower's gradient.
 */
final class DenseGradient {
    private final SimilarityMeasure measure;
    private final Embeddings target;
    private final int count;
    private final double[][] gradient; // in blocks, as Rows

    DenseGradient(SimilarityMeasure measure, Embeddings target) {
        this(measure, target, target.count());
    }

    /** By the first rows. */
    DenseGradient(SimilarityMeasure measure, Embeddings target, int count) {
        this.measure = measure;
        this.target = target;
        this.count = count;
        this.gradient = new double[Rows.blockCount(count)][];
        for (int block = 0; block < gradient.length; block++) {
            gradient[block] = new double[Math.min(Rows.BLOCK, count - block * Rows.BLOCK) * target.dim()];
        }
    }

    /**
     * Adds what comes from target row i and other row j being negatives, or among several positives: ofTarget are the slopes of losses
     * whose rows are target's, ofOther those of losses whose rows are other's; either may be null.
     */
    DenseGradient addMeetings(Workers workers, Exclusion excluded, Embeddings other, Slopes ofTarget, Slopes ofOther) {
        return addMeetings(workers, excluded, count, other, other.count(), ofTarget, ofOther);
    }

    /** Adds what comes from each two of the first rows, of the target and of all alike, being negatives in both their losses. */
    DenseGradient addMeetingsAmong(Workers workers, Exclusion excluded, Embeddings all, int first, Slopes slopes) {
        return addMeetings(workers, excluded, first, all, first, slopes, slopes);
    }

    private DenseGradient addMeetings(
            Workers workers,
            Exclusion excluded,
            int targetCount,
            Embeddings other,
            int otherCount,
            Slopes ofTarget,
            Slopes ofOther) {
        int stripCount = (targetCount + DenseForward.STRIP - 1) / DenseForward.STRIP;
        workers.run(
                stripCount,
                strip -> addMeetings(strip, excluded, targetCount, other.vectors(), otherCount, ofTarget, ofOther));
        return this;
    }

    private void addMeetings(
            int strip,
            Exclusion excluded,
            int targetCount,
            Rows other,
            int otherCount,
            Slopes ofTarget,
            Slopes ofOther) {
        Rows rows = target.vectors();
        int first = strip * DenseForward.STRIP;
        int end = Math.min(first + DenseForward.STRIP, targetCount);
        double[] similarities = new double[Rows.BLOCK];
        double[] factors = new double[Rows.BLOCK];
        int[] places = new int[Rows.BLOCK];
        boolean several = (ofTarget == null ? ofOther : ofTarget).ofPositives != null;
        for (int block = 0; block < Rows.blockCount(otherCount); block++) {
            int firstColumn = block * Rows.BLOCK;
            int width = Math.min(Rows.BLOCK, otherCount - firstColumn);
            for (int row = first; row < end; row++) {
                measure.similarities(rows, row, other, block, similarities);
                Arrays.fill(factors, 0.0);
                if (ofTarget != null) {
                    ofTarget.addOfRow(row, similarities, firstColumn, width, factors);
                }
                if (ofOther != null) {
                    ofOther.addOfRows(row, firstColumn, similarities, width, factors);
                }
                excluded.clear(row, rows.count, factors, firstColumn, width);
                int positives = several ? excluded.byGroup(row, rows.count, firstColumn, width, places) : 0;
                for (int k = 0; k < positives; k++) {
                    int place = places[k];
                    double s = similarities[place];
                    factors[place] += ofTarget == null ? 0.0 : ofTarget.ofPositives.at(row, s);
                    factors[place] += ofOther == null ? 0.0 : ofOther.ofPositives.at(firstColumn + place, s);
                }
                measure.addGradients(
                        factors,
                        similarities,
                        rows,
                        row,
                        other,
                        block,
                        width,
                        gradient[row / Rows.BLOCK],
                        Rows.offset(row, rows.dim));
            }
        }
    }

    /** Adds what comes from target row i and its own negatives, rows i perRow ... i perRow + perRow - 1 of own. */
    DenseGradient addOwn(Workers workers, Embeddings own, int perRow, Slopes slopes) {
        return addOwn(workers, target, own, perRow, slopes, false);
    }

    /** Likewise where the target is the negatives, of the rows of a tower. */
    DenseGradient addToOwn(Workers workers, Embeddings rows, int perRow, Slopes slopes) {
        return addOwn(workers, rows, target, perRow, slopes, true);
    }

    private DenseGradient addOwn(
            Workers workers, Embeddings rows, Embeddings own, int perRow, Slopes slopes, boolean toOwn) {
        int stripCount = (rows.count() + DenseForward.STRIP - 1) / DenseForward.STRIP;
        workers.run(stripCount, strip -> {
            int first = strip * DenseForward.STRIP;
            int end = Math.min(first + DenseForward.STRIP, rows.count());
            for (int row = first; row < end; row++) {
                addOwn(row, rows.vectors(), own.vectors(), perRow, slopes, toOwn);
            }
        });
        return this;
    }

    private void addOwn(int row, Rows rows, Rows own, int perRow, Slopes slopes, boolean toOwn) {
        double[] similarities = new double[Math.min(Rows.BLOCK, perRow)];
        double[] factors = new double[similarities.length];
        double[] x = rows.blockOf(row);
        int xAt = Rows.offset(row, rows.dim);
        for (int done = 0; done < perRow; done += similarities.length) {
            int width = Math.min(similarities.length, perRow - done);
            int firstOwn = row * perRow + done;
            measure.similaritiesOfOwn(rows, row, own, firstOwn, width, similarities);
            Arrays.fill(factors, 0.0);
            slopes.addOfOwn(row, similarities, width, factors);
            for (int k = 0; k < width; k++) {
                double s = similarities[k];
                int negative = firstOwn + k;
                double[] y = own.blockOf(negative);
                int yAt = Rows.offset(negative, rows.dim);
                if (toOwn) {
                    measure.addGradient(factors[k], s, y, yAt, x, xAt, rows.dim, gradient[negative / Rows.BLOCK], yAt);
                } else {
                    measure.addGradient(factors[k], s, x, xAt, y, yAt, rows.dim, gradient[row / Rows.BLOCK], xAt);
                }
            }
        }
    }

    /** Adds factors[i] ds/dx for target row i and its positive among the rows of positives, for as many as there are factors. */
    DenseGradient addPositives(Pairing pairing, Embeddings positives, double[] factors) {
        int dim = target.dim();
        for (int row = 0; row < factors.length; row++) {
            int partner = pairing.positive(row, target.count());
            double[] x = target.vectors().blockOf(row);
            double[] y = positives.vectors().blockOf(partner);
            int xAt = Rows.offset(row, dim);
            int yAt = Rows.offset(partner, dim);
            double s = measure.similarity(x, xAt, y, yAt, dim);
            measure.addGradient(factors[row], s, x, xAt, y, yAt, dim, gradient[row / Rows.BLOCK], xAt);
        }
        return this;
    }

    /** Takes the gradient through the norms, if the similarity has them. */
    DenseGradient throughNorms() {
        if (measure.isOfUnitRows()) {
            for (int row = 0; row < count; row++) {
                Rows.InverseNorm inverse = target.vectors().inverseNorm(row);
                int at = Rows.offset(row, target.dim());
                SimilarityMeasure.throughNorm(
                        gradient[row / Rows.BLOCK], at, target.vectors().blockOf(row), at, inverse, target.dim());
            }
        }
        return this;
    }

    /**
     * A matrix that takes some of the rows.
     *
     * @param matrix null: nobody wants them
     * @param first the row of the matrix to begin with
     * @param rows how many
     * @param from the first of this gradient's rows
     * @param add whether they are added to what it holds
     */
    record To(String name, Matrix matrix, long first, int rows, int from, boolean add) {
        /** A whole matrix. */
        static To all(String name, Matrix matrix, int from, boolean add) {
            return new To(name, matrix, 0, matrix == null ? 0 : (int) matrix.rows(), from, add);
        }
    }

    /** NON_FINITE if the matrix does not hold a row. */
    DenseGradient check(To to) {
        if (to.matrix != null) {
            MatrixRows writer = new MatrixRows(to.matrix, to.add);
            for (int row = 0; row < to.rows; row++) {
                if (!writer.holds(to.first + row, blockOf(to, row), Rows.offset(to.from + row, target.dim()))) {
                    throw Refusals.gradient(to.name, to.first + row, to.matrix.dtype());
                }
            }
        }
        return this;
    }

    void write(To to) {
        if (to.matrix != null) {
            MatrixRows writer = new MatrixRows(to.matrix, to.add);
            for (int row = 0; row < to.rows; row++) {
                writer.write(to.first + row, blockOf(to, row), Rows.offset(to.from + row, target.dim()));
            }
        }
    }

    private double[] blockOf(To to, int row) {
        return gradient[(to.from + row) / Rows.BLOCK];
    }
}
