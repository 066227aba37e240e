package dev.infonce;

import java.util.Objects;

/**
 * SigLIP, the pairwise sigmoid loss (2303.15343 eq. 1): every pair of a query and a key is on its own,
 * {@code l_i = softplus(-z_i+) + sum over the other keys j of softplus(z_ij)} with {@code z = s / tau + bias} and
 * {@code softplus(x) = log(1 + exp(x))}. The paper's loss is the mean; its t' is -ln tau.
 *
 * <p>Shapes: {@code Shape.of(n, m, dim)} with keys m x dim, m >= n; key i is the positive of query i, and every other key a
 * negative.
 *
 * @param temperature tau, in [1e-9, 1e9]; a call may bring another
 * @param bias what is added to every logit, in [-1e30, 1e30]; a call may bring another. Metrics are of s, and have none
 * @param similarity s
 * @param excluded which other keys are no negatives; groups only
 * @param reduction how row losses become the loss
 */
public record SigLip(
        double temperature, @DefaultNumber(0) double bias, Similarity similarity, Exclude excluded, Reduction reduction)
        implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if the temperature or the bias is out of range, or there is a threshold
     * @throws NullPointerException if an argument is null
     */
    public SigLip {
        Checks.temperature(temperature);
        Checks.bias(bias);
        Objects.requireNonNull(similarity, "similarity");
        Objects.requireNonNull(excluded, "excluded");
        Checks.argument(
                excluded.threshold().isNone(),
                "excluded: a SigLip has no threshold, as it compares no pair with a positive, but got %s",
                excluded.threshold());
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * Cosine similarity, mean.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @param bias what is added to every logit, in [-1e30, 1e30]
     * @return the loss
     */
    public static SigLip withTemperatureAndBias(double temperature, double bias) {
        return new SigLip(temperature, bias, Similarity.COSINE, Exclude.nothing(), Reduction.MEAN);
    }

    /**
     * Where the paper's training starts, both numbers being learned: tau 0.1 and a bias of -10, so that the many negatives weigh
     * little.
     *
     * @return the loss
     */
    public static SigLip learned() {
        return withTemperatureAndBias(0.1, -10);
    }

    /**
     * The same loss without some keys among the negatives.
     *
     * @param excluded which
     * @return a new loss
     * @throws IllegalArgumentException if it has a threshold
     */
    public SigLip excluding(Exclude excluded) {
        return Components.with(this, "excluded", excluded);
    }

    /**
     * The same loss with another similarity.
     *
     * @param similarity s
     * @return a new loss
     */
    public SigLip withSimilarity(Similarity similarity) {
        return Components.with(this, "similarity", similarity);
    }

    @Override
    public SigLip withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
