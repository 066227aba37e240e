package dev.infonce;

/** What a plan pays for. */
public enum Precision {
    /**
     * Loss and temperature gradient within 1e-5 relative of float64 of the same inputs, gradients within 1e-5 relative in
     * the Frobenius norm, for temperatures of 0.01 and more. Arithmetic is widened where that needs it.
     */
    PRECISE,
    /** The fastest arithmetic of the element type; errors grow with 1 / temperature. */
    FAST
}
