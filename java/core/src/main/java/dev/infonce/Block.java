package dev.infonce;

/** Pairs whose similarities are negatives of row i beside those of query i and the other keys; n counts the queries. */
public enum Block {
    /** Query i and each other query: {@code s(q_i, q_j)}, j != i. */
    QUERY_QUERY,
    /** Key i and each other query, which is column i of queries and keys: {@code s(q_j, k_i)}, j != i. */
    KEY_QUERY,
    /** Key i and each other of the first n keys: {@code s(k_i, k_j)}, j != i. */
    KEY_KEY
}
