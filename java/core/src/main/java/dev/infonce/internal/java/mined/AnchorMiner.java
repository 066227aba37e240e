package dev.infonce.internal.java.mined;

import dev.infonce.Mining;
import dev.infonce.internal.java.row.RowFunction;
import java.util.Arrays;

/**
 * The triplets of one anchor at a time, from its distances to all rows: their loss, how many they are, and the slopes of the loss
 * by the distances. Everything is found without looking at pairs of other rows, but for all triplets with a soft margin, whose
 * sum does not come apart. Not for several threads at once: it has buffers.
 */
final class AnchorMiner extends AnchorLoss {
    private static final int NO_ROW = -1;

    private final Mining mining;
    private final RowFunction.OfDistances function;
    private final double margin;
    private final SortedDistances sorted; // for minings that sort
    private final int[] nearestAbove;

    private double[] distances;
    private double[] slopes;
    private double scale;

    AnchorMiner(Mining mining, RowFunction.OfDistances function, double margin, int[] labels) {
        super(labels);
        this.mining = mining;
        this.function = function;
        this.margin = margin;
        this.sorted = new SortedDistances(labels.length);
        this.nearestAbove = new int[labels.length + 1];
    }

    /** The bytes that the buffers take for each row that there is. */
    static long bytesPerRow() {
        return AnchorLoss.bytesPerRow() + SortedDistances.bytesPerRow() + Integer.BYTES;
    }

    @Override
    double countOfOthers() {
        return 0.0;
    }

    @Override
    void take(double[] newDistances, double[] newSlopes, double newScale) {
        distances = newDistances;
        slopes = newSlopes;
        scale = newScale;
        if (positives.isEmpty() || negatives.isEmpty()) {
            return;
        }
        switch (mining) {
            case NONE -> throw new IllegalStateException("nothing is mined");
            case BATCH_ALL -> all();
            case BATCH_HARD -> only(positives.farthest(distances), negatives.nearest(distances));
            case SEMI_HARD -> semiHard();
            case EASY_POSITIVE -> only(positives.nearest(distances), negatives.nearest(distances));
            case BATCH_EASY -> only(positives.nearest(distances), negatives.farthest(distances));
        }
    }

    private void only(int positive, int negative) {
        count = 1.0;
        addTriplet(positive, negative);
    }

    private void addTriplet(int positive, int negative) {
        double toPositive = distances[positive];
        double toNegative = distances[negative];
        loss += function.loss(toPositive, toNegative, margin);
        addSlope(positive, function.positiveSlope(toPositive, toNegative, margin));
        addSlope(negative, function.negativeSlope(toPositive, toNegative, margin));
    }

    private void addSlope(int row, double slope) {
        if (slopes != null) {
            slopes[row] += scale * slope;
        }
    }

    /**
     * A negative is farther than the positives of the ranks below its own; of the negatives of one rank only the nearest can be
     * taken, and of ranks above a positive's the nearest of all.
     */
    private void semiHard() {
        sorted.take(positives, distances, 0.0);
        int ranks = positives.size();
        Arrays.fill(nearestAbove, 0, ranks + 1, NO_ROW);
        for (int k = 0; k < negatives.size(); k++) {
            int rank = sorted.countBelow(distances[negatives.row(k)]);
            nearestAbove[rank] = nearer(nearestAbove[rank], negatives.row(k));
        }
        for (int rank = ranks - 1; rank >= 0; rank--) {
            nearestAbove[rank] = nearer(nearestAbove[rank], nearestAbove[rank + 1]);
        }
        int farthest = negatives.farthest(distances);
        for (int k = 0; k < positives.size(); k++) {
            int negative = nearestAbove[sorted.countUpTo(distances[positives.row(k)])];
            addTriplet(positives.row(k), negative == NO_ROW ? farthest : negative);
        }
        count = positives.size();
    }

    /** The nearer of two rows, of the smaller index if they are as near; either may be missing. */
    private int nearer(int a, int b) {
        if (a == NO_ROW || b == NO_ROW) {
            return Math.max(a, b);
        }
        int first = Math.min(a, b);
        int second = Math.max(a, b);
        return distances[second] < distances[first] ? second : first;
    }

    private void all() {
        switch (function) {
            case TRIPLET -> allOfHinges();
            case SOFT_TRIPLET -> allOneByOne();
            case CONTRASTIVE -> throw new IllegalStateException(function + " has no triplets");
        }
    }

    /** A positive's triplets that cost something are those with the nearest negatives, as many as are within its margin. */
    private void allOfHinges() {
        sorted.take(negatives, distances, 0.0);
        sorted.sum();
        for (int k = 0; k < positives.size(); k++) {
            double bound = distances[positives.row(k)] + margin;
            int active = sorted.countBelow(bound);
            loss += Math.max(0.0, active * bound - sorted.sumOfFirst(active));
            count += active;
            addSlope(positives.row(k), active);
        }
        if (slopes != null) {
            sorted.take(positives, distances, margin);
            for (int k = 0; k < negatives.size(); k++) {
                int active = positives.size() - sorted.countUpTo(distances[negatives.row(k)]);
                addSlope(negatives.row(k), -active);
            }
        }
    }

    private void allOneByOne() {
        for (int k = 0; k < positives.size(); k++) {
            for (int i = 0; i < negatives.size(); i++) {
                addTriplet(positives.row(k), negatives.row(i));
            }
        }
        count = (double) positives.size() * negatives.size();
    }
}
