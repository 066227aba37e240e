package dev.infonce;

import java.util.Objects;

/**
 * The triplet loss (1503.03832 eq. 3) of anchor, positive and negative: {@code max(0, x)} with {@code x = d(anchor, positive) -
 * d(anchor, negative) + margin}, or {@code ln(1 + exp(x))} with a soft margin (1703.07737 section 2). Has no temperature.
 *
 * <p>Shapes without mining: {@code Shape.pairs(n, dim)}; query i is the anchor, key i its positive, and row i of the negatives
 * (n x dim) its negative.
 *
 * <p>Shapes with {@link Mining}: {@code Shape.tower(t, dim)} with any t >= 1, one matrix, and t labels: rows of one label >= 0
 * are alike, a row with a label below 0 is like no other. Row a's loss l_a is the sum over its triplets, and c_a counts them, of
 * {@link Mining#BATCH_ALL} without a soft margin only those with x > 0. The mean is the sum of w_a l_a over the sum of w_a c_a, 0
 * if that is 0.
 *
 * @param margin by how much the negative must be farther than the positive; finite, >= 0
 * @param distance d
 * @param mining which triplets there are
 * @param softMargin whether ln(1 + exp(x)) takes the place of max(0, x), so that no triplet is ever good enough
 * @param reduction how row losses become the loss
 */
public record Triplet(double margin, Distance distance, Mining mining, boolean softMargin, Reduction reduction)
        implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if the margin is not finite or negative
     * @throws NullPointerException if an argument is null
     */
    public Triplet {
        Checks.argument(
                margin >= 0 && margin < Double.POSITIVE_INFINITY,
                "margin: must be finite and >= 0, but got %s",
                margin);
        Objects.requireNonNull(distance, "distance");
        Objects.requireNonNull(mining, "mining");
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * Euclidean distance, triplets that the caller gives, no soft margin, mean.
     *
     * @param margin finite, >= 0
     * @return the loss
     */
    public static Triplet withMargin(double margin) {
        return new Triplet(margin, Distance.EUCLIDEAN, Mining.NONE, false, Reduction.MEAN);
    }

    /**
     * The same loss with another distance.
     *
     * @param distance d
     * @return a new loss
     */
    public Triplet withDistance(Distance distance) {
        return Components.with(this, "distance", distance);
    }

    /**
     * The same loss of triplets that are mined among the rows of a call, by their labels.
     *
     * @param mining which triplets
     * @return a new loss
     */
    public Triplet mining(Mining mining) {
        return Components.with(this, "mining", mining);
    }

    /**
     * The same loss with ln(1 + exp(x)) in place of max(0, x).
     *
     * @return a new loss
     */
    public Triplet withSoftMargin() {
        return Components.with(this, "softMargin", true);
    }

    @Override
    public Triplet withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
