package dev.infonce.suite;

import dev.infonce.DType;

/**
 * The errors that devices promise against float64 of the given inputs, for tau >= 0.01. Everything that a test allows is from
 * here.
 *
 * @param loss relative, of the loss and of every row's own
 * @param dTemperature relative to the sum of the absolute values of what rows have in it: the same, unless signs are mixed
 * @param gradient relative, in the Frobenius norm of each matrix
 * @param spacing absolute, of every element of a gradient: the element type has nothing between 0 and this
 * @param metric absolute where a metric is below 1, else relative
 */
record Tolerances(double loss, double dTemperature, double gradient, double spacing, double metric) {
    /**
     * "precise" of DESIGN: fp32 arithmetic is used only while the largest logit is at most 64, and 64 units of fp32 rounding
     * (2^-24) are 4e-6.
     */
    private static final Tolerances FLOAT32 = new Tolerances(1e-5, 1e-5, 1e-5, Float.MIN_VALUE, 1e-5);

    /** Logits up to 1e4 and sums of up to 1e3 terms, each rounded to 2^-53: 1e-12, with room for cancelling gradients. */
    private static final Tolerances FLOAT64 = new Tolerances(1e-10, 1e-9, 1e-9, Double.MIN_VALUE, 1e-9);

    static Tolerances of(DType dtype) {
        return dtype == DType.FLOAT64 ? FLOAT64 : FLOAT32;
    }
}
