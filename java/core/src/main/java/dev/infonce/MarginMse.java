package dev.infonce;

import java.util.Objects;

/**
 * Margin-MSE (2010.02666 eq. 2), distillation of a teacher's margins: each query has a list of candidates, key i (c = 0) and its m own
 * negatives, which a teacher has scored with t_ic. {@code l_i = mean over negatives c of ((s_i0 - s_ic) - (t_i0 - t_ic))^2}; 0 for m =
 * 0. {@code MarginMSELoss} of sentence-transformers. Has no temperature: similarities are to differ by as much as scores do, which
 * dot products can and cosines, between -1 and 1, only from scores that are scaled to it.
 *
 * <p>Shapes: {@code Shape.of(n, m, dim)} with n keys and n m negatives, rows i m ... i m + m - 1 being those of query i; calls bring
 * n x (m + 1) scores ({@link Inputs#withTeacherScores}).
 *
 * @param similarity s
 * @param reduction how row losses become the loss
 */
public record MarginMse(@DefaultSimilarity(Similarity.DOT) Similarity similarity, Reduction reduction)
        implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws NullPointerException if an argument is null
     */
    public MarginMse {
        Objects.requireNonNull(similarity, "similarity");
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * Dot products, as in the paper, mean.
     *
     * @return the loss
     */
    public static MarginMse ofDots() {
        return ofSimilarity(Similarity.DOT);
    }

    /**
     * Any similarity, mean.
     *
     * @param similarity s
     * @return the loss
     */
    public static MarginMse ofSimilarity(Similarity similarity) {
        return new MarginMse(similarity, Reduction.MEAN);
    }

    /**
     * The same loss with another similarity.
     *
     * @param similarity s
     * @return a new loss
     */
    public MarginMse withSimilarity(Similarity similarity) {
        return Components.with(this, "similarity", similarity);
    }

    @Override
    public MarginMse withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
