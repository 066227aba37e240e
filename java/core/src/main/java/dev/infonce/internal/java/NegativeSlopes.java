package dev.infonce.internal.java;

/** The derivatives of the objective by the similarities of the negatives, row by row, after the forward. */
sealed interface NegativeSlopes permits SoftmaxSlopes, LogisticSlopes {
    /** Keeps what a row's slopes need. scale is the derivative of the objective by the row's loss. */
    void keep(int row, NegativeSum sum, double positive, double scale);

    /** slope[k] += the derivative by s[k] for negatives k of one row. */
    void addOfRow(int row, double[] s, int count, double[] slope);

    /** slope[k] += the derivative by s[k], s[k] being one column's similarity in row firstRow + k. */
    void addOfRows(int firstRow, double[] s, int count, double[] slope);
}
