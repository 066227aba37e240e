package dev.infonce.internal.java;

import dev.infonce.Metrics;

/** Sums for the metrics over some rows; strips of rows have their own, which are added in the order of strips. */
public final class Tally {
    private long ranked;
    private double top1;
    private double topK;
    private long positives;
    private double positiveSimilarities;
    private double squaredDistances;
    private long negatives;
    private double negativeSimilarities;
    private double potentials;
    private long effectiveRows;
    private double effectiveNegatives;
    private long rowsWithoutPositives;
    private long rowsWithoutNegatives;

    /** Between what numbers similarities lie. */
    public record Range(double least, double most) {
        /** Any number. */
        public static final Range ALL = new Range(Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY);
    }

    private static final double LARGEST_SQUARED_UNIT_DISTANCE = 4.0;

    /** A row whose positive has so many negatives more similar than itself, and so many just as similar. */
    public void rank(long moreSimilar, long asSimilar, int k) {
        ranked++;
        top1 += credit(moreSimilar, asSimilar, 1);
        topK += credit(moreSimilar, asSimilar, k);
    }

    /** The chance that the positive is among the first k if ties are broken at random. */
    private static double credit(long moreSimilar, long asSimilar, int k) {
        return Math.clamp((double) (k - moreSimilar) / (1.0 + asSimilar), 0.0, 1.0);
    }

    /** A row and its positive: their similarity and their unit vectors' squared distance; of several, the mean and NaN. */
    public void positive(double similarity, double squaredDistance) {
        positives++;
        positiveSimilarities += similarity;
        squaredDistances += squaredDistance;
    }

    /** A row and a negative: their similarity and their unit vectors' squared distance. */
    public void negative(double similarity, double squaredDistance) {
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

    /** A row's exp(entropy) over so many negatives; NaN counts as none. */
    public void effectiveNegatives(double effective, long count) {
        if (!Double.isNaN(effective)) {
            effectiveRows++;
            effectiveNegatives += Math.clamp(effective, 1.0, (double) count);
        }
    }

    /** How many positives and negatives a row has. */
    public void row(long positivesOfRow, long negativesOfRow) {
        rowsWithoutPositives += positivesOfRow == 0 ? 1 : 0;
        rowsWithoutNegatives += negativesOfRow == 0 ? 1 : 0;
    }

    /** The Gaussian potential whose mean's logarithm is the uniformity (2005.10242 eq. 2, t = 2). */
    static double potential(double squaredDistance) {
        return Math.exp(-2.0 * squaredDistance);
    }

    /** Adds the sums of other rows. */
    public void add(Tally other) {
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
        rowsWithoutPositives += other.rowsWithoutPositives;
        rowsWithoutNegatives += other.rowsWithoutNegatives;
    }

    /** Means over empty sets are NaN. What roundings may have put out of its range is put back. */
    public Metrics metrics(long rows, long zeroRows, Range similarities) {
        return new Metrics(
                mean(top1, ranked),
                mean(topK, ranked),
                Math.clamp(mean(positiveSimilarities, positives), similarities.least, similarities.most),
                Math.clamp(mean(negativeSimilarities, negatives), similarities.least, similarities.most),
                Math.clamp(mean(squaredDistances, positives), 0.0, LARGEST_SQUARED_UNIT_DISTANCE),
                Math.clamp(Math.log(mean(potentials, negatives)), -2.0 * LARGEST_SQUARED_UNIT_DISTANCE, 0.0),
                mean(effectiveNegatives, effectiveRows),
                rows,
                zeroRows,
                0,
                rowsWithoutPositives,
                rowsWithoutNegatives);
    }

    private static double mean(double sum, long count) {
        return count == 0 ? Double.NaN : sum / count;
    }
}
