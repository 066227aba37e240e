package dev.infonce;

import java.util.Objects;

/**
 * NT-Xent (2002.05709 eq. 1): InfoNCE on one tower of two views. Of the t rows, row i and row i + t/2 are views of one thing;
 * every other row is a negative, a row is no negative of itself, and all t rows have a loss.
 *
 * <p>Shapes: {@code Shape.tower(t, dim)}, the rows in one matrix; or {@code Shape.of(n, n, dim)}, the first views as queries
 * and the second ones as keys, t = 2n.
 *
 * @param temperature tau, in [1e-9, 1e9]; a call may bring another
 * @param similarity s
 * @param reduction how row losses become the loss
 */
public record NtXent(double temperature, Similarity similarity, Reduction reduction) implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if the temperature is out of range
     * @throws NullPointerException if an argument is null
     */
    public NtXent {
        Checks.temperature(temperature);
        Objects.requireNonNull(similarity, "similarity");
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * Cosine similarity, mean.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static NtXent withTemperature(double temperature) {
        return new NtXent(temperature, Similarity.COSINE, Reduction.MEAN);
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
