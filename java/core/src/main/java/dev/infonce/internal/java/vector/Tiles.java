package dev.infonce.internal.java.vector;

import java.util.Arrays;

/**
 * The inner loops of dense losses, in float32. Matrices are cut into blocks of {@value #SIDE} rows, and two blocks make a
 * tile: tile[j * SIDE + i] belongs to row j of Y's block and row i of X's. A block is held in up to three layouts, zeros
 * where a matrix ends: lanes[(i / GROUP * dim + d) * GROUP + i % GROUP], columns[d * SIDE + j], and, dim rounded up to whole
 * groups, rows[(d / GROUP * SIDE + i) * GROUP + d % GROUP]. Every number comes from the same operations in the same order
 * whatever is asked for beside it.
 */
public interface Tiles {
    /** Rows of a block. */
    int SIDE = 96;

    /** Rows or dimensions that lie side by side in a layout. */
    int GROUP = 32;

    /** Dimensions that are summed in registers, a multiple of GROUP: the sum of such sums is off by less than one long sum. */
    int CHUNK = 64;

    /** Bits of a vector. */
    int bits();

    /** tile[j][i] = the dot product of row j of columns and row i of lanes, for j below height and i below width. */
    void products(float[] columns, float[] lanes, int dim, int height, int width, float[] tile);

    /** Sums of X's gradient, in the layout rows: sums (+)= G^T times rows of Y's block. */
    void addToX(float[] g, float[] rows, int dim, int height, int width, float[] sums, boolean add);

    /** Sums of Y's gradient, in the layout rows: sums (+)= G times rows of X's block. */
    void addToY(float[] g, float[] rows, int dim, int height, int width, float[] sums, boolean add);

    /** f = exp(s factor) while that is a normal number. */
    void exponentials(float[] s, int height, Factor factor, float[] f);

    /** f[j][i] times factors[at + j]. */
    void multiply(float[] f, int height, float[] factors, int at);

    /** softplus = ln(1 + e^z) and sigmoid = 1 / (1 + e^-z), z being (s + shift) factor. */
    void logistic(float[] s, int height, Factor factor, float shift, float[] softplus, float[] sigmoid);

    /** Exponentials replace the similarities of the tile if wanted; their sums go to rows, and to columns unless null. */
    void exponentialSums(float[] tile, int height, Factor factor, boolean replace, RowSums rows, ColumnSums columns);

    /** The sums of value[j][i] and f[j][i] (s[j][i] - origin[i]) over j. */
    void sumRows(float[] value, float[] f, float[] s, int height, RowSums rows);

    /** Adds f[j][i] and f[j][i] (s[j][i] - origin[j]) to lanes of j. */
    void sumColumns(float[] f, float[] s, int height, ColumnSums columns);

    /** out = exp(4 cos) yFactors[j], cos being s xInverses[i] yInverses[j]. */
    void potentials(float[] s, int height, float[] xInverses, float[] yInverses, float[] yFactors, float[] out);

    /** Sums over j: how many s are above positive[i], how many equal it, s itself, and potentials. */
    void sumMetrics(float[] s, float[] potentials, int height, float[] positive, MetricSums sums);

    /**
     * The sums of sumRows in two parts: of the elements of one class, xClasses[i] = yClasses[j], and of the others. Origins are those
     * of the others.
     */
    void sumClasses(float[] f, float[] s, int height, int[] xClasses, int[] yClasses, RowSums others, RowSums alike);

    /** The sums of sumMetrics without elements of one class. */
    void sumMetricsOfOthers(
            float[] s,
            float[] potentials,
            int height,
            int[] xClasses,
            int[] yClasses,
            float[] positive,
            MetricSums sums);

    /**
     * The tile of G of two classes: g = f (x.others[i] + y.others[j]), or, of elements of one class, f (x.alike[i] + y.alike[j]) +
     * x.shares[i] + y.shares[j].
     */
    void combineClasses(
            float[] f, int height, int[] xClasses, int[] yClasses, ClassCoefficients x, ClassCoefficients y, float[] g);

