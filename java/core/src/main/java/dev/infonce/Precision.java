package dev.infonce;

/** What a plan pays for. */
public enum Precision {
    /**
     * Loss and temperature gradient within 1e-5 relative of float64 of the same inputs, gradients within 1e-5 relative in
     * the Frobenius norm, for temperatures of 0.01 and more. Arithmetic is widened where that needs it.
     */
    PRECISE,
    /**
     * The fastest arithmetic of the element type. Similarities of float32 rows x and y are off by up to 2^-20 (on the CUDA
     * devices 2^-9) of |x| |y|, or of |x|^2 + |y|^2 for Euclidean ones; logits by that over the temperature; the loss, and each
     * element's part of a gradient, by as much, the latter relative. At logits of 2^20 (2^9) nothing is promised of a gradient but
     * that it is finite.
     */
    FAST
}
