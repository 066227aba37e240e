package dev.infonce;

/** How alike two vectors x and y are. A loss divides it by the temperature. */
public enum Similarity {
    /** {@code <x, y> / (|x| |y|)}, in [-1, 1]; rows are normalised by the loss. 0 if either vector is zero. */
    COSINE,
    /** {@code <x, y>}. */
    DOT,
    /** {@code -|x - y|^2}. */
    NEGATIVE_SQUARED_EUCLIDEAN,
    /** {@code -|x - y|}; its gradient is 0 where x = y. */
    NEGATIVE_EUCLIDEAN
}
