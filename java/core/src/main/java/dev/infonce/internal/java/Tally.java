package dev.infonce.internal.java;

import dev.infonce.Metrics;

/** Sums for the metrics over some rows; strips of rows have their own, which are added in the order of strips. */
public final class Tally {
    private long ranked;
    private long top1;
    private long topK;
    private long positives;
    private double positiveSimilarities;
    private double squaredDistances;
    private long negatives;
    private double negativeSimilarities;
    private double potentials;
    private long effectiveRows;
    private double effectiveNegatives;

    /** A row whose positive has this many negatives more similar than itself. */
    public void rank(long moreSimilar, int k) {
        ranked++;
        top1 += moreSimilar == 0 ? 1 : 0;
        topK += moreSimilar < k ? 1 : 0;
    }

    /** A row and its positive: their similarity and their unit vectors' squared distance. */
    public void positive(double similarity, double squaredDistance) {
        positives++;
        positiveSimilarities += similarity;
        squaredDistances += squaredDistance;
    }

    /** A row and a negative: their similarity and their unit vectors' squared distance. */
    void negative(double similarity, double squaredDistance) {
        negatives++;
        negativeSimilarities += similarity;
        potentials += potential(squaredDistance);
    }

    /** Negatives: how many, the sum of their similarities and the sum of their potentials. */
    public void negatives(long count, double similarities, double potentialSum) {
        negatives += count;
        negativeSimilarities += similarities;
        potentials += potentialSum;
    }

    /** A row's exp(entropy); NaN counts as none. */
    public void effectiveNegatives(double effective) {
        if (!Double.isNaN(effective)) {
            effectiveRows++;
            effectiveNegatives += effective;
        }
    }

    /** The Gaussian potential whose mean's logarithm is the uniformity (2005.10242 eq. 2, t = 2). */
    static double potential(double squaredDistance) {
        return Math.exp(-2.0 * squaredDistance);
    }

    void add(Tally other) {
        ranked += other.ranked;
        top1 += other.top1;
        topK += other.topK;
        positives += other.positives;
        positiveSimilarities += other.positiveSimilarities;
        squaredDistances += other.squaredDistances;
        negatives += other.negatives;
        negativeSimilarities += other.negativeSimilarities;
        potentials += other.potentials;
        effectiveRows += other.effectiveRows;
        effectiveNegatives += other.effectiveNegatives;
    }

    /** Means over empty sets are NaN. */
    public Metrics metrics(long rows, long zeroRows) {
        return new Metrics(
                mean(top1, ranked),
                mean(topK, ranked),
                mean(positiveSimilarities, positives),
                mean(negativeSimilarities, negatives),
                mean(squaredDistances, positives),
                Math.log(mean(potentials, negatives)),
                mean(effectiveNegatives, effectiveRows),
                rows,
                zeroRows,
                0);
    }

    private static double mean(double sum, long count) {
        return count == 0 ? Double.NaN : sum / count;
    }
}
