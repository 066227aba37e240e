package dev.infonce;

/** How far apart two vectors x and y are, for the losses with a margin. */
public enum Distance {
    /** {@code |x - y|}; its gradient is 0 where x = y. */
    EUCLIDEAN,
    /** {@code |x - y|^2}. */
    SQUARED_EUCLIDEAN,
    /** {@code 1 - <x, y> / (|x| |y|)}, in [0, 2]. */
    COSINE
}
