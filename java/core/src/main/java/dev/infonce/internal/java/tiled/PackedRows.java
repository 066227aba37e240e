package dev.infonce.internal.java.tiled;

import dev.infonce.internal.java.Kernels;
import dev.infonce.internal.java.MatrixRows;
import dev.infonce.internal.java.Refusals;
import dev.infonce.internal.java.Workers;
import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;

/** A tower as float32 in the layouts of {@link Tiles}, block by block; its memory is used by call after call. */
final class PackedRows {
    private static final int SIDE = Tiles.SIDE;
    private static final int GROUP = Tiles.GROUP;

    final int dim;
    final float[][] rows;
    final float[][] lanes; // null if not wanted
    final float[][] columns; // null if not wanted

    /** Norms of the rows as given, and their inverses, 0 for zero rows. */
    final double[] norms;

    final double[] inverseNorms;

    private int count;

    /** Room for so many rows. */
    PackedRows(int most, int dim, boolean lanes, boolean columns) {
        this.dim = dim;
        int blocks = TileLayout.blocks(most);
        this.rows = new float[blocks][rowElements(dim)];
        this.lanes = lanes ? new float[blocks][SIDE * dim] : null;
        this.columns = columns ? new float[blocks][SIDE * dim] : null;
        this.norms = new double[blocks * SIDE];
        this.inverseNorms = new double[blocks * SIDE];
    }

    /** Rows that are there. */
    int count() {
        return count;
    }

    /** Elements of a block in the layout of rows. */
    static int rowElements(int dim) {
        return SIDE * ((dim + GROUP - 1) / GROUP * GROUP);
    }

    /** Where row r of a block has dimension d, a multiple of GROUP. */
    static int at(int r, int d) {
        return d * SIDE + r * GROUP;
    }

    /** Takes the rows of the matrices, one after the other. NON_FINITE, by matrix and row, if any is not finite. */
    void read(Workers workers, boolean unit, MatrixRows.Input... matrices) {
        boolean shared = true;
        count = 0;
        for (MatrixRows.Input named : matrices) {
            shared &= MatrixRows.isShared(named.matrix());
            count += (int) named.rows();
        }
        Workers readers = shared ? workers : Workers.sequential();
        readers.run(TileLayout.blocks(count), block -> readBlock(block, unit, matrices));
        int first = 0;
        for (MatrixRows.Input named : matrices) {
            for (int row = 0; row < named.rows(); row++) {
                if (Double.isNaN(norms[first + row])) {
                    throw Refusals.element(named.name(), named.first() + row);
                }
            }
            first += (int) named.rows();
        }
    }

    private void readBlock(int block, boolean unit, MatrixRows.Input... matrices) {
        double[] row = new double[dim];
        int height = TileLayout.height(block, count);
        int first = 0; // of the matrix
        for (MatrixRows.Input named : matrices) {
            int from = Math.max(first, block * SIDE);
            int to = (int) Math.min(first + named.rows(), block * SIDE + height);
            MatrixRows reader = from < to ? new MatrixRows(named.matrix()) : null;
            for (int i = from; i < to; i++) {
                boolean finite = reader.read(named.first() + i - first, row, 0);
                double norm =
                        finite ? Math.sqrt(Kernels.dot(row, 0, row, 0, dim)) : Double.NaN; // of floats: no overflow
                norms[i] = norm;
                inverseNorms[i] = norm > 0.0 ? 1.0 / norm : 0.0;
                put(block, i - block * SIDE, row, unit ? inverseNorms[i] : 1.0);
            }
            first += (int) named.rows();
        }
        for (int r = height; r < SIDE; r++) {
            clear(block, r); // what a longer strip may have left
        }
        if (lanes != null) {
            transpose(rows[block], lanes[block], GROUP);
        }
        if (columns != null) {
            transpose(rows[block], columns[block], SIDE);
        }
    }

    private void clear(int block, int r) {
        for (int d = 0; d < dim; d += GROUP) {
            int at = at(r, d);
            Arrays.fill(rows[block], at, at + GROUP, 0f);
        }
    }

