package dev.infonce.internal.java;

/**
 * Rows as doubles in blocks of BLOCK, each block twice: row by row, and as a panel (see {@link Kernels}). Either as
 * they were given or divided by their norms.
 */
final class Rows {
    static final int BLOCK = 256;

    private static final double HUGE = 0x1p500;
    private static final double TINY = 0x1p-500;

    final int count;
    final int dim;
    private final double[][] blocks;
    private final double[][] panels;
    private final double[] inverseNorms; // 0 for zero rows; null if rows are as given

    private Rows(int count, int dim, boolean unit) {
        this.count = count;
        this.dim = dim;
        int blockCount = blockCount(count);
        this.blocks = new double[blockCount][];
        this.panels = new double[blockCount][];
        this.inverseNorms = unit ? new double[count] : null;
    }

    /** The rows of the matrices, one after the other, as they are. NON_FINITE, by matrix and row, if any is not finite. */
    static Rows read(Workers workers, int dim, MatrixRows.Input... matrices) {
        long total = 0;
        for (MatrixRows.Input named : matrices) {
            total += named.rows();
        }
        Rows rows = new Rows(Math.toIntExact(total), dim, false);
        int next = 0;
        for (MatrixRows.Input named : matrices) {
            if (named.rows() == 0) {
                continue;
            }
            MatrixRows reader = new MatrixRows(named.matrix());
            for (int row = 0; row < named.rows(); row++, next++) {
                if (next % BLOCK == 0) {
                    rows.blocks[next / BLOCK] = new double[rows.width(next / BLOCK) * dim];
                }
                if (!reader.read(row, rows.blocks[next / BLOCK], offset(next, dim))) {
                    throw MatrixRows.nonFinite(named.name(), row);
                }
            }
        }
        workers.run(
                rows.blocks.length, block -> rows.panels[block] = panel(rows.blocks[block], rows.width(block), dim));
        return rows;
    }

    /** These rows divided by their norms; rows of zeros stay so. */
    Rows normalised(Workers workers) {
        Rows unit = new Rows(count, dim, true);
        workers.run(blocks.length, block -> {
            double[] rows = blocks[block].clone();
            for (int row = 0; row < width(block); row++) {
                unit.inverseNorms[block * BLOCK + row] = normalise(rows, row * dim, dim);
            }
            unit.blocks[block] = rows;
            unit.panels[block] = panel(rows, width(block), dim);
        });
        return unit;
    }

    /** Divides x (at xAt) by its norm, whatever its size, and returns the norm's inverse; 0 for a row of zeros. */
    static double normalise(double[] x, int xAt, int dim) {
        double largest = 0.0;
        for (int d = 0; d < dim; d++) {
            largest = Math.max(largest, Math.abs(x[xAt + d]));
        }
        if (largest == 0.0) {
            return 0.0;
        }
        int exponent = 0;
        if (largest > HUGE || largest < TINY) { // squares would overflow or vanish
            exponent = -Math.getExponent(largest);
            for (int d = 0; d < dim; d++) {
                x[xAt + d] = Math.scalb(x[xAt + d], exponent);
            }
        }
        double norm = Math.sqrt(Kernels.dot(x, xAt, x, xAt, dim));
        for (int d = 0; d < dim; d++) {
            x[xAt + d] /= norm;
        }
        return Math.min(Math.scalb(1.0 / norm, exponent), Double.MAX_VALUE);
    }

    private static double[] panel(double[] rows, int width, int dim) {
        double[] panel = new double[rows.length];
        for (int row = 0; row < width; row++) {
            for (int d = 0; d < dim; d++) {
                panel[d * width + row] = rows[row * dim + d];
            }
        }
        return panel;
    }

    static int blockCount(int rows) {
        return (rows + BLOCK - 1) / BLOCK;
    }

    /** Where row starts in its block. */
    static int offset(int row, int dim) {
        return row % BLOCK * dim;
    }

    int blockCount() {
        return blocks.length;
    }

    /** How many rows a block has: BLOCK, or fewer in the last. */
    int width(int block) {
        return Math.min(BLOCK, count - block * BLOCK);
    }

    double[] block(int block) {
        return blocks[block];
    }

    double[] panel(int block) {
        return panels[block];
    }

    /** The block that holds a row. */
    double[] blockOf(int row) {
        return blocks[row / BLOCK];
    }

    /** 1/norm of a row of unit rows, 0 for a zero row. */
    double inverseNorm(int row) {
        return inverseNorms[row];
    }

    /** The squared norm of a row of unit rows: 1, or 0 for a zero row. */
    double squaredUnitNorm(int row) {
        return inverseNorms[row] == 0.0 ? 0.0 : 1.0;
    }

    /** How many rows hold nothing but zeros. */
    long zeroRows() {
        long zeros = 0;
        for (int row = 0; row < count; row++) {
            double[] block = blockOf(row);
            int at = offset(row, dim);
            boolean zero = true;
            for (int d = 0; zero && d < dim; d++) {
                zero = block[at + d] == 0.0;
            }
            zeros += zero ? 1 : 0;
        }
        return zeros;
    }
}
