package dev.infonce.internal.java.mined;

/**
 * What one anchor at a time makes of its distances to all rows: its loss, how often it counts in a mean, and the slopes of the loss by
 * the distances. Not for several threads at once: it has buffers.
 */
abstract sealed class AnchorLoss permits AnchorMiner, AnchorPairs {
    final int[] labels;

    /** The rows of the anchor's label, but for itself. */
    final RowList positives;

    /** The rows of other labels, or of none. */
    final RowList negatives;

    /** Of the anchor. */
    double loss;

    /** How often the anchor counts in a mean. */
    double count;

    AnchorLoss(int... labels) {
        this.labels = labels;
        this.positives = new RowList(labels.length);
        this.negatives = new RowList(labels.length);
    }

    /** The bytes that the lists take for each row that there is. */
    static long bytesPerRow() {
        return 2 * Integer.BYTES;
    }

    /** Whether a row may have a loss: it has a label. */
    final boolean isAnchor(int row) {
        return labels[row] >= 0;
    }

    /** How often a row that is no anchor counts in a mean. */
    abstract double countOfOthers();

    /**
     * Finds the loss of an anchor.
     *
     * @param anchor a row that is one
     * @param distances from the anchor to every row
     * @param slopes where scale times the slopes by the distances are added, to zeros; null if nobody wants them
     */
    final void take(int anchor, double[] distances, double[] slopes, double scale) {
        loss = 0.0;
        count = 0.0;
        takeSides(anchor);
        take(distances, slopes, scale);
    }

    /** Of an anchor whose sides are known; loss and count are 0. */
    abstract void take(double[] distances, double[] slopes, double scale);

    private void takeSides(int anchor) {
        positives.clear();
        negatives.clear();
        for (int row = 0; row < labels.length; row++) {
            if (labels[row] != labels[anchor]) {
                negatives.add(row);
            } else if (row != anchor) {
                positives.add(row);
            }
        }
    }
}
