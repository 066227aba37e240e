package dev.infonce;

/** Which rows are the negatives of row i. */
public enum Negatives {
    /** The other keys (two towers), or the other rows (one tower). */
    IN_BATCH,
    /** The m rows of the negatives, [m x dim], for every row alike. */
    SHARED,
    /** Rows i*m ... i*m + m-1 of the negatives, [(n*m) x dim]. */
    OWN,
    /**
     * The other keys, as of IN_BATCH, and rows i*k ... i*k + k-1 of the negatives, [(n*k) x dim], k being {@link
     * Shape#ownNegatives}.
     */
    IN_BATCH_AND_OWN,
    /** Row i of the negatives, [n x dim]. */
    PAIRED
}
