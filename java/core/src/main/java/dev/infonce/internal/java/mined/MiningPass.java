package dev.infonce.internal.java.mined;

import dev.infonce.internal.java.Reducer;
import dev.infonce.internal.java.Tally;
import dev.infonce.internal.java.TowerDistances;
import dev.infonce.internal.java.Workers;
import java.util.Arrays;
import java.util.function.Supplier;

/** One call: a strip of anchors after the other, by the same buffers. */
final class MiningPass {
    /** Rows whose gradient one thread adds to at a time. */
    private static final int TARGETS = 64;

    final double[] losses;
    final double[] counts;

    /** Null if nobody wants it. Means are yet to be divided. */
    final TowerDistances.Gradient gradient;

    private final TowerDistances tower;
    private final double origin;
    private final AnchorStrips strips;
    private final int topK;
    private final boolean[] overflows;
    private final double[][] distances; // of the anchors of a strip
    private final double[][] slopes;
    private final AnchorLoss[] ofGroups; // of a strip
    private final Tally[] tallies;

    /** origin less a distance is what metrics call a similarity; one of ofGroup for each group of a strip. */
    MiningPass(
            TowerDistances tower,
            Supplier<AnchorLoss> ofGroup,
            double origin,
            AnchorStrips strips,
            boolean gradients,
            int topK) {
        int n = tower.count();
        this.tower = tower;
        this.origin = origin;
        this.strips = strips;
        this.topK = topK;
        this.losses = new double[n];
        this.counts = new double[n];
        this.overflows = new boolean[n];
        this.gradient = gradients ? tower.gradient() : null;
        this.distances = new double[strips.length()][n];
        this.slopes = gradients ? new double[strips.length()][n] : null;
        this.ofGroups = new AnchorLoss[strips.groups()];
        this.tallies = new Tally[strips.groups()];
        for (int group = 0; group < ofGroups.length; group++) {
            ofGroups[group] = ofGroup.get();
            tallies[group] = new Tally();
        }
    }

    /** Finds the losses of a strip, and adds to the gradient what comes of them. */
    void run(Workers workers, int strip, Reducer reducer) {
        int first = strips.first(strip);
        int end = strips.end(strip);
        int groups = Math.ceilDiv(end - first, AnchorStrips.GROUP);
        workers.run(groups, group -> {
            int begin = first + group * AnchorStrips.GROUP;
            for (int anchor = begin; anchor < Math.min(end, begin + AnchorStrips.GROUP); anchor++) {
                take(anchor, first, group, reducer.scaleBeforeMean(anchor));
            }
        });
        if (gradient != null) {
            workers.run(end - first, k -> addAnchor(first + k, slopes[k], distances[k]));
            workers.run(Math.ceilDiv(tower.count(), TARGETS), task -> addOthers(task, first, end));
        }
    }

    private void take(int anchor, int first, int group, double scale) {
        double[] ofAnchor = distances[anchor - first];
        double[] slopesOfAnchor = slopes == null ? null : slopes[anchor - first];
        if (slopesOfAnchor != null) {
            Arrays.fill(slopesOfAnchor, 0.0);
        }
        AnchorLoss ofGroup = ofGroups[group];
        if (!ofGroup.isAnchor(anchor)) {
            counts[anchor] = ofGroup.countOfOthers();
            tallies[group].row(0, 0);
            return;
        }
        tower.distances(anchor, ofAnchor, 0);
        ofGroup.take(anchor, ofAnchor, slopesOfAnchor, scale);
        losses[anchor] = ofGroup.loss;
        counts[anchor] = ofGroup.count;
        overflows[anchor] = !Double.isFinite(ofGroup.loss) || !areFinite(ofAnchor);
        if (topK > 0) {
            tally(anchor, ofAnchor, ofGroup.positives, ofGroup.negatives, tallies[group]);
        }
    }

    private static boolean areFinite(double[] numbers) {
        double zero = 0.0;
        for (double number : numbers) {
            zero += number * 0.0; // NaN for NaN and infinities
        }
        return zero == 0.0;
    }

    private void addAnchor(int anchor, double[] slopesOfAnchor, double[] ofAnchor) {
        for (int row = 0; row < slopesOfAnchor.length; row++) {
            if (slopesOfAnchor[row] != 0.0) {
                gradient.add(anchor, row, slopesOfAnchor[row], ofAnchor[row]);
            }
        }
    }

    private void addOthers(int task, int first, int end) {
        for (int row = task * TARGETS; row < Math.min(tower.count(), (task + 1) * TARGETS); row++) {
            for (int anchor = first; anchor < end; anchor++) {
                double slope = slopes[anchor - first][row];
                if (slope != 0.0) {
                    gradient.add(row, anchor, slope, distances[anchor - first][row]);
                }
            }
        }
    }

    /** All pairs of an anchor, mined or not; its rank is that of its nearest positive among the negatives. */
    private void tally(int anchor, double[] ofAnchor, RowList positives, RowList negatives, Tally tally) {
        tally.row(positives.size(), negatives.size());
        for (int k = 0; k < positives.size(); k++) {
            int row = positives.row(k);
            tally.positive(similarity(ofAnchor[row]), tower.unitSquaredDistance(anchor, row));
        }
        double nearest = positives.isEmpty() ? Double.NaN : ofAnchor[positives.nearest(ofAnchor)];
        long nearer = 0;
        long asNear = 0;
        for (int k = 0; k < negatives.size(); k++) {
            int row = negatives.row(k);
            tally.negative(similarity(ofAnchor[row]), tower.unitSquaredDistance(anchor, row));
            nearer += ofAnchor[row] < nearest ? 1 : 0;
            asNear += ofAnchor[row] == nearest ? 1 : 0;
        }
        if (!positives.isEmpty() && !negatives.isEmpty()) {
            tally.rank(nearer, asNear, topK);
        }
    }

    /** What metrics call it. */
    private double similarity(double distance) {
        return origin - distance;
    }

    /** NON_FINITE for the first anchor with a distance or a loss beyond float64. */
    void refuseOverflow() {
        for (int row = 0; row < overflows.length; row++) {
            if (overflows[row]) {
                throw tower.overflow(row);
            }
        }
    }

    /** The sums of all anchors. */
    Tally tally() {
        Tally tally = new Tally();
        for (Tally part : tallies) {
            tally.add(part);
        }
        return tally;
    }
}
