package dev.infonce;

/**
 * Which rows of the other side are no negatives although they are in the batch: what is excluded is in no sum, no gradient and no
 * metric. The positive of a row is never excluded.
 *
 * @param groups whether a row and a column of one group are no negatives of each other: passages of one document, items of one
 *     user, copies of one text. Calls bring the groups, see {@link Inputs#withGroups}
 */
public record Exclude(boolean groups) {
    private static final Exclude NOTHING = new Exclude(false);
    private static final Exclude SAME_GROUP = new Exclude(true);

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
}
