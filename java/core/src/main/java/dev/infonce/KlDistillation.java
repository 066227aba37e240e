package dev.infonce;

import java.util.Objects;

/**
 * Distillation from a list of scores, by the Kullback-Leibler divergence (1503.02531 section 2): each query has a list of candidates,
 * key i (c = 0) and its m own negatives, which a teacher, such as a cross-encoder, has scored with t_ic. {@code l_i = sum over c of
 * p_ic log(p_ic / q_ic)} with {@code p_i = softmax(t_i)} and {@code q_i = softmax(s_i / tau)}; never below 0, and 0 for m = 0. {@code
 * DistillKLDivLoss} of sentence-transformers, which multiplies it by the square of its temperature.
 *
 * <p>The scores are logits: the teacher's temperature is divided out by the caller, and a number that is added to all scores of a row
 * changes nothing. A divergence near 0 is a difference of nearly equal numbers, so that its accuracy is absolute.
 *
 * <p>Shapes: {@code Shape.of(n, m, dim)} with n keys and n m negatives, rows i m ... i m + m - 1 being those of query i; calls bring
 * n x (m + 1) scores ({@link Inputs#withTeacherScores}).
 *
 * @param temperature tau, in [1e-9, 1e9]; a call may bring another
 * @param similarity s
 * @param reduction how row losses become the loss
 */
public record KlDistillation(double temperature, Similarity similarity, Reduction reduction)
        implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if the temperature is out of range
     * @throws NullPointerException if an argument is null
     */
    public KlDistillation {
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
    public static KlDistillation withTemperature(double temperature) {
        return new KlDistillation(temperature, Similarity.COSINE, Reduction.MEAN);
    }

    /**
     * The same loss with another similarity.
     *
     * @param similarity s
     * @return a new loss
     */
    public KlDistillation withSimilarity(Similarity similarity) {
        return Components.with(this, "similarity", similarity);
    }

    @Override
    public KlDistillation withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
