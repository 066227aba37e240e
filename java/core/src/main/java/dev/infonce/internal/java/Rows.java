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
    private final int[] exponents;

    private Rows(int count, int dim, boolean unit) {
        this.count = count;
        this.dim = dim;
        int blockCount = blockCount(count);
        this.blocks = new double[blockCount][];
        this.panels = new double[blockCount][];
        this.inverseNorms = unit ? new double[count] : null;
        this.exponents = unit ? new int[count] : null;
    }

    /**
     * The inverse of a norm, which is inverse times 2 to the power of exponent, as it may lie beyond the range of a double.
     *
     * @param inverse 0 for a row of zeros
     * @param exponent 0 but for rows near the ends of the range
     */
    record InverseNorm(double inverse, int exponent) {
        static final InverseNorm OF_ZERO = new InverseNorm(0.0, 0);

        boolean isOfZero() {
            return inverse == 0.0;
        }
    }

    /** The rows of the matrices, one after the other, as they are. NON_FINITE, by matrix and row, if any is not finite. */
    static Rows read(Workers workers, int dim, MatrixRows.Input... matrices) {
        long total = 0;
        boolean shared = true;
        for (MatrixRows.Input named : matrices) {
            total += named.rows();
            shared &= MatrixRows.isShared(named.matrix());
        }
        Rows rows = new Rows(Math.toIntExact(total), dim, false);
        int[] firstBad = new int[rows.blocks.length];
        Workers readers = shared ? workers : Workers.sequential();
        readers.run(rows.blocks.length, block -> firstBad[block] = rows.readBlock(block, matrices));
        for (int bad : firstBad) {
            if (bad >= 0) {
                throw nonFinite(bad, matrices);
            }
        }
        workers.run(
                rows.blocks.length, block -> rows.panels[block] = panel(rows.blocks[block], rows.width(block), dim));
        return rows;
    }

    /** Returns the first row that is not finite, or -1. */
    private int readBlock(int block, MatrixRows.Input... matrices) {
        double[] to = new double[width(block) * dim];
        int first = 0; // of the matrix
        int bad = -1;
        for (MatrixRows.Input named : matrices) {
            int from = Math.max(first, block * BLOCK);
            int end = (int) Math.min(first + named.rows(), block * BLOCK + width(block));
            MatrixRows reader = from < end ? new MatrixRows(named.matrix()) : null;
            for (int row = from; row < end; row++) {
                boolean finite = reader.read(named.first() + row - first, to, offset(row, dim));
                bad = finite || bad >= 0 ? bad : row;
            }
            first += (int) named.rows();
        }
        blocks[block] = to;
        return bad;
    }

    private static RuntimeException nonFinite(int row, MatrixRows.Input... matrices) {
        int left = row;
        for (MatrixRows.Input named : matrices) {
            if (left < named.rows()) {
                return Refusals.element(named.name(), named.first() + left);
            }
            left -= (int) named.rows();
        }
        throw new IllegalArgumentException("there is no row " + row);
    }

    /** These rows divided by their norms; rows of zeros stay so. */
    Rows normalised(Workers workers) {
        Rows unit = new Rows(count, dim, true);
        workers.run(blocks.length, block -> {
            double[] rows = blocks[block].clone();
            for (int row = 0; row < width(block); row++) {
                InverseNorm norm = normalise(rows, row * dim, dim);
                unit.inverseNorms[block * BLOCK + row] = norm.inverse;
                unit.exponents[block * BLOCK + row] = norm.exponent;
            }
            unit.blocks[block] = rows;
            unit.panels[block] = panel(rows, width(block), dim);
        });
        return unit;
    }

    /** Divides x (at xAt) by its norm, whatever its size, and returns the norm's inverse. */
    static InverseNorm normalise(double[] x, int xAt, int dim) {
        double largest = 0.0;
        for (int d = 0; d < dim; d++) {
            largest = Math.max(largest, Math.abs(x[xAt + d]));
        }
        if (largest == 0.0) {
            return InverseNorm.OF_ZERO;
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
        return new InverseNorm(1.0 / norm, exponent);
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

    /** What a row takes, row by row and as a panel, as given and divided by its norm, and its gradient. */
    static long bytes(long dim) {
        return 5 * Double.BYTES * dim;
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

    /** 1/norm of a row of unit rows. */
    InverseNorm inverseNorm(int row) {
        return new InverseNorm(inverseNorms[row], exponents[row]);
    }

    /** Whether a row of unit rows is zero. */
    boolean isZeroUnit(int row) {
        return inverseNorms[row] == 0.0;
    }

    /** The squared norm of a row of unit rows: 1, or 0 for a zero row. */
    double squaredUnitNorm(int row) {
        return inverseNorms[row] == 0.0 ? 0.0 : 1.0;
    }

    /** The largest 1/norm of unit rows. */
    double largestInverseNorm() {
        double largest = 0.0;
        for (int row = 0; row < count; row++) {
            largest = Math.max(largest, Math.scalb(inverseNorms[row], exponents[row]));
        }
        return largest;
    }

    /** The largest absolute value of an element. */
    double largestElement() {
        double largest = 0.0;
        for (double[] block : blocks) {
            for (double value : block) {
                largest = Math.max(largest, Math.abs(value));
            }
        }
        return largest;
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
