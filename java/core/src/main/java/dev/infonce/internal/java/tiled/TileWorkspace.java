package dev.infonce.internal.java.tiled;

import dev.infonce.Block;
import dev.infonce.internal.java.ColumnStrips;
import dev.infonce.internal.java.Pairing;
import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.function.Consumer;

/** The memory of one call at a time, kept from call to call. Parts that a call does not need come with the first that does. */
public final class TileWorkspace {
    private static final long TILE_BYTES = (long) Tiles.SIDE * Tiles.SIDE * Float.BYTES;
    private static final int LEAST_PART_KEPT = 20; // less would take memory for nothing that could be noticed

    /** Beyond all similarities. */
    static final float LARGEST_LIMIT = Float.MAX_VALUE / 2;

    /** That of the first strip. */
    final TileLayout layout;

    final PackedRows x;
    final PackedRows y;

    /** Positives that are not in y, or not all the time; else null. */
    final PackedRows z;

    /** Of each row, by block. */
    final float[][] positive;

    /** The largest similarities that negatives of each row, by block, may have; null where they may have any. */
    final float[][] limits;

    /** The most groups of Y that any strip has in its forward pass. */
    final int mostGroups;

    /** Partial sums over a strip's negatives by row and group, and by column and group. */
    final double[][] rowValue;

    final double[][] rowMoment;
    final double[][] rowSigmoids; // null where no bias wants them
    final double[][] columnValue;
    final double[][] columnMoment;

    /** Partial sums over positives by labels, by row and group; null where each row has one. */
    final double[][] positiveValue;

    final double[][] positiveMoment;

    /** Sums over all negatives so far. */
    final double[] value;

    final double[] moment;
    final double[] sigmoids; // null likewise
    final double[] allPositiveValue; // null likewise
    final double[] allPositiveMoment;

    private final ColumnStrips columns;
    private final Strip[] strips; // the first, those between, the last, and for rows among themselves
    private final int keptTiles;
    private float[][] kept;
    private boolean[] keptSimilarities;
    private float[][][] xSums;
    private double[][] xTotals;
    private double[][] keyTotals;
    private double[][] ySums;
    private final ConcurrentLinkedDeque<Scratch> scratches = new ConcurrentLinkedDeque<>();

    /**
     * A strip of columns, as large as the first but for the last.
     *
     * @param firstTile the number of its first tile
     */
    record Strip(TileLayout layout, TileCuts cuts, long firstTile) {}

    TileWorkspace(TileLayout layout, ColumnStrips columns, long budget) {
        this.layout = layout;
        this.columns = columns;
        this.strips = strips(layout, columns);
        boolean tower = layout.isOneTower();
        boolean amongQueries = layout.blocks.contains(Block.QUERY_QUERY);
        boolean amongKeys = layout.blocks.contains(Block.KEY_KEY);
        boolean apart = layout.zCount > 0;
        this.x = new PackedRows(layout.xCount, layout.dim, true, tower || amongQueries);
        this.y = tower ? x : new PackedRows(layout.yCount, layout.dim, amongKeys && !apart, true);
        this.z = apart ? new PackedRows(layout.zCount, layout.dim, amongKeys, amongKeys) : null;
        this.positive = new float[layout.xBlocks][Tiles.SIDE];
        this.limits = layout.limited ? limits(layout.xBlocks) : null;
        int groups = 0;
        for (Strip strip : strips) {
            groups = Math.max(groups, strip.cuts.yGroups);
        }
        this.mostGroups = groups;
        int rows = layout.xBlocks * Tiles.SIDE;
        this.rowValue = new double[groups][rows];
        this.rowMoment = new double[groups][rows];
        this.rowSigmoids = layout.biased ? new double[groups][rows] : null;
        this.value = new double[rows];
        this.moment = new double[rows];
        this.sigmoids = layout.biased ? new double[rows] : null;
        boolean several = !layout.pairing.hasOnePositive();
        this.positiveValue = several ? new double[groups][rows] : null;
        this.positiveMoment = several ? new double[groups][rows] : null;
        this.allPositiveValue = several ? new double[rows] : null;
        this.allPositiveMoment = several ? new double[rows] : null;
        int columnGroups = layout.summedColumns > 0 ? strips[0].cuts.xGroups : 0;
        this.columnValue = new double[columnGroups][layout.summedColumns * Tiles.SIDE];
        this.columnMoment = new double[columnGroups][layout.summedColumns * Tiles.SIDE];
        this.keptTiles = keptTiles(layout, columns, budget);
    }

