package dev.infonce;

import java.util.Objects;

/**
 * NT-Logistic (2002.05709 table 2), with softplus(x) = log(1 + exp(x)).
 *
 * <ul>
 *   <li>{@link Negatives#IN_BATCH}: one tower of two views as in {@link NtXent}; l_i = softplus(-s_i+ / tau) plus the mean, or
 *       the sum, of softplus(s_ij / tau) over the negatives j. Without negatives the positive term stands alone. Shapes:
 *       {@code Shape.tower(t, dim)} or {@code Shape.of(n, n, dim)}.
 *   <li>{@link Negatives#PAIRED}: triples, l_i = softplus(-s_i+ / tau) + softplus(s_i- / tau) with query, key and negative of
 *       row i. Shapes: {@code Shape.pairs(n, dim)}, negatives n x dim.
 * </ul>
 *
 * @param temperature tau, in [1e-9, 1e9]; a call may bring another
 * @param similarity s
 * @param negatives IN_BATCH or PAIRED
 * @param negativeReduction MEAN or SUM, how the negative terms of a row are put together; MEAN if PAIRED
 * @param reduction how row losses become the loss
 */
public record NtLogistic(
        double temperature,
        Similarity similarity,
        Negatives negatives,
        Reduction negativeReduction,
        Reduction reduction)
        implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if the temperature is out of range, negatives are SHARED or OWN, or negativeReduction
     *     is NONE, or SUM with PAIRED negatives
     * @throws NullPointerException if an argument is null
     */
    public NtLogistic {
        Checks.temperature(temperature);
        Objects.requireNonNull(similarity, "similarity");
        Objects.requireNonNull(negatives, "negatives");
        Objects.requireNonNull(negativeReduction, "negativeReduction");
        Objects.requireNonNull(reduction, "reduction");
        boolean hasSum = switch (negatives) {
            case IN_BATCH -> true;
            case PAIRED -> false;
            case SHARED, OWN, IN_BATCH_AND_OWN ->
                throw Checks.invalid("negatives: NtLogistic takes IN_BATCH or PAIRED, but got %s", negatives);
        };
        boolean reduces = switch (negativeReduction) {
            case MEAN -> true;
            case SUM -> hasSum;
            case NONE -> false;
        };
        Checks.argument(
                reduces,
                "negativeReduction: NtLogistic takes MEAN, or SUM if IN_BATCH, but got %s with %s negatives",
                negativeReduction,
                negatives);
    }

    /**
     * Cosine similarity, in-batch negatives with the mean of their terms, mean.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static NtLogistic withTemperature(double temperature) {
        return new NtLogistic(temperature, Similarity.COSINE, Negatives.IN_BATCH, Reduction.MEAN, Reduction.MEAN);
    }

    /**
     * The same loss on triples.
     *
     * @return a new loss
     * @throws IllegalArgumentException if the negative terms are summed, as a triple has but one
     */
    public NtLogistic withPairedNegatives() {
        return Components.with(this, "negatives", Negatives.PAIRED);
    }

    /**
     * The same loss with the mean or the sum of a row's negative terms.
     *
     * @param negativeReduction MEAN or SUM
     * @return a new loss
     */
    public NtLogistic withNegativeReduction(Reduction negativeReduction) {
        return Components.with(this, "negativeReduction", negativeReduction);
    }

    /**
     * The same loss with another similarity.
     *
     * @param similarity s
     * @return a new loss
     */
    public NtLogistic withSimilarity(Similarity similarity) {
        return Components.with(this, "similarity", similarity);
    }

    @Override
    public NtLogistic withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
