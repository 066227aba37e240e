package dev.infonce.internal.java.vector;

/**
 * What similarities are multiplied by before exp2: in two parts, so that the product keeps its fraction when its integer part
 * is large.
 *
 * @param high the factor, rounded
 * @param low the rest
 * @param natural the factor of exp, rounded
 */
public record Factor(float high, float low, float natural) {
    private static final double LOG2_E = 1.4426950408889634;

    /** The factor of exp(s factor). */
    public static Factor of(double factor) {
        double binary = factor * LOG2_E;
        float high = (float) binary;
        return new Factor(high, (float) (binary - high), (float) factor);
    }
}