    /** Where the last block has no rows nothing is above, as a column there may be one that has no loss. */
    private static float[][] limits(int blocks) {
        float[][] limits = new float[blocks][Tiles.SIDE];
        for (float[] block : limits) {
            Arrays.fill(block, LARGEST_LIMIT);
        }
        return limits;
    }

    private static Strip[] strips(TileLayout layout, ColumnStrips columns) {
        int last = columns.count() - 1;
        TileLayout between = last > 1 ? layout.later(columns.count(1)) : layout;
        TileLayout ofLast = last > 0 ? layout.later(columns.count(last)) : layout;
        TileLayout amongRows = layout.blocks.isEmpty() ? layout : layout.amongRows();
        return new Strip[] {
            new Strip(layout, cuts(layout), 0),
            new Strip(between, cuts(between), 0),
            new Strip(ofLast, cuts(ofLast), 0),
            new Strip(amongRows, cuts(amongRows), 0)
        };
    }

    private static TileCuts cuts(TileLayout layout) {
        return new TileCuts(layout.xBlocks, layout.yBlocks, layout.dim);
    }

    /** A strip by its number. */
    Strip strip(int number) {
        Strip strip = strips[number == 0 ? 0 : number < columns.count() - 1 ? 1 : 2];
        return new Strip(strip.layout, strip.cuts, (long) number * layout.xBlocks * layout.yBlocks);
    }

    /** That of a block of rows among themselves, whose tiles come after all others. */
    Strip strip(Block block) {
        Strip strip = strips[3];
        long before = layout.blocksAmongRows.indexOf(block);
        return new Strip(strip.layout, strip.cuts, tiles(layout, columns) + before * layout.xBlocks * layout.xBlocks);
    }

    /** Tiles of rows and columns. */
    private static long tiles(TileLayout layout, ColumnStrips columns) {
        return layout.xBlocks * ((columns.columns() + Tiles.SIDE - 1) / Tiles.SIDE);
    }

    private static int keptTiles(TileLayout layout, ColumnStrips columns, long budget) {
        long all = tiles(layout, columns) + (long) layout.blocksAmongRows.size() * layout.xBlocks * layout.xBlocks;
        long fit = Math.min(Math.min(all, Integer.MAX_VALUE / 2), budget / TILE_BYTES);
        return fit < all / LEAST_PART_KEPT ? 0 : (int) fit;
    }

    /** Bytes of a workspace, as far as they grow with the shape or the budget. */
    static long bytes(TileLayout layout, ColumnStrips columns, long budget, boolean gradients) {
        TileCuts cuts = cuts(layout);
        long blockBytes = blockBytes(layout.dim);
        long bytes = 3 * layout.xBlocks * blockBytes;
        bytes += layout.isOneTower() ? 0 : 2 * layout.yBlocks * blockBytes;
        bytes += TileLayout.blocks(layout.zCount) * blockBytes;
        bytes += layout.blocks.contains(Block.QUERY_QUERY) ? layout.xBlocks * blockBytes : 0;
        if (layout.blocks.contains(Block.KEY_KEY)) {
            bytes += (layout.zCount > 0 ? 2L * layout.xBlocks : layout.yBlocks) * blockBytes;
        }
        if (gradients) {
            bytes += keptTiles(layout, columns, budget) * TILE_BYTES;
            bytes += (long) cuts.sumGroups * cuts.strip * blockBytes;
            bytes += layout.isOneTower() ? 0 : 2 * layout.yBlocks * blockBytes;
            bytes += columns.areMany() || layout.addsToTotals() ? 2 * layout.xBlocks * blockBytes : 0;
            bytes += layout.blocks.contains(Block.KEY_KEY) ? 2 * layout.xBlocks * blockBytes : 0;
        }
        return bytes;
    }

