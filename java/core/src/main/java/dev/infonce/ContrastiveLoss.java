package dev.infonce;

/**
 * What to compute, apart from shapes, types and device. Every loss is an immutable record.
 *
 * <p>Words: queries Q[n x dim], keys K[m x dim], similarity s, temperature tau; rows are queries, columns are keys; l_i is
 * the loss of row i.
 */
public sealed interface ContrastiveLoss permits InfoNce, NtXent, NtLogistic, PairwiseContrastive, Triplet {
    /**
     * How row losses become the loss.
     *
     * @return the reduction
     */
    Reduction reduction();

    /**
     * The same loss with another reduction.
     *
     * @param reduction how row losses become the loss
     * @return a new loss
     */
    ContrastiveLoss withReduction(Reduction reduction);
}
