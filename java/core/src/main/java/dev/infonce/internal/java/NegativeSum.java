package dev.infonce.internal.java;

/** What a row's loss needs to know of its negatives, which come in pieces. */
sealed interface NegativeSum permits SoftmaxSum, LogisticSum {
    /** Adds negatives of similarities s[0] ... s[count - 1]. */
    void add(double[] s, int count);

    /** The row's loss, its positive having this similarity. */
    double loss(double positive);

    /** The derivative of the loss by the temperature. */
    double temperatureSlope(double positive);

    /** The derivative of the loss by the positive's logit. Never above 0. */
    double positiveSlope(double positive);

    /** exp(entropy of the softmax over the negatives), or NaN where the loss has no softmax or no negatives. */
    double effectiveNegatives();
}
