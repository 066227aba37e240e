package dev.infonce;

import java.util.Objects;

/**
 * The multi-similarity loss (1904.06627 eq. 16) of the pairs of one tower, which labels say. With s the similarity, a the positive
 * scale and b the negative scale, {@code l_i = ln(1 + sum over positives p of exp(-a (s_ip - base))) / a + ln(1 + sum over negatives j
 * of exp(b (s_ij - base))) / b}: a pair pulls, or pushes, the more the farther it is on the wrong side of the base, and the more it
 * stands out among the row's others. Has no temperature and no margin.
 *
 * <p>The positives of a row are the other rows of its label, its negatives the rows of another label or of none. A row with a label
 * below 0 has neither, and is a negative of all that have a label. A row without positives, or without negatives, lacks that term, and
 * all rows count in a mean. Every pair counts: the paper's mining (its eqs. 11 and 12) is not done.
 *
 * <p>Shapes: {@code Shape.tower(t, dim)} with any t >= 1, one matrix, and t labels ({@link Inputs#withLabels(int...)}).
 *
 * @param positiveScale a, in (0, 1e4]
 * @param negativeScale b, in (0, 1e4]
 * @param base the similarity about which pairs are weighed, the paper's lambda; of a size of at most 1e4
 * @param similarity s, but for DOT, of which there is no distance
 * @param reduction how row losses become the loss
 */
public record MultiSimilarity(
        double positiveScale,
        double negativeScale,
        @DefaultNumber(MultiSimilarity.BASE) double base,
        Similarity similarity,
        Reduction reduction)
        implements ContrastiveLoss {
    static final double BASE = 0.5;

    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if a number is out of range, or the similarity is DOT
     * @throws NullPointerException if an argument is null
     */
    public MultiSimilarity {
        Checks.scale("positiveScale", positiveScale);
        Checks.scale("negativeScale", negativeScale);
        Checks.argument(base >= -1e4 && base <= 1e4, "base: must be in [-1e4, 1e4], but got %s", base);
        Checks.ofDistances("MultiSimilarity", similarity);
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * Cosines, base 0.5, mean. {@code MultiSimilarityLoss(alpha, beta, base)} of pytorch-metric-learning, whose defaults are 2, 50 and
     * 0.5.
     *
     * @param positiveScale a, in (0, 1e4]
     * @param negativeScale b, in (0, 1e4]
     * @return the loss
     */
    public static MultiSimilarity withScales(double positiveScale, double negativeScale) {
        return new MultiSimilarity(positiveScale, negativeScale, BASE, Similarity.COSINE, Reduction.MEAN);
    }

    /**
     * The same loss with another base.
     *
     * @param base of a size of at most 1e4
     * @return a new loss
     */
    public MultiSimilarity withBase(double base) {
        return Components.with(this, "base", base);
    }

    /**
     * The same loss with another similarity. Euclidean ones are never above 0, and want a base below it.
     *
     * @param similarity s, not DOT
     * @return a new loss
     */
    public MultiSimilarity withSimilarity(Similarity similarity) {
        return Components.with(this, "similarity", similarity);
    }

    @Override
    public MultiSimilarity withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
