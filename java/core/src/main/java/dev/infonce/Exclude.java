package dev.infonce;

import java.util.Objects;

/**
 * Which rows of the other side are no negatives although they are in the batch: what is excluded is in no sum, no gradient and no
 * metric. The positive of a row is never excluded. A row that is left without negatives has loss 0 and gradient 0, or, of a
 * {@link SigLip}, its positive's term.
 *
 * @param groups whether a row and a column of one group are no negatives of each other: passages of one document, items of one
 *     user, copies of one text. Calls bring the groups, see {@link Inputs#withGroups}
 * @param threshold how similar a negative may be; of an {@link InfoNce} whose negatives are not all a row's own, or an {@link NtXent}, neither of them
 *     debiased
 */
public record Exclude(boolean groups, Threshold threshold) {
    private static final Exclude NOTHING = new Exclude(false, Threshold.none());
    private static final Exclude SAME_GROUP = new Exclude(true, Threshold.none());

    /**
     * Checks the rule.
     *
     * @throws NullPointerException if there is no threshold, which is {@link Threshold#none} for none
     */
    public Exclude {
        Objects.requireNonNull(threshold, "threshold");
    }

    /**
     * Nothing: all other rows are negatives.
     *
     * @return the rule
     */
    public static Exclude nothing() {
        return NOTHING;
    }

    /**
     * A row and a column of one group are no negatives of each other.
     *
     * @return the rule
     */
    public static Exclude sameGroup() {
        return SAME_GROUP;
    }

    /**
     * What is so similar to a row that it is likely no negative: column j is absent from the loss of row i if s_ij is above the limit
     * that the threshold takes from the similarity s_i+ of the row's positive. In a symmetric loss row i is absent from the loss of
     * column j by column j's own positive, and in one tower each row goes by its own. Similarities are compared as the arithmetic
     * of the call has them, without a positive margin, and nothing is differentiated through the limit.
     *
     * @param threshold how similar a negative may be
     * @return the rule
     */
    public static Exclude aboveThreshold(Threshold threshold) {
        return new Exclude(false, threshold);
    }

    /**
     * What either rule excludes.
     *
     * @param other the other rule
     * @return a new rule
     * @throws IllegalArgumentException if both have a threshold and these differ
     */
    public Exclude and(Exclude other) {
        Checks.argument(
                threshold.isNone() || other.threshold.isNone() || threshold.equals(other.threshold),
                "other: a rule has one threshold, but got %s and %s",
                threshold,
                other.threshold);
        return new Exclude(groups || other.groups, threshold.isNone() ? other.threshold : threshold);
    }
}
