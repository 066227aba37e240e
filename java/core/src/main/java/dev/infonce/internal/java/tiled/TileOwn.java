package dev.infonce.internal.java.tiled;

import dev.infonce.Gradients;
import dev.infonce.Matrix;
import dev.infonce.internal.java.Kernels;
import dev.infonce.internal.java.MatrixRows;
import dev.infonce.internal.java.Refusals;
import dev.infonce.internal.java.Workers;
import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;

/**
 * The negatives of rows' own, rows i perRow ... i perRow + perRow - 1 of the negatives being row i's. They are read row by row, again
 * for the backward pass, and meet one row each, so that no tile would be full. Their similarities are a tile's to the bit.
 */
final class TileOwn {
    private final TileCall call;
    private final TileWorkspace space;
    private final TileLayout layout;
    private final Matrix negatives;
    private final int perRow;
    private final double factor; // of their exponentials

    private double largestNorm;
    private double smallestNorm = Double.POSITIVE_INFINITY;

    TileOwn(TileCall call, Matrix negatives) {
        this.call = call;
        this.space = call.space();
        this.layout = call.layout();
        this.negatives = negatives;
        this.perRow = layout.own;
        this.factor = call.factors() == null ? 1.0 : call.factors().ofOwn();
    }

    /** After all positives have been found: adds to the sums of rows. NON_FINITE, by row, if a negative is not finite. */
    void forward(TileMetrics metrics) {
        Sums[] sums = new Sums[layout.xBlocks];
        workers(negatives).run(layout.xBlocks, block -> {
            sums[block] = new Sums();
            addBlock(block, new Reader(), metrics, sums[block]);
        });
        long zeros = 0;
        for (Sums part : sums) {
            if (part.firstBad >= 0) {
                throw Refusals.element("negatives", part.firstBad);
            }
            largestNorm = Math.max(largestNorm, part.largestNorm);
            smallestNorm = Math.min(smallestNorm, part.smallestNorm);
            zeros += part.zeroRows;
        }
        if (metrics != null) {
            metrics.addOwn(perRow, zeros);
        }
    }

    double largestNorm() {
        return largestNorm;
    }

    /** Of negatives that are not zero; infinite without any. */
    double smallestNorm() {
        return smallestNorm;
    }

    /** Of a block of rows. */
    private static final class Sums {
        long firstBad = -1;
        double largestNorm;
        double smallestNorm = Double.POSITIVE_INFINITY;
        long zeroRows;

        void add(Reader reader) {
            largestNorm = Math.max(largestNorm, reader.norm);
            if (reader.norm > 0.0) {
                smallestNorm = Math.min(smallestNorm, reader.norm);
            } else {
                zeroRows++;
            }
        }
    }

    private void addBlock(int block, Reader reader, TileMetrics metrics, Sums sums) {
        for (int i = 0; i < TileLayout.height(block, layout.xCount); i++) {
            int row = block * Tiles.SIDE + i;
            float positive = space.positive[block][i];
            double value = 0.0;
            double moment = 0.0;
            for (long negative = first(row); negative < first(row + 1); negative++) {
                if (!reader.read(negative)) {
                    sums.firstBad = negative;
                    return;
                }
                sums.add(reader);
                float s = space.x.similarity(row, reader.vector);
                boolean absent = isAbove(block, i, s);
                if (!absent) {
                    double e = exponential(s);
                    value += e;
                    moment += e * ((double) s - positive);
                }
                if (metrics != null) {
                    metrics.addOwn(row, s, absent, reader.inverseNorm);
                }
            }
            space.value[row] += value;
            space.moment[row] += moment;
        }
    }

    private long first(int row) {
        return (long) row * perRow;
    }

    private boolean isAbove(int block, int i, float similarity) {
        return layout.limited && similarity > space.limits[block][i];
    }

    private double exponential(float similarity) {
        return factor * Math.exp(similarity / call.temperature() + call.rule().hardness() * similarity);
    }

    /** Adds to X's totals, where its gradient is wanted, and writes that of the negatives. */
    void backward(TileCoefficients coefficients, Gradients out, boolean add) {
        boolean wantX = out.dQueries() != null;
        Matrix ofNegatives = out.dNegatives();
        if (wantX || ofNegatives != null) {
            workers(negatives, ofNegatives).run(layout.xBlocks, block -> {
                double[] totals = wantX ? space.xTotals()[block] : null;
                backBlock(block, coefficients, totals, ofNegatives, add);
            });
        }
    }

    private void backBlock(int block, TileCoefficients coefficients, double[] totals, Matrix ofNegatives, boolean add) {
        Reader reader = new Reader();
        MatrixRows writer = ofNegatives == null ? null : new MatrixRows(ofNegatives, add);
        double[] sums = new double[layout.dim];
        for (int i = 0; i < TileLayout.height(block, layout.xCount); i++) {
            int row = block * Tiles.SIDE + i;
            for (long negative = first(row); negative < first(row + 1); negative++) {
                reader.read(negative);
                float s = space.x.similarity(row, reader.vector);
                double g = isAbove(block, i, s) ? 0.0 : coefficients.x[block][i] * exponential(s);
                if (totals != null) {
                    addTo(totals, i, g, reader.vector);
                }
                if (writer != null) {
                    Arrays.fill(sums, 0.0);
                    space.x.addRow(row, g, sums);
                    finish(reader, coefficients, sums);
                    writer.write(negative, sums, 0);
                }
            }
        }
    }

    private void addTo(double[] totals, int r, double g, float[] vector) {
        for (int d = 0; d < layout.dim; d += Tiles.GROUP) {
            int at = PackedRows.at(r, d);
            int width = Math.min(Tiles.GROUP, layout.dim - d);
            for (int k = 0; k < width; k++) {
                totals[at + k] += g * vector[d + k];
            }
        }
    }

    /** From the gradient by the vector, without the common factor, to that by the row as given. */
    private void finish(Reader reader, TileCoefficients coefficients, double[] sums) {
        double factor = coefficients.largest / call.temperature();
        double along = 0.0;
        if (layout.cosine) {
            factor *= reader.inverseNorm;
            for (int d = 0; d < sums.length; d++) {
                along += sums[d] * reader.vector[d];
            }
        }
        for (int d = 0; d < sums.length; d++) {
            sums[d] = (sums[d] - along * reader.vector[d]) * factor;
        }
    }

    private Workers workers(Matrix... matrices) {
        for (Matrix matrix : matrices) {
            if (!MatrixRows.isShared(matrix)) {
                return Workers.sequential();
            }
        }
        return call.workers();
    }

    /** A negative as {@link PackedRows} would hold it. */
    private final class Reader {
        final float[] vector = new float[layout.dim];
        double norm;
        double inverseNorm; // 0 for a zero row

        private final MatrixRows rows = new MatrixRows(negatives);
        private final double[] given = new double[layout.dim];

        /** Whether it is finite. */
        boolean read(long negative) {
            if (!rows.read(negative, given, 0)) {
                return false;
            }
            norm = Math.sqrt(Kernels.dot(given, 0, given, 0, given.length));
            inverseNorm = norm > 0.0 ? 1.0 / norm : 0.0;
            double factor = layout.cosine ? inverseNorm : 1.0;
            for (int d = 0; d < given.length; d++) {
                vector[d] = (float) (given[d] * factor);
            }
            return true;
        }
    }
}
