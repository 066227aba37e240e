package dev.infonce.internal.java.row;

/**
 * A row as {@link RowFunction.OfLogits} sees it: its positive, and sums over its negatives. Whoever makes the sums may use the
 * same object for row after row.
 */
public final class Row {
    final double temperature;

    final RowRule rule;

    /** The similarity of the positive. */
    public double positive;

    /** The sum of exp((s - reference) / tau), or of softplus(z); 0 for exp means that there are no negatives. */
    public double value;

    /** The sum of exp((s - reference) / tau) (s - origin), or of sigmoid(z) s. */
    public double moment;

    /** The sum of sigmoid(z); 0 for exp. */
    public double sigmoids;

    /** What exp takes off similarities. */
    public double reference;

    /** What moments of exp take off similarities. */
    public double origin;

    /** Whether every similarity, and every sum over them, is in the range of float64. */
    public boolean isFinite() {
        return Double.isFinite(positive) && Double.isFinite(value) && Double.isFinite(moment);
    }

    /** A row without negatives. */
    public Row(double temperature, RowRule rule) {
        this.temperature = temperature;
        this.rule = rule;
    }
}
