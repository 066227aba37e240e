package dev.infonce.internal.java.mined;

/** Numbers of rows in rising order. */
final class RowList {
    private final int[] rows;
    private int size;

    RowList(int most) {
        this.rows = new int[most];
    }

    void clear() {
        size = 0;
    }

    void add(int row) {
        rows[size++] = row;
    }

    int size() {
        return size;
    }

    boolean isEmpty() {
        return size == 0;
    }

    int row(int k) {
        return rows[k];
    }

    /** The row with the least distance, the first of several; there must be one. */
    int nearest(double[] distances) {
        int best = rows[0];
        for (int k = 1; k < size; k++) {
            best = distances[rows[k]] < distances[best] ? rows[k] : best;
        }
        return best;
    }

    /** The row with the largest distance, the first of several; there must be one. */
    int farthest(double[] distances) {
        int best = rows[0];
        for (int k = 1; k < size; k++) {
            best = distances[rows[k]] > distances[best] ? rows[k] : best;
        }
        return best;
    }
}
