package dev.infonce;

/**
 * Where a call writes gradients. Matrices are shaped and typed like the inputs, may have strides of their own, and must
 * overlap neither inputs nor each other.
 *
 * @param dQueries for the gradient by the queries, or null if not wanted
 * @param dKeys for the gradient by the keys, without the queue, which has none; or null if not wanted
 * @param dNegatives for the gradient by the negatives, or null if not wanted
 */
public record Gradients(Matrix dQueries, Matrix dKeys, Matrix dNegatives) {}