    private void put(int block, int r, double[] row, double factor) {
        float[] to = rows[block];
        for (int d = 0; d < dim; d += GROUP) {
            int at = at(r, d);
            int width = Math.min(GROUP, dim - d);
            for (int k = 0; k < width; k++) {
                to[at + k] = (float) (row[d + k] * factor);
            }
        }
    }

    /** From rows to groups of so many rows that lie side by side. */
    private void transpose(float[] from, float[] to, int width) {
        for (int i = 0; i < SIDE; i += width) {
            for (int d = 0; d < dim; d++) {
                int source = at(i, d / GROUP * GROUP) + d % GROUP;
                int target = (i / width * dim + d) * width;
                for (int k = 0; k < width; k++) {
                    to[target + k] = from[source + k * GROUP];
                }
            }
        }
    }

    /** The dot product of a row and one of another tower, to the bit what a tile holds. */
    float similarity(int row, PackedRows other, int otherRow) {
        float[] x = rows[row / SIDE];
        float[] y = other.rows[otherRow / SIDE];
        float total = 0f;
        for (int first = 0; first < dim; first += Tiles.CHUNK) {
            float sum = 0f;
            int end = Math.min(first + Tiles.CHUNK, dim);
            for (int d = first; d < end; d += GROUP) {
                int xAt = at(row % SIDE, d);
                int yAt = at(otherRow % SIDE, d);
                int steps = Math.min(GROUP, end - d);
                for (int k = 0; k < steps; k++) {
                    sum = Math.fma(y[yAt + k], x[xAt + k], sum);
                }
            }
            total = first == 0 ? sum : total + sum;
        }
        return total;
    }

    /** Likewise of a row and one that is given as it is. */
    float similarity(int row, float[] other) {
        float[] x = rows[row / SIDE];
        float total = 0f;
        for (int first = 0; first < dim; first += Tiles.CHUNK) {
            float sum = 0f;
            int end = Math.min(first + Tiles.CHUNK, dim);
            for (int d = first; d < end; d++) {
                sum = Math.fma(other[d], x[at(row % SIDE, d / GROUP * GROUP) + d % GROUP], sum);
            }
            total = first == 0 ? sum : total + sum;
        }
        return total;
    }

    /** Adds a row times a factor. */
    void addRow(int row, double factor, double[] sums) {
        float[] block = rows[row / SIDE];
        for (int d = 0; d < dim; d += GROUP) {
            int at = at(row % SIDE, d);
            int width = Math.min(GROUP, dim - d);
            for (int k = 0; k < width; k++) {
                sums[d + k] += factor * block[at + k];
            }
        }
    }

    /** The squared distance of the unit vectors of a row and of one of another tower. */
    double squaredUnitDistance(int row, PackedRows other, int otherRow, boolean unit) {
        float[] x = rows[row / SIDE];
        float[] y = other.rows[otherRow / SIDE];
        double xFactor = unit ? 1.0 : inverseNorms[row];
        double yFactor = unit ? 1.0 : other.inverseNorms[otherRow];
        double sum = 0.0;
        for (int d = 0; d < dim; d++) {
            int group = d / GROUP * GROUP;
            double difference = x[at(row % SIDE, group) + d % GROUP] * xFactor
                    - y[at(otherRow % SIDE, group) + d % GROUP] * yFactor;
            sum += difference * difference;
        }
        return sum;
    }

    boolean isZero(int row) {
        return norms[row] == 0.0;
    }

    long zeroRows() {
        long zeros = 0;
        for (int row = 0; row < count; row++) {
            zeros += isZero(row) ? 1 : 0;
        }
        return zeros;
    }

    double largestNorm() {
        double largest = 0.0;
        for (int row = 0; row < count; row++) {
            largest = Math.max(largest, norms[row]);
        }
        return largest;
    }

    /** Of rows that are not zero; infinite without any. */
    double smallestNorm() {
        double smallest = Double.POSITIVE_INFINITY;
        for (int row = 0; row < count; row++) {
            smallest = isZero(row) ? smallest : Math.min(smallest, norms[row]);
        }
        return smallest;
    }
}
