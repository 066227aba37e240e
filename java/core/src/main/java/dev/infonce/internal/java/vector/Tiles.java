package dev.infonce.internal.java.vector;

/**
 * The inner loops of dense losses, in float32. Matrices are cut into blocks of {@value #SIDE} rows, and a pair of blocks makes
 * a tile: tile[j * SIDE + i] belongs to row j of Y's block and row i of X's. A block is held in up to three layouts, zeros
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
    void addToX(float[] weights, float[] rows, int dim, int height, int width, float[] sums, boolean add);

    /** Sums of Y's gradient, in the layout rows: sums (+)= G times rows of X's block. */
    void addToY(float[] weights, float[] rows, int dim, int height, int width, float[] sums, boolean add);

    /** e = exp(s factor) while that is a normal number. */
    void exponentials(float[] s, int height, Factor factor, float[] e);

    /** softplus = ln(1 + exp(s factor)) and sigmoid = 1 / (1 + exp(-s factor)). */
    void logistic(float[] s, int height, Factor factor, float[] softplus, float[] sigmoid);

    /** Exponentials replace the similarities of the tile if wanted; their sums go to rows, and to columns unless null. */
    void softmax(float[] tile, int height, Factor factor, boolean replace, RowSums rows, ColumnSums columns);

    /** The sums of value[j][i] and e[j][i] (s[j][i] - positive[i]) over j. */
    void sumRows(float[] value, float[] e, float[] s, int height, RowSums rows);

    /** Adds e[j][i] and e[j][i] (s[j][i] - positive[j]) to lanes of j. */
    void sumColumns(float[] e, float[] s, int height, ColumnSums columns);

    /** out = exp(4 cos) yFactors[j], cos being s xInverses[i] yInverses[j]. */
    void potentials(float[] s, int height, float[] xInverses, float[] yInverses, float[] yFactors, float[] out);

    /** Sums over j: how many s are above positive[i], s itself, and potentials. */
    void sumMetrics(float[] s, float[] potentials, int height, float[] positive, MetricSums sums);

    /** weights = e (xWeights[i] + yWeights[j]). */
    void weigh(float[] e, int height, float[] xWeights, float[] yWeights, float[] weights);
}