    /** Whether an s is above its row's limit, limits[i], or its column's, columnLimits[j]. */
    boolean areAbove(float[] s, int height, float[] limits, float[] columnLimits);

    /** out = f, or 0 where s is above limits[i]. */
    void clearAbove(float[] f, float[] s, int height, float[] limits, float[] out);

    /** out = f, or 0 where s is above columnLimits[j]. */
    void clearAboveOfColumns(float[] f, float[] s, int height, float[] columnLimits, float[] out);

    /** The sums of sumMetrics without elements above limits[i], and how many these are. */
    void sumMetricsWithin(float[] s, float[] potentials, int height, float[] positive, float[] limits, MetricSums sums);

    /**
     * The tile of G of rows with limits: combine without xCoefficients[i] where s is above limits[i], and without yCoefficients[j] where it
     * is above columnLimits[j].
     */
    void combineWithin(
            float[] f,
            float[] s,
            int height,
            float[] xCoefficients,
            float[] yCoefficients,
            float[] limits,
            float[] columnLimits,
            float[] g);

    /** The tile of G: g = f (xCoefficients[i] + yCoefficients[j]). */
    void combine(float[] f, int height, float[] xCoefficients, float[] yCoefficients, float[] g);

    /** Sums of a tile over its columns, one number a row of X. */
    final class RowSums {
        /** What moments take off similarities; whoever starts a tile sets it. */
        public float[] origin;

        /** Sums of f, or of the values that belong to it. */
        public final float[] value = new float[SIDE];

        /** Sums of f (s - origin). */
        public final float[] moment = new float[SIDE];
    }

    /**
     * What f is multiplied by, and what is added, in a block.
     *
     * @param others factors of elements of different classes
     * @param alike factors of elements of one class
     * @param shares what elements of one class have beside
     */
    record ClassCoefficients(float[] others, float[] alike, float[] shares) {}

    /** Sums over rows of X, {@value #LANES} partial sums a column, as whole vectors are added. */
    final class ColumnSums {
        /** Of the widest vector; a narrower one uses the first of them. */
        static final int LANES = 16;

        /** What moments take off similarities; whoever starts a column of tiles sets it. */
        public float[] origin;

        final float[] value = new float[SIDE * LANES];
        final float[] moment = new float[SIDE * LANES];

        /** Makes all sums 0. */
        public void clear() {
            Arrays.fill(value, 0f);
            Arrays.fill(moment, 0f);
        }

        /** Adds the sums of the first columns to the numbers from at on. */
        public void addTo(int columns, double[] values, double[] moments, int at) {
            for (int j = 0; j < columns; j++) {
                values[at + j] += sum(value, j * LANES);
                moments[at + j] += sum(moment, j * LANES);
            }
        }

        private static double sum(float[] lanes, int first) {
            double sum = 0.0;
            for (int lane = 0; lane < LANES; lane++) {
                sum += lanes[first + lane];
            }
            return sum;
        }
    }

    /** Sums of a tile over its columns that only metrics need, one number a row of X. */
    final class MetricSums {
        /** How many similarities are above the positive's. */
        public final float[] above = new float[SIDE];

        /** How many similarities are the positive's. */
        public final float[] same = new float[SIDE];

        /** Sums of similarities. */
        public final float[] similarity = new float[SIDE];

        /** Sums of potentials. */
        public final float[] potential = new float[SIDE];

        /** Of sumMetricsWithin: how many similarities are above the limit. */
        public final float[] absent = new float[SIDE];
    }

    /**
     * What similarities are multiplied by before exp2: in two parts, so that the product keeps its fraction when its integer part
     * is large.
     *
     * @param high the factor, rounded
     * @param low the rest
     * @param natural the factor of exp, rounded
     */
    record Factor(float high, float low, float natural) {
        private static final double LOG2_E = 1.4426950408889634;

        /** The factor of exp(s factor). */
        public static Factor of(double factor) {
            double binary = factor * LOG2_E;
            float high = (float) binary;
            return new Factor(high, (float) (binary - high), (float) factor);
        }
    }
}
