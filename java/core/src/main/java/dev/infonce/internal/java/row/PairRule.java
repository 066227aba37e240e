package dev.infonce.internal.java.row;

/**
 * What the pairs of a {@link RowFunction.OfPairs} have in common.
 *
 * @param positiveScale what penalties of positives are multiplied by
 * @param negativeScale what penalties of negatives are multiplied by
 * @param base the similarity that penalties are counted from; 0 where a margin says it
 * @param margin how far from its best a pair may be; 0 where there is a base
 */
public record PairRule(double positiveScale, double negativeScale, double base, double margin) {}
