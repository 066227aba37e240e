package dev.infonce;

import java.util.Objects;

/**
 * NT-Xent (2002.05709 eq. 1): InfoNCE on one tower of two views. Of the t rows, row i and row i + t/2 are views of one thing;
 * every other row is a negative, a row is no negative of itself, and all t rows have a loss. Decoupled it is DCL (2110.06848 eq.
 * 6).
 *
 * <p>Shapes: {@code Shape.tower(t, dim)}, the rows in one matrix; or {@code Shape.of(n, n, dim)}, the first views as queries
 * and the second ones as keys, t = 2n.
 *
 * @param temperature tau, in [1e-9, 1e9]; a call may bring another
 * @param similarity s
 * @param denominator what the positive competes against
 * @param positiveMargin what is taken off the similarity of the positive, in the loss and not in metrics; in [0, 1e100]
 * @param classPrior how likely a negative is really a positive, for which the sum over negatives is corrected; 0 for no
 *     correction; in [0, 1), and above 0 only of cosines, with the denominator ALL and nothing excluded
 * @param hardness by how much of their similarity negatives count more, in [0, 1000]; above 0 only with a classPrior of 0
 * @param excluded which other rows are no negatives
 * @param reduction how row losses become the loss
 */
public record NtXent(
        double temperature,
        Similarity similarity,
        Denominator denominator,
        @DefaultNumber(0) double positiveMargin,
        @DefaultNumber(0) double classPrior,
        @DefaultNumber(0) double hardness,
        Exclude excluded,
        Reduction reduction)
        implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if the temperature or the margin is out of range
     * @throws NullPointerException if an argument is null
     */
    public NtXent {
        Checks.temperature(temperature);
        Objects.requireNonNull(similarity, "similarity");
        Objects.requireNonNull(denominator, "denominator");
        Checks.positiveMargin(positiveMargin);
        Objects.requireNonNull(excluded, "excluded");
        Checks.classPrior(classPrior, denominator, similarity, excluded);
        Checks.hardness(hardness, classPrior);
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * Cosine similarity, mean.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static NtXent withTemperature(double temperature) {
        return new NtXent(temperature, Similarity.COSINE, Denominator.ALL, 0, 0, 0, Exclude.nothing(), Reduction.MEAN);
    }

    /**
     * The same loss, in which the positive competes against the negatives alone, as DCL has it.
     *
     * @return a new loss
     */
    public NtXent decoupled() {
        return Components.with(this, "denominator", Denominator.NEGATIVES);
    }

    /**
     * The same loss, which wants the positive more similar than the negatives by a margin.
     *
     * @param positiveMargin in units of the similarity, in [0, 1e100]
     * @return a new loss
     */
    public NtXent withPositiveMargin(double positiveMargin) {
        return Components.with(this, "positiveMargin", positiveMargin);
    }

    /**
     * The same loss, debiased (2007.00224 eqs. 7 and 8): with k negatives and u = sum over them of {@code exp((s_ij - s_i+ +
     * positiveMargin) / tau)}, {@code l_i = log(1 + max((u - classPrior k) / (1 - classPrior), k exp((-1 - s_i+ + positiveMargin)
     * / tau)))}. Rows where the second is larger, which are most rows of a model that has learned well, are not pushed away from
     * their negatives.
     *
     * @param classPrior how likely a negative is really a positive, such as 1 / classes; in [0, 1)
     * @return a new loss
     * @throws IllegalArgumentException if it is out of range, or the similarity is not the cosine
     */
    public NtXent debiased(double classPrior) {
        return Components.with(this, "classPrior", classPrior);
    }

    /**
     * The same loss, in which hard negatives count more: the exponential of negative j is that of {@code z_ij + hardness s_ij}, and the
     * second part is not differentiated (2503.04812 eq. 5). {@link Metrics#effectiveNegatives} is of the softmax with it.
     *
     * @param hardness in [0, 1000]; 0 for the loss as it is, and 9 in the paper
     * @return a new loss
     * @throws IllegalArgumentException if it is out of range, or the loss is debiased
     */
    public NtXent withHardness(double hardness) {
        return Components.with(this, "hardness", hardness);
    }

    /**
     * The same loss without some rows among the negatives: {@code excluding(Exclude.sameGroup())}, {@code
     * excluding(Exclude.aboveThreshold(Threshold.relative(0.05)))}, or one {@link Exclude#and} the other.
     *
     * @param excluded which
     * @return a new loss
     * @throws IllegalArgumentException if the loss is debiased
     */
    public NtXent excluding(Exclude excluded) {
        return Components.with(this, "excluded", excluded);
    }

    /**
     * The same loss with another similarity.
     *
     * @param similarity s
     * @return a new loss
     */
    public NtXent withSimilarity(Similarity similarity) {
        return Components.with(this, "similarity", similarity);
    }

    @Override
    public NtXent withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
