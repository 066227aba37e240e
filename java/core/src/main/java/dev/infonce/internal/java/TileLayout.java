package dev.infonce.internal.java;

import dev.infonce.internal.java.vector.Tiles;

/** What a tiled loss computes, told as blocks of rows X, columns Y and the positive of each row. */
final class TileLayout {
    final Pairing pairing;
    final boolean symmetric;
    final boolean logistic;
    final boolean cosine;
    final int dim;

    /** Rows of X, and of Y. */
    final int xCount;

    final int yCount;
    final int xBlocks;
    final int yBlocks;

    /** What a negative's term counts in its row. */
    final double share;

    TileLayout(
            Pairing pairing,
            boolean symmetric,
            boolean logistic,
            boolean cosine,
            int dim,
            int xCount,
            int yCount,
            double share) {
        this.pairing = pairing;
        this.symmetric = symmetric;
        this.logistic = logistic;
        this.cosine = cosine;
        this.dim = dim;
        this.xCount = xCount;
        this.yCount = yCount;
        this.xBlocks = blocks(xCount);
        this.yBlocks = blocks(yCount);
        this.share = share;
    }

    /** Whether X and Y are the same rows. */
    boolean isOneTower() {
        return pairing == Pairing.TWO_VIEWS;
    }

    /** Negatives of each row. */
    long negatives() {
        return switch (pairing) {
            case DIAGONAL -> yCount - 1L;
            case TWO_VIEWS -> yCount - 2L;
            case APART -> yCount;
        };
    }

    static int blocks(int rows) {
        return (rows + Tiles.SIDE - 1) / Tiles.SIDE;
    }

    /** Rows of a block of so many rows in all. */
    static int height(int block, int rows) {
        return Math.min(Tiles.SIDE, rows - block * Tiles.SIDE);
    }

    /** Whether a tile has elements that are no negatives, or lanes beyond X. */
    boolean isMasked(int x, int y) {
        if (height(x, xCount) < Tiles.SIDE) {
            return true;
        }
        return switch (pairing) {
            case APART -> false;
            case DIAGONAL -> x == y;
            case TWO_VIEWS -> overlaps(x, y, 0) || overlaps(x, y, xCount / 2) || overlaps(x, y, -xCount / 2);
        };
    }

    private boolean overlaps(int x, int y, int shift) {
        int distance = y * Tiles.SIDE + shift - x * Tiles.SIDE;
        return Math.abs(distance) < Tiles.SIDE;
    }

    /** Makes a tile's elements 0 that are no negatives, and lanes beyond X. */
    void clearMasked(int x, int y, float[] tile) {
        int width = height(x, xCount);
        for (int j = 0; j < height(y, yCount); j++) {
            for (int i = width; i < Tiles.SIDE; i++) {
                tile[j * Tiles.SIDE + i] = 0f;
            }
            for (int row : pairing.excluded(y * Tiles.SIDE + j, yCount)) {
                int i = row - x * Tiles.SIDE;
                if (i >= 0 && i < width) {
                    tile[j * Tiles.SIDE + i] = 0f;
                }
            }
        }
    }

    /** Takes one off the count of each row whose positive is below 0, for every 0 that clearMasked puts in the row. */
    void uncountMasked(int x, int y, float[] positive, float[] above) {
        for (int j = 0; j < height(y, yCount); j++) {
            for (int row : pairing.excluded(y * Tiles.SIDE + j, yCount)) {
                int i = row - x * Tiles.SIDE;
                if (i >= 0 && i < Tiles.SIDE && positive[i] < 0f) {
                    above[i]--;
                }
            }
        }
    }
}
