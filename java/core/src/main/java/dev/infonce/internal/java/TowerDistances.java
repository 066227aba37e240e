package dev.infonce.internal.java;

import dev.infonce.Distance;
import dev.infonce.Matrix;

/** The rows of one tower, their distances from each other, and the gradient by the rows that slopes of distances make. */
public final class TowerDistances {
    private final DistanceMeasure measure;
    private final Embeddings rows;
    private final String name;

    private TowerDistances(DistanceMeasure measure, Embeddings rows, String name) {
        this.measure = measure;
        this.rows = rows;
        this.name = name;
    }

    /** Reads a matrix. NON_FINITE, by name and row, if a row is not finite. */
    public static TowerDistances read(Workers workers, Distance distance, boolean metrics, String name, Matrix matrix) {
        DistanceMeasure measure = new DistanceMeasure(distance);
        int dim = Math.toIntExact(matrix.dim());
        Rows given = Rows.read(workers, dim, MatrixRows.Input.of(name, matrix));
        Rows units = metrics || measure.isOfUnitRows() ? given.normalised(workers) : null;
        Rows vectors = measure.isOfUnitRows() ? units : given;
        return new TowerDistances(measure, new Embeddings(vectors, units, metrics ? given.zeroRows() : 0), name);
    }

    /** What so many rows take, their gradient among it. */
    public static long bytes(long count, long dim) {
        return count * Rows.bytes(dim);
    }

    /** How many rows there are. */
    public int count() {
        return rows.count();
    }

    /** How many of them are zero, if metrics are wanted. */
    public long zeroRows() {
        return rows.zeroRows();
    }

    /** Between what numbers minus a distance lies. */
    public Tally.Range range() {
        return measure.range();
    }

    /** out[at + j] = the distance of a row from row j, for all j; that of row from itself is of no use. */
    public void distances(int row, double[] out, int at) {
        double[] ofBlock = new double[Rows.BLOCK];
        for (int block = 0; block < rows.vectors().blockCount(); block++) {
            measure.distances(rows, row, rows, block, ofBlock);
            System.arraycopy(
                    ofBlock, 0, out, at + block * Rows.BLOCK, rows.vectors().width(block));
        }
    }

    /** The squared distance of the unit vectors of two rows. */
    public double unitSquaredDistance(int row, int other) {
        Rows units = rows.units();
        int dim = units.dim;
        return Kernels.squaredDistance(
                units.blockOf(row), Rows.offset(row, dim), units.blockOf(other), Rows.offset(other, dim), dim);
    }

    /** NON_FINITE for a row with a distance or a loss that is beyond float64. */
    public RuntimeException overflow(int row) {
        return Refusals.row(name, row);
    }

    /** A gradient of zeros. */
    public Gradient gradient() {
        return new Gradient();
    }

    /** The gradient by the rows. Threads may add to different rows at once. */
    public final class Gradient {
        private final double[][] blocks = new double[rows.vectors().blockCount()][];

        private Gradient() {
            for (int block = 0; block < blocks.length; block++) {
                blocks[block] = new double[rows.vectors().width(block) * rows.dim()];
            }
        }

        /** Adds to the gradient of a row what the slope of a function by its distance from another row makes of it. */
        public void add(int row, int other, double slope, double distance) {
            int dim = rows.dim();
            int at = Rows.offset(row, dim);
            double[] x = rows.vectors().blockOf(row);
            double[] y = rows.vectors().blockOf(other);
            measure.addGradient(slope, distance, x, at, y, Rows.offset(other, dim), dim, blocks[row / Rows.BLOCK], at);
        }

        /** Takes factor times the gradient through the norms and writes it, or adds it to what is there. NON_FINITE if the matrix does not hold a row. */
        public void write(double factor, String gradientName, Matrix matrix, boolean add) {
            int dim = rows.dim();
            MatrixRows writer = new MatrixRows(matrix, add);
            for (int row = 0; row < rows.count(); row++) {
                double[] gradient = blocks[row / Rows.BLOCK];
                int at = Rows.offset(row, dim);
                for (int d = 0; d < dim; d++) {
                    gradient[at + d] *= factor;
                }
                if (measure.isOfUnitRows()) {
                    SimilarityMeasure.throughNorm(
                            gradient,
                            at,
                            rows.vectors().blockOf(row),
                            at,
                            rows.vectors().inverseNorm(row),
                            dim);
                }
                if (!writer.holds(row, gradient, at)) {
                    throw Refusals.gradient(gradientName, row, matrix.dtype());
                }
            }
            for (int row = 0; row < rows.count(); row++) {
                writer.write(row, blocks[row / Rows.BLOCK], Rows.offset(row, dim));
            }
        }
    }
}
