package dev.infonce;

import java.util.Objects;

/**
 * The circle loss (2002.10857 eq. 6) of the pairs of one tower, which labels say. With s the similarity, m the margin and g the scale,
 * {@code l_i = softplus(ln(sum over negatives j of exp(g max(0, s_ij + m) (s_ij - m))) + ln(sum over positives p of exp(-g max(0, 1 + m
 * - s_ip) (s_ip - 1 + m))))}, softplus(x) = ln(1 + exp(x)): each pair is weighed by how far it is from its best, 1 or 0. Both factors
 * are differentiated; where the first is held constant, as in pytorch-metric-learning, losses are the same and gradients are not. Has no
 * temperature.
 *
 * <p>The positives of a row are the other rows of its label, its negatives the rows of another label or of none. A row with a label
 * below 0 has neither, and is a negative of all that have a label. A row without positives, or without negatives, has loss 0, gradient 0, and no share in a mean. {@link Metrics} counts both.
 *
 * <p>Shapes: {@code Shape.tower(t, dim)} with any t >= 1, one matrix, and t labels ({@link Inputs#withLabels(int...)}).
 *
 * @param margin m, the radius of the circle in which pairs are good; in [0, 1]
 * @param scale g, in (0, 1e4]
 * @param similarity s, but for DOT, of which there is no distance; made for COSINE, as its best values are 1 and 0
 * @param reduction how row losses become the loss
 */
public record Circle(double margin, double scale, Similarity similarity, Reduction reduction)
        implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if a number is out of range, or the similarity is DOT
     * @throws NullPointerException if an argument is null
     */
    public Circle {
        Checks.argument(margin >= 0 && margin <= 1, "margin: must be in [0, 1], but got %s", margin);
        Checks.scale("scale", scale);
        Checks.ofDistances("Circle", similarity);
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * Cosines, mean. {@code CircleLoss(m, gamma)} of pytorch-metric-learning, whose defaults are 0.4 and 80 and whose mean is over the
     * rows with a loss above 0; the paper has m = 0.25 and g = 256 for faces.
     *
     * @param margin m, in [0, 1]
     * @param scale g, in (0, 1e4]
     * @return the loss
     */
    public static Circle withMarginAndScale(double margin, double scale) {
        return new Circle(margin, scale, Similarity.COSINE, Reduction.MEAN);
    }

    /**
     * The same loss with another similarity. Of Euclidean ones negatives cost something where they are nearer than the margin, and
     * positives as if they had still a distance of 1 to go.
     *
     * @param similarity s, not DOT
     * @return a new loss
     */
    public Circle withSimilarity(Similarity similarity) {
        return Components.with(this, "similarity", similarity);
    }

    @Override
    public Circle withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
