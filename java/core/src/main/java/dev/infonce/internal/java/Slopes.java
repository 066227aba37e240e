package dev.infonce.internal.java;

import dev.infonce.internal.java.row.LogitFunction;
import dev.infonce.internal.java.row.Row;
import dev.infonce.internal.java.row.RowFunction;
import dev.infonce.internal.java.row.RowRule;

/** The derivatives of the objective by the similarities of those that rows meet, after the forward. */
final class Slopes {
    private final RowFunction.OfLogits loss;
    private final LogitFunction function;
    private final double temperature;
    private final double hardness;
    private final double bias;
    private final double[] reference;
    private final double[] coefficient;
    private final double[] limit;
    private final ColumnFactors factors; // null where columns have none

    /** Those by the similarities of several positives; null where each row has one, whose slope is apart. */
    final OfPositives ofPositives;

    Slopes(RowFunction.OfLogits loss, double temperature, RowRule rule, int rows) {
        this.loss = loss;
        this.function = loss.function;
        this.temperature = temperature;
        this.bias = rule.bias();
        this.hardness = rule.hardness();
        this.reference = new double[rows];
        this.coefficient = new double[rows];
        this.limit = new double[rows];
        this.factors = null;
        this.ofPositives = rule.aggregation() == null ? null : new OfPositives(rows);
    }

    private Slopes(Slopes kept, ColumnFactors factors) {
        this.loss = kept.loss;
        this.function = kept.function;
        this.temperature = kept.temperature;
        this.bias = kept.bias;
        this.hardness = kept.hardness;
        this.reference = kept.reference;
        this.coefficient = kept.coefficient;
        this.limit = kept.limit;
        this.ofPositives = kept.ofPositives;
        this.factors = factors;
    }

    /** The same of columns that have factors; null: that have none. */
    Slopes with(ColumnFactors ofColumns) {
        return ofColumns == null ? this : new Slopes(this, ofColumns);
    }

    /** Keeps what a row's slopes need. scale is the derivative of the objective by the row's loss. */
    void keep(int index, Row row, double scale) {
        reference[index] = row.reference;
        coefficient[index] = scale * loss.spread(row, loss.negativeSlope(row)) / temperature;
        limit[index] = row.limit;
        if (ofPositives != null) {
            ofPositives.keep(index, row, scale);
        }
    }

    /** f(z) times a row's coefficient, and the same number for all positives of a row beside. */
    final class OfPositives {
        private final double[] reference;
        private final double[] coefficient;
        private final double[] share;

        private OfPositives(int rows) {
            this.reference = new double[rows];
            this.coefficient = new double[rows];
            this.share = new double[rows];
        }

        private void keep(int index, Row row, double scale) {
            reference[index] = row.positives.reference;
            coefficient[index] = scale * loss.spreadOfPositives(row) / temperature;
            share[index] = scale * loss.shareOfPositive(row) / temperature;
        }

        /** The derivative by the similarity of a row and one of its positives. */
        double at(int row, double s) {
            return coefficient[row] * function.at((s - reference[row]) / temperature) + share[row];
        }
    }

    /**
     * slope[k] += the derivative by s[k] for negatives k of one row: f(z) times its coefficient, or 0 above its limit, and for a row
     * that has no loss. Negative k is column firstColumn + k.
     */
    void addOfRow(int row, double[] s, int firstColumn, int count, double[] slope) {
        if (row >= coefficient.length) {
            return;
        }
        double rowReference = reference[row];
        double rowCoefficient = coefficient[row];
        double rowLimit = limit[row];
        for (int k = 0; k < count; k++) {
            if (!(s[k] > rowLimit)) {
                double ofColumn = factors == null ? rowCoefficient : rowCoefficient * factors.at(firstColumn + k);
                slope[k] += ofColumn * function.at(logit(s[k] - rowReference));
            }
        }
    }

    /** Of a negative, or how far it is from a reference. */
    private double logit(double s) {
        return s / temperature + bias + hardness * s;
    }

    /** Likewise of a row's own negatives. */
    void addOfOwn(int row, double[] s, int count, double[] slope) {
        double ofColumn = factors == null ? coefficient[row] : coefficient[row] * factors.ofOwn();
        for (int k = 0; k < count; k++) {
            if (!(s[k] > limit[row])) {
                slope[k] += ofColumn * function.at(logit(s[k] - reference[row]));
            }
        }
    }

    /** slope[k] += the derivative by s[k], s[k] being a column's similarity in row firstRow + k; 0 for rows that have no loss. */
    void addOfRows(int column, int firstRow, double[] s, int count, double[] slope) {
        int withLoss = Math.min(count, coefficient.length - firstRow);
        for (int k = 0; k < withLoss; k++) {
            if (s[k] > limit[firstRow + k]) {
                continue;
            }
            double z = logit(s[k] - reference[firstRow + k]);
            double ofColumn = coefficient[firstRow + k] * (factors == null ? 1.0 : factors.at(column));
            slope[k] += ofColumn * function.at(z);
        }
    }
}
