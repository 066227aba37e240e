package dev.infonce;

import java.util.Objects;

/**
 * The triplet loss (1503.03832 eq. 3) of anchor (query i), positive (key i) and negative i:
 * {@code max(0, d(anchor, positive) - d(anchor, negative) + margin)}. Has no temperature.
 *
 * <p>Shapes: {@code Shape.pairs(n, dim)}, negatives n x dim.
 *
 * @param margin by how much the negative must be farther than the positive; finite, >= 0
 * @param distance d
 * @param reduction how row losses become the loss
 */
public record Triplet(double margin, Distance distance, Reduction reduction) implements ContrastiveLoss {
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
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * Euclidean distance, mean.
     *
     * @param margin finite, >= 0
     * @return the loss
     */
    public static Triplet withMargin(double margin) {
        return new Triplet(margin, Distance.EUCLIDEAN, Reduction.MEAN);
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

    @Override
    public Triplet withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
