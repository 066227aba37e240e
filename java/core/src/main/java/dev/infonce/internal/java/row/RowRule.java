package dev.infonce.internal.java.row;

import dev.infonce.Aggregation;
import dev.infonce.Threshold;

/**
 * What the rows of a loss have in common.
 *
 * @param share what a term of a negative counts, 1 where negatives have no terms of their own
 * @param positiveMargin what is taken off the similarity of the positive
 * @param bias what is added to every logit; 0 unless they are on their own
 * @param classPrior how likely a negative is a positive, 0 unless the loss is debiased
 * @param hardness alpha, where exponentials of negatives are of z + alpha s; 0 where there are no exponentials
 * @param negatives how many each row has, where all have as many
 * @param aggregation how several positives make one loss; null where each row has one
 * @param threshold above which similarity a row has no negatives
 * @param offsets whether columns have offsets
 */
public record RowRule(
        double share,
        double positiveMargin,
        double bias,
        double classPrior,
        double hardness,
        long negatives,
        Aggregation aggregation,
        Threshold threshold,
        boolean offsets) {
    /** The same with another bias. */
    public RowRule withBias(double bias) {
        return new RowRule(
                share, positiveMargin, bias, classPrior, hardness, negatives, aggregation, threshold, offsets);
    }

    /** Whether rows have limits. */
    public boolean hasLimits() {
        return !threshold.isNone();
    }
}
