package dev.infonce;

import java.util.Objects;

/**
 * The pairwise contrastive loss (Hadsell 2006 eq. 4) of pairs (query i, key i): d^2 / 2 where label i is 1,
 * max(0, margin - d)^2 / 2 where it is 0, d being the distance of the pair. Has no temperature.
 *
 * <p>Shapes: {@code Shape.pairs(n, dim)}, and n labels.
 *
 * @param margin the distance from which a pair that is not alike costs nothing; finite, > 0
 * @param distance d; with {@link Distance#SQUARED_EUCLIDEAN} d is that square, and d^2 its square
 * @param reduction how row losses become the loss
 */
public record PairwiseContrastive(double margin, Distance distance, Reduction reduction) implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if the margin is not finite or not > 0
     * @throws NullPointerException if an argument is null
     */
    public PairwiseContrastive {
        Checks.argument(
                margin > 0 && margin < Double.POSITIVE_INFINITY, "margin: must be finite and > 0, but got %s", margin);
        Objects.requireNonNull(distance, "distance");
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * Euclidean distance, mean.
     *
     * @param margin finite, > 0
     * @return the loss
     */
    public static PairwiseContrastive withMargin(double margin) {
        return new PairwiseContrastive(margin, Distance.EUCLIDEAN, Reduction.MEAN);
    }

    /**
     * The same loss with another distance.
     *
     * @param distance d
     * @return a new loss
     */
    public PairwiseContrastive withDistance(Distance distance) {
        return Components.with(this, "distance", distance);
    }

    @Override
    public PairwiseContrastive withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
