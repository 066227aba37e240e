package dev.infonce;

import java.util.Objects;

/**
 * InfoNCE with several positives a row, by labels: SupCon (2004.11362 eqs. 2 and 3), multi-instance NCE (1912.06430 eq. 1), soft
 * nearest neighbours (1902.01889 eq. 1). The columns of a row are all other rows of one tower, or all keys of two towers; those that
 * have its label are its positives, all others its negatives, and {@link Aggregation} says how that makes one loss. A label below 0 is
 * like no other.
 *
 * <p>A row without positives has loss 0, gradient 0, and no share in a mean; one without negatives has loss 0 and gradient 0, and if
 * decoupled no share in a mean either. {@link Metrics} counts both. With two rows of each label it is {@link NtXent}.
 *
 * <p>Shapes of one tower: {@code Shape.tower(t, dim)} with any t >= 1, the rows in one matrix, and t labels ({@link
 * Inputs#withLabels(int...)}); or {@code Shape.of(n, n, dim)}, the first views as queries and the second ones as keys, t = 2n, labels
 * of the queries before those of the keys. Of two towers: {@code Shape.of(n, m, dim)} with any n and m >= 1, n labels of queries and
 * m of keys ({@link Inputs#withLabels(int[], int[])}); a {@link Shape#withQueue queue} may stand behind the keys, with labels of its own
 * behind theirs. {@link Labels#ofPositives} labels queries that have one positive each, which is any key.
 *
 * @param temperature tau, in [1e-9, 1e9]; a call may bring another
 * @param similarity s
 * @param denominator what the positives compete against: ALL, themselves and the negatives, or the negatives alone
 * @param positiveMargin what is taken off the similarities of positives, in the loss and not in metrics; in [0, 1e100]
 * @param aggregation how the positives of a row make one loss
 * @param twoTowers whether the columns are keys, else the other rows
 * @param reduction how row losses become the loss
 */
public record SupCon(
        double temperature,
        Similarity similarity,
        Denominator denominator,
        @DefaultNumber(0) double positiveMargin,
        Aggregation aggregation,
        boolean twoTowers,
        Reduction reduction)
        implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if the temperature or the margin is out of range
     * @throws NullPointerException if an argument is null
     */
    public SupCon {
        Checks.temperature(temperature);
        Objects.requireNonNull(similarity, "similarity");
        Objects.requireNonNull(denominator, "denominator");
        Checks.positiveMargin(positiveMargin);
        Objects.requireNonNull(aggregation, "aggregation");
        Objects.requireNonNull(reduction, "reduction");
    }

    /**
     * One tower, cosine similarity, L_out, mean: SupCon as its authors recommend it.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static SupCon withTemperature(double temperature) {
        return new SupCon(
                temperature, Similarity.COSINE, Denominator.ALL, 0, Aggregation.OUTSIDE, false, Reduction.MEAN);
    }

    /**
     * The same loss with another aggregation.
     *
     * @param aggregation how the positives of a row make one loss
     * @return a new loss
     */
    public SupCon aggregating(Aggregation aggregation) {
        return Components.with(this, "aggregation", aggregation);
    }

    /**
     * The same loss, in which positives compete against the negatives alone, as DCL (2110.06848) has it.
     *
     * @return a new loss
     */
    public SupCon decoupled() {
        return Components.with(this, "denominator", Denominator.NEGATIVES);
    }

    /**
     * The same loss, which wants positives more similar than the negatives by a margin.
     *
     * @param positiveMargin in units of the similarity, in [0, 1e100]
     * @return a new loss
     */
    public SupCon withPositiveMargin(double positiveMargin) {
        return Components.with(this, "positiveMargin", positiveMargin);
    }

    /**
     * The same loss with another similarity.
     *
     * @param similarity s
     * @return a new loss
     */
    public SupCon withSimilarity(Similarity similarity) {
        return Components.with(this, "similarity", similarity);
    }

    /**
     * The same loss of queries and keys: of images and texts, say, of which several go together.
     *
     * @return a new loss
     */
    public SupCon ofTwoTowers() {
        return Components.with(this, "twoTowers", true);
    }

    @Override
    public SupCon withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
