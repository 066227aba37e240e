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
 * @param excluded which other rows are no negatives
 * @param reduction how row losses become the loss
 */
public record NtXent(
        double temperature,
        Similarity similarity,
        Denominator denominator,
        @DefaultNumber(0) double positiveMargin,
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
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * Cosine similarity, mean.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static NtXent withTemperature(double temperature) {
        return new NtXent(temperature, Similarity.COSINE, Denominator.ALL, 0, Exclude.nothing(), Reduction.MEAN);
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
     * The same loss without some rows among the negatives.
     *
     * @param excluded which
     * @return a new loss
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
