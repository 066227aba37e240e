package dev.infonce.internal.java.tiled;

import dev.infonce.internal.java.vector.Tiles;

/** How tiles are shared out to tasks. From the shape alone, so that results depend neither on threads nor on memory. */
final class TileCuts {
    private static final int BLOCKS_A_GROUP = 3; // at least about so many, as each group ends in sums of columns
    private static final int MOST_X_GROUPS = 16;
    private static final int MOST_Y_GROUPS = 8;
    private static final int WANTED_TASKS = 64;
    private static final long CACHED_BYTES = 512L << 10; // blocks of X that share the second-level cache with Y's
    private static final int MOST_CACHED = 8;

    // Backward: each group of Y has its own sums for a strip of X, which are added up after it. Few groups make that
    // cheap, many use many cores; a long strip fetches the sums of Y rarely.
    private static final int SMALL_GROUPS = 8;
    private static final int MOST_GROUPS = 32;
    private static final long STRIP_BYTES = 32L << 20;
    private static final int LONGEST_STRIP = 43;

    /** Groups of blocks of X and of Y in the forward pass. */
    final int xGroups;

    final int yGroups;

    /** Blocks of X that stay in cache while Y passes. */
    final int cached;

    /** Groups of Y in the backward pass. */
    final int sumGroups;

    /** Blocks of X in a strip of the backward pass. */
    final int strip;

    TileCuts(int xBlocks, int yBlocks, int dim) {
        int most = Math.max(1, ceil(xBlocks, BLOCKS_A_GROUP));
        int x = Math.min(most, MOST_X_GROUPS);
        this.yGroups = Math.min(yBlocks, Math.max(MOST_Y_GROUPS, WANTED_TASKS / x));
        this.xGroups = Math.min(most, Math.max(x, WANTED_TASKS / Math.max(1, yGroups)));
        long blockBytes = (long) PackedRows.rowElements(dim) * Float.BYTES;
        this.cached = (int) Math.clamp(CACHED_BYTES / ((long) Tiles.SIDE * dim * Float.BYTES), 1L, MOST_CACHED);

        int groups = powerOfTwo(ceil(yBlocks, 3));
        if (groups > SMALL_GROUPS) {
            groups = Math.clamp(powerOfTwo(ceil(yBlocks, 6)), SMALL_GROUPS, MOST_GROUPS);
        }
        groups = Math.min(groups, Math.max(1, yBlocks));
        this.sumGroups = (int) Math.clamp(STRIP_BYTES / blockBytes, 1L, groups);
        int longest = (int) Math.clamp(STRIP_BYTES / (sumGroups * blockBytes), 1L, LONGEST_STRIP);
        int strips = Math.max(1, ceil(xBlocks, longest));
        this.strip = Math.max(1, ceil(xBlocks, strips));
    }

    /** Where the part-th of so many parts begins. */
    static int begin(int count, int part, int parts) {
        return (int) ((long) count * part / parts);
    }

    private static int ceil(int value, int unit) {
        return (value + unit - 1) / unit;
    }

    private static int powerOfTwo(int atLeast) {
        return Integer.highestOneBit(Math.max(1, 2 * atLeast - 1));
    }
}
