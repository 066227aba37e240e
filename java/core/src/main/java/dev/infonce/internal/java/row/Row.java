package dev.infonce.internal.java.row;

/**
 * A row as {@link RowFunction.OfLogits} sees it: its positive, or several, and sums over its negatives. Whoever makes the sums may
 * use the same object for row after row.
 */
public final class Row extends Sums {
    final RowRule rule;

    /** The similarity of the positive, or the mean of those of several. */
    public double positive;

    /** The offset of the positive's column; 0 where columns have none. */
    public double offset;

    /** Above which similarity there are no negatives. */
    public double limit = Double.POSITIVE_INFINITY;

    /** How many positives there are: 1, unless labels say. */
    public long positiveCount = 1;

    /** Sums over positives that labels say; null where each row has one. */
    public final Sums positives;

    /** A row without negatives. */
    public Row(double temperature, RowRule rule) {
        super(temperature, rule.bias(), rule.hardness());
        this.rule = rule;
        this.positives = rule.aggregation() == null ? null : new Sums(temperature, rule.bias(), 0.0);
    }

    /** Whether there is nothing to tell apart: no negatives, or no positives. */
    boolean isEmpty() {
        return value == 0.0 || positiveCount == 0;
    }

    /** Whether every similarity, and every sum over them, is in the range of float64. */
    public boolean isFinite() {
        return Double.isFinite(positive) && areFinite() && (positives == null || positives.areFinite());
    }
}
