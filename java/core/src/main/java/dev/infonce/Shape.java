package dev.infonce;

/**
 * The sizes that a plan is made for. What n and m mean is said by the loss. Limits: {@code 1 <= n}, {@code 0 <= m},
 * {@code 1 <= dim <= 2^20}, {@code n * max(1, m + queue) * dim < 2^60}, {@code n * ownNegatives * dim < 2^60}.
 *
 * @param n rows of queries
 * @param m rows of keys, or negatives (for each row, if its own), or 0 for one tower in one matrix
 * @param dim columns of every matrix
 * @param ownNegatives negatives of each row's own beside those of the batch, at least 1 of a loss with {@link
 *     Negatives#IN_BATCH_AND_OWN}, else 0
 * @param queue rows of {@link Inputs#withQueue the queue}, which are further keys behind the m and have no gradient; 0 for none
 */
public record Shape(long n, long m, long dim, long ownNegatives, long queue) {
    /**
     * Checks the limits.
     *
     * @throws IllegalArgumentException if a size is out of its limits
     */
    public Shape {
        Checks.shape(n, m, dim, ownNegatives, queue);
    }

    /**
     * Two towers, or queries and keys with m negatives.
     *
     * @param n rows of queries
     * @param m rows of keys, or negatives
     * @param dim columns
     * @return the shape
     */
    public static Shape of(long n, long m, long dim) {
        return new Shape(n, m, dim, 0, 0);
    }

    /**
     * One tower in one matrix: m = 0.
     *
     * @param rows all rows; even where they are two views, of both together
     * @param dim columns
     * @return the shape
     */
    public static Shape tower(long rows, long dim) {
        return new Shape(rows, 0, dim, 0, 0);
    }

    /**
     * Pairs or triples of rows: m = n.
     *
     * @param n rows of every matrix
     * @param dim columns
     * @return the shape
     */
    public static Shape pairs(long n, long dim) {
        return new Shape(n, n, dim, 0, 0);
    }

    /**
     * The same sizes with negatives of each row's own beside those of the batch.
     *
     * @param perRow how many each row has; 0 for none
     * @return a new shape
     * @throws IllegalArgumentException if it is below 0, or n * perRow * dim is not below 2^60
     */
    public Shape withOwnNegatives(long perRow) {
        return new Shape(n, m, dim, perRow, queue);
    }

    /**
     * The same sizes with a queue of further keys, of an {@link InfoNce} with negatives of the batch, not symmetric, or a {@link SupCon}
     * of two towers.
     *
     * @param rows how many it has; 0 for none
     * @return a new shape
     * @throws IllegalArgumentException if it is below 0, or n * (m + rows) * dim is not below 2^60
     */
    public Shape withQueue(long rows) {
        return new Shape(n, m, dim, ownNegatives, rows);
    }
}
