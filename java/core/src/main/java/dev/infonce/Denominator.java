package dev.infonce;

/** What a positive competes against in losses of a softmax. */
public enum Denominator {
    /** Itself and the negatives: the cross-entropy of a softmax, never below 0. */
    ALL,
    /**
     * The negatives alone: decoupled contrastive learning, DCL (2110.06848 eq. 6). Losses may be below 0, and a positive is
     * pulled as much however near it is. A row without negatives has loss 0 and gradient 0.
     */
    NEGATIVES
}