    /** Bytes of a block in the layout of rows. */
    static long blockBytes(int dim) {
        return (long) PackedRows.rowElements(dim) * Float.BYTES;
    }

    /** Adds the sums of groups, in their order. */
    static void addGroups(double[][] groups, int count, double[] to) {
        for (int group = 0; group < count; group++) {
            for (int i = 0; i < to.length; i++) {
                to[i] += groups[group][i];
            }
        }
    }

    /** To be called before the first strip. */
    void clearRowSums() {
        Arrays.fill(value, 0.0);
        Arrays.fill(moment, 0.0);
        if (sigmoids != null) {
            Arrays.fill(sigmoids, 0.0);
        }
        if (positiveValue != null) {
            Arrays.fill(allPositiveValue, 0.0);
            Arrays.fill(allPositiveMoment, 0.0);
        }
    }

    /** Adds those of a strip's groups. */
    void addRowSums(int groups) {
        addGroups(rowValue, groups, value);
        addGroups(rowMoment, groups, moment);
        if (sigmoids != null) {
            addGroups(rowSigmoids, groups, sigmoids);
        }
        if (positiveValue != null) {
            addGroups(positiveValue, groups, allPositiveValue);
            addGroups(positiveMoment, groups, allPositiveMoment);
        }
    }

    /** Adds those of columns that are in the sums of rows. */
    void addColumnSums(int groups) {
        addGroups(columnValue, groups, value);
        addGroups(columnMoment, groups, moment);
    }

    /** The rows that hold the positives, whose indices are those of {@link Pairing#positive}. */
    PackedRows positives() {
        return z == null ? y : z;
    }

    int positiveOf(int row) {
        return layout.pairing.positive(row, layout.xCount);
    }

    /** The place of a tile that is kept; null if it is not. */
    float[] kept(long number) {
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
            keptSimilarities = new boolean[layout.limited ? keptTiles : 0];
        }
    }

    /** Whether a tile that is kept holds similarities in place of f. */
    boolean isKeptAsSimilarities(long number) {
        return layout.limited && keptSimilarities[(int) number];
    }

    void keepAsSimilarities(long number, boolean similarities) {
        keptSimilarities[(int) number] = similarities;
    }

    /** To be called before sums are asked for; ofY: those of Y too. */
    void prepareSums(boolean ofY) {
        int elements = PackedRows.rowElements(layout.dim);
        if (xSums == null) {
            int groups = 0;
            int length = 0;
            for (Strip strip : strips) {
                groups = Math.max(groups, strip.cuts.sumGroups);
                length = Math.max(length, Math.min(strip.cuts.strip, layout.xBlocks));
            }
            xSums = new float[groups][length][elements];
        }
        if (ofY && ySums == null) {
            ySums = new double[layout.yBlocks][elements];
        }
    }

    /** To be called before the first of many strips, blocks or own negatives goes backward. */
    void clearTotals() {
        xTotals = cleared(xTotals);
        if (layout.blocks.contains(Block.KEY_KEY)) {
            keyTotals = cleared(keyTotals);
        }
    }

    private double[][] cleared(double[][] totals) {
        if (totals == null) {
            return new double[layout.xBlocks][PackedRows.rowElements(layout.dim)];
        }
        for (double[] block : totals) {
            Arrays.fill(block, 0.0);
        }
        return totals;
    }

    /** Sums of X's gradient over strips, blocks and own negatives, by block of rows. */
    double[][] xTotals() {
        return xTotals;
    }

    /** Sums of the gradient of keys that are positives as far as it comes from each other; null if it does not. */
    double[][] keyTotals() {
        return keyTotals;
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
        final Tiles.RowSums positives = new Tiles.RowSums();
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
