package dev.infonce.internal.java;

import dev.infonce.internal.java.row.LogitFunction;
import dev.infonce.internal.java.row.Row;
import dev.infonce.internal.java.row.RowFunction;

/** The derivatives of the objective by the similarities of the negatives, after the forward: f(z) times a row's coefficient. */
final class Slopes {
    private final RowFunction.OfLogits loss;
    private final LogitFunction function;
    private final double temperature;
    private final double bias;
    private final double[] reference;
    private final double[] coefficient;

    Slopes(RowFunction.OfLogits loss, double temperature, double bias, int rows) {
        this.loss = loss;
        this.function = loss.function;
        this.temperature = temperature;
        this.bias = bias;
        this.reference = new double[rows];
        this.coefficient = new double[rows];
    }

    /** Keeps what a row's slopes need. scale is the derivative of the objective by the row's loss. */
    void keep(int index, Row row, double scale) {
        reference[index] = row.reference;
        coefficient[index] = scale * loss.spread(row, loss.negativeSlope(row)) / temperature;
    }

    /** slope[k] += the derivative by s[k] for negatives k of one row. */
    void addOfRow(int row, double[] s, int count, double[] slope) {
        double rowReference = reference[row];
        double rowCoefficient = coefficient[row];
        for (int k = 0; k < count; k++) {
            slope[k] += rowCoefficient * function.at((s[k] - rowReference) / temperature + bias);
        }
    }

    /** slope[k] += the derivative by s[k], s[k] being one column's similarity in row firstRow + k. */
    void addOfRows(int firstRow, double[] s, int count, double[] slope) {
        for (int k = 0; k < count; k++) {
            double z = (s[k] - reference[firstRow + k]) / temperature + bias;
            slope[k] += coefficient[firstRow + k] * function.at(z);
        }
    }
}
