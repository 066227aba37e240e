package dev.infonce.internal.java.tiled;

import dev.infonce.internal.java.Pairing;
import dev.infonce.internal.java.vector.Tiles;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.function.Consumer;

/** The memory of one call at a time, kept from call to call. Parts that a call does not need come with the first that does. */
public final class TileWorkspace {
    private static final long TILE_BYTES = (long) Tiles.SIDE * Tiles.SIDE * Float.BYTES;
    private static final int LEAST_PART_KEPT = 20; // less would take memory for nothing that could be noticed

    final TileLayout layout;
    final TileCuts cuts;
    final PackedRows x;
    final PackedRows y;

    /** The keys beside shared negatives, else null. */
    final PackedRows z;

    /** Of each row, by block. */
    final float[][] positive;

    /** Partial sums over negatives by row and group, and by column and group. */
    final double[][] rowValue;

    final double[][] rowMoment;
    final double[][] columnValue;
    final double[][] columnMoment;

    private final int keptTiles;
    private float[][] kept;
    private float[][][] xSums;
    private double[][] ySums;
    private final ConcurrentLinkedDeque<Scratch> scratches = new ConcurrentLinkedDeque<>();

    TileWorkspace(TileLayout layout, long budget) {
        this.layout = layout;
        this.cuts = new TileCuts(layout.xBlocks, layout.yBlocks, layout.dim);
        boolean tower = layout.isOneTower();
        this.x = new PackedRows(layout.xCount, layout.dim, true, tower);
        this.y = tower ? x : new PackedRows(layout.yCount, layout.dim, false, true);
        this.z = layout.zCount == 0 ? null : new PackedRows(layout.zCount, layout.dim, false, false);
        this.positive = new float[layout.xBlocks][Tiles.SIDE];
        this.rowValue = new double[cuts.yGroups][layout.xBlocks * Tiles.SIDE];
        this.rowMoment = new double[cuts.yGroups][layout.xBlocks * Tiles.SIDE];
        int columnGroups = layout.symmetric ? cuts.xGroups : 0;
        this.columnValue = new double[columnGroups][layout.yBlocks * Tiles.SIDE];
        this.columnMoment = new double[columnGroups][layout.yBlocks * Tiles.SIDE];
        this.keptTiles = keptTiles(layout, budget);
    }

    private static int keptTiles(TileLayout layout, long budget) {
        long all = (long) layout.xBlocks * layout.yBlocks;
        long fit = Math.min(Math.min(all, Integer.MAX_VALUE / 2), budget / TILE_BYTES);
        return fit < all / LEAST_PART_KEPT ? 0 : (int) fit;
    }

    /** Bytes of a workspace, as far as they grow with the shape or the budget. */
    static long bytes(TileLayout layout, long budget, boolean gradients) {
        TileCuts cuts = new TileCuts(layout.xBlocks, layout.yBlocks, layout.dim);
        long blockBytes = (long) PackedRows.rowElements(layout.dim) * Float.BYTES;
        long bytes = 3 * layout.xBlocks * blockBytes;
        bytes += layout.isOneTower() ? 0 : 2 * layout.yBlocks * blockBytes;
        bytes += TileLayout.blocks(layout.zCount) * blockBytes;
        if (gradients) {
            bytes += keptTiles(layout, budget) * TILE_BYTES;
            bytes += (long) cuts.sumGroups * cuts.strip * blockBytes;
            bytes += layout.isOneTower() ? 0 : 2 * layout.yBlocks * blockBytes;
        }
        return bytes;
    }

    /** The rows that hold the positives, whose indices are those of {@link Pairing#positive}. */
    PackedRows positives() {
        return z == null ? y : z;
    }

    int positiveOf(int row) {
        return layout.pairing.positive(row, layout.xCount);
    }

    /** The place where a tile's f is kept from the forward to the backward pass; null if it is not. */
    float[] kept(int xBlock, int yBlock) {
        long number = (long) xBlock * layout.yBlocks + yBlock;
        if (number >= keptTiles) {
            return null;
        }
        int index = (int) number;
        if (kept[index] == null) {
            kept[index] = tile();
        }
        return kept[index];
    }

    /** To be called before tiles are kept. */
    void prepareKept() {
        if (kept == null) {
            kept = new float[keptTiles][];
        }
    }

    /** To be called before sums are asked for; ofY: those of Y too. */
    void prepareSums(boolean ofY) {
        int elements = PackedRows.rowElements(layout.dim);
        if (xSums == null) {
            xSums = new float[cuts.sumGroups][Math.min(cuts.strip, layout.xBlocks)][elements];
        }
        if (ofY && ySums == null) {
            ySums = new double[layout.yBlocks][elements];
        }
    }

    /** Sums of X's gradient of a strip, by group of Y and block. */
    float[][][] xSums() {
        return xSums;
    }

    /** Sums of Y's gradient, by block. */
    double[][] ySums() {
        return ySums;
    }

    /** Runs a task with a scratch of its own. */
    void withScratch(Consumer<Scratch> task) {
        Scratch scratch = scratches.pollFirst();
        if (scratch == null) {
            scratch = new Scratch();
        }
        task.accept(scratch);
        scratches.addFirst(scratch);
    }

    private static float[] tile() {
        return new float[Tiles.SIDE * Tiles.SIDE];
    }

    /** What one task works in: three tiles, and sums of one. */
    static final class Scratch {
        final float[] similarities = tile();
        final float[] f = tile();
        final float[] values = tile();
        final Tiles.RowSums rows = new Tiles.RowSums();
        final Tiles.ColumnSums columns = new Tiles.ColumnSums();
        final Tiles.MetricSums metrics = new Tiles.MetricSums();
        private float[] sums;

        /** Sums of a block's gradient. */
        float[] sums(int dim) {
            if (sums == null) {
                sums = new float[PackedRows.rowElements(dim)];
            }
            return sums;
        }
    }
}
