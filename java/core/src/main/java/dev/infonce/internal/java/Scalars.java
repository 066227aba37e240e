package dev.infonce.internal.java;

/** Scalar functions that keep their relative accuracy at both ends. */
final class Scalars {
    private Scalars() {}

    /** ln(1 + e^x). */
    static double softplus(double x) {
        return Math.max(x, 0.0) + Math.log1p(Math.exp(-Math.abs(x)));
    }

    /** 1 / (1 + e^-x). */
    static double sigmoid(double x) {
        if (x >= 0.0) {
            return 1.0 / (1.0 + Math.exp(-x));
        }
        double e = Math.exp(x);
        return e / (1.0 + e);
    }
}
