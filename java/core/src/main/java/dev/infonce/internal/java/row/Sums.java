package dev.infonce.internal.java.row;

/** Sums over vectors that a row meets, all negatives or all positives, as {@link LogitFunction} adds them. */
public class Sums {
    final double temperature;

    final double bias;

    final double hardness;

    /** The sum of exp((1 / tau + hardness) (s - reference)), or of softplus(z); 0 for exp means that there are no such vectors. */
    public double value;

    /** The sum of exp((1 / tau + hardness) (s - reference)) (s - origin), or of sigmoid(z) s. */
    public double moment;

    /** The sum of sigmoid(z); 0 for exp. */
    public double sigmoids;

    /** What exp takes off similarities. */
    public double reference;

    /** What moments of exp take off similarities. */
    public double origin;

    /** Over nothing. */
    Sums(double temperature, double bias, double hardness) {
        this.temperature = temperature;
        this.bias = bias;
        this.hardness = hardness;
    }

    /** What exp is of, of a difference of similarities. */
    final double exponent(double difference) {
        return difference / temperature + hardness * difference;
    }

    /** Of sums of exp: how far the mean of the similarities, weighted by exp, is above another. */
    final double meanAbove(double similarity) {
        return moment / value + (origin - similarity);
    }

    /** Whether every sum is in the range of float64. */
    final boolean areFinite() {
        return Double.isFinite(value) && Double.isFinite(moment);
    }
}
