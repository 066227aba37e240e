package dev.infonce.internal.java.mined;

import java.util.Arrays;

/** Distances in rising order, counted and summed up to any bound. */
final class SortedDistances {
    private final double[] sorted;
    private final double[] sums; // of the first k
    private int size;

    SortedDistances(int most) {
        this.sorted = new double[most];
        this.sums = new double[most + 1];
    }

    static long bytesPerRow() {
        return 2 * Double.BYTES;
    }

    /** Those of some rows, each with shift added. */
    void take(RowList rows, double[] distances, double shift) {
        size = rows.size();
        for (int k = 0; k < size; k++) {
            sorted[k] = distances[rows.row(k)] + shift;
        }
        Arrays.sort(sorted, 0, size);
    }

    /** Makes the sums. */
    void sum() {
        for (int k = 0; k < size; k++) {
            sums[k + 1] = sums[k] + sorted[k];
        }
    }

    /** The sum of the k least, after {@link #sum}. */
    double sumOfFirst(int k) {
        return sums[k];
    }

    /** How many are less than a bound. */
    int countBelow(double bound) {
        int from = 0;
        int to = size;
        while (from < to) {
            int middle = (from + to) >>> 1;
            if (sorted[middle] < bound) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        return from;
    }

    /** How many are not more than a bound. */
    int countUpTo(double bound) {
        return countBelow(Math.nextUp(bound));
    }
}
