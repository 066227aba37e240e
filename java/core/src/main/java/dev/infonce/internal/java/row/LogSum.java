package dev.infonce.internal.java.row;

/** The sum of exp(scale x) over some x, as exp(scale largest) times a sum from 1 on; so no exponential is too large. */
public final class LogSum {
    private final double scale;
    private double largest;
    private double sum;

    /** Of nothing yet. */
    public LogSum(double scale) {
        this.scale = scale;
    }

    /** Begins a sum of which no x will be larger; -infinity for a sum of nothing. */
    public void begin(double newLargest) {
        largest = newLargest;
        sum = 0.0;
    }

    /** Adds exp(scale (x - largest)), and returns it. */
    public double add(double x) {
        double e = Math.exp(scale * (x - largest));
        sum += e;
        return e;
    }

    /** What the x are multiplied by. */
    double scale() {
        return scale;
    }

    /** The largest x. */
    double largest() {
        return largest;
    }

    /** The sum over exp(scale largest). */
    public double relative() {
        return sum;
    }

    /** ln of the sum; -infinity of nothing. */
    double log() {
        return sum == 0.0 ? Double.NEGATIVE_INFINITY : scale * largest + Math.log(sum);
    }
}
