package dev.infonce.internal.java.tiled;

import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;

/** The forward pass: sums over the negatives of every row, and every column of a symmetric loss, from each tile once. */
final class TileForward {
    private final TileCall call;
    private final TileWorkspace space;
    private final TileLayout layout;
    private final TileCuts cuts;
    private final Tiles tiles;
    private final TileMetrics metrics;

    /** Where negatives that are in no metric are counted, of rows and of columns; null if they are not. */
    private final TileMetrics ofRows;

    private final TileMetrics ofColumns;

    /** Of rows and columns; metrics is null if nobody wants them. */
    TileForward(TileCall call, TileMetrics metrics) {
        this(call, metrics, null, call.layout().symmetric ? null : metrics);
    }

    /** Of rows among themselves. */
    static TileForward amongRows(TileCall call, TileMetrics metrics) {
        return new TileForward(call, null, metrics, null);
    }

    private TileForward(TileCall call, TileMetrics metrics, TileMetrics ofRows, TileMetrics ofColumns) {
        this.call = call;
        this.space = call.space();
        this.layout = call.layout();
        this.cuts = call.cuts();
        this.tiles = call.tiles();
        this.metrics = metrics;
        this.ofRows = ofRows;
        this.ofColumns = ofColumns;
    }

    /** All positives' similarities, or their means, before the first strip. */
    void findPositives() {
        if (call.classes() != null) {
            call.classes().findPositives(call.workers(), space);
            return;
        }
        call.workers().run(layout.xBlocks, this::findPositives);
    }

    void run() {
        if (call.keep()) {
            space.prepareKept();
        }
        if (metrics != null) {
            metrics.begin();
        }
        call.workers()
                .run(
                        cuts.xGroups * cuts.yGroups,
                        // Groups of Y outside, as in the backward pass: so who keeps a tile is mostly who takes it.
                        task -> space.withScratch(scratch -> group(task % cuts.xGroups, task / cuts.xGroups, scratch)));
        space.addRowSums(cuts.yGroups);
        if (!layout.symmetric && layout.summedColumns > 0) {
            space.addColumnSums(cuts.xGroups);
        }
        if (metrics != null) {
            metrics.end(call);
        }
    }

    private void findPositives(int block) {
        for (int i = 0; i < TileLayout.height(block, layout.xCount); i++) {
            int row = block * Tiles.SIDE + i;
            space.positive[block][i] = space.x.similarity(row, space.positives(), space.positiveOf(row));
            if (layout.limited) {
                space.limits[block][i] = roundedDown(call.rule().threshold().limit(space.positive[block][i]));
            }
        }
    }

    /** The same similarities are above it as above the limit. */
    private static float roundedDown(double limit) {
        float near = (float) limit;
        return Math.min(TileWorkspace.LARGEST_LIMIT, near > limit ? Math.nextDown(near) : near);
    }

    private void group(int xGroup, int yGroup, TileWorkspace.Scratch scratch) {
        int xBegin = TileCuts.begin(layout.xBlocks, xGroup, cuts.xGroups);
        int xEnd = TileCuts.begin(layout.xBlocks, xGroup + 1, cuts.xGroups);
        int yBegin = TileCuts.begin(layout.yBlocks, yGroup, cuts.yGroups);
        int yEnd = TileCuts.begin(layout.yBlocks, yGroup + 1, cuts.yGroups);
        clear(space.rowValue[yGroup], xBegin, xEnd);
        clear(space.rowMoment[yGroup], xBegin, xEnd);
        if (layout.biased) {
            clear(space.rowSigmoids[yGroup], xBegin, xEnd);
        }
        if (call.classes() != null) {
            clear(space.positiveValue[yGroup], xBegin, xEnd);
            clear(space.positiveMoment[yGroup], xBegin, xEnd);
        }
        if (metrics != null) {
            metrics.clear(yGroup, xBegin, xEnd);
        }
        int summedEnd = Math.min(yEnd, layout.summedColumns);
        if (yBegin < summedEnd) {
            clear(space.columnValue[xGroup], yBegin, summedEnd);
            clear(space.columnMoment[xGroup], yBegin, summedEnd);
        }
        for (int first = xBegin; first < xEnd; first += cuts.cached) {
            int end = Math.min(xEnd, first + cuts.cached);
            for (int y = yBegin; y < yEnd; y++) {
                if (layout.sumsColumns(y)) {
                    scratch.columns.clear();
                    scratch.columns.origin = call.origin(y);
                }
                for (int x = first; x < end; x++) {
                    tile(x, y, yGroup, scratch);
                }
                if (layout.sumsColumns(y)) {
                    scratch.columns.addTo(
                            TileLayout.height(y, layout.yCount),
                            space.columnValue[xGroup],
                            space.columnMoment[xGroup],
                            y * Tiles.SIDE);
                }
            }
        }
    }

    private static void clear(double[] sums, int beginBlock, int endBlock) {
        Arrays.fill(sums, beginBlock * Tiles.SIDE, endBlock * Tiles.SIDE, 0.0);
    }

    private void tile(int x, int y, int yGroup, TileWorkspace.Scratch scratch) {
        float[] kept = call.keep() ? call.kept(x, y) : null;
        float[] f = kept == null ? scratch.f : kept;
        int height = TileLayout.height(y, layout.yCount);
        scratch.rows.origin = call.origin(x);
        boolean classes = call.classesMeet(x, y);
        boolean masked = !classes && call.isMasked(x, y);
        if (classes) {
            classes(x, y, yGroup, f, scratch);
        } else if (layout.limited) {
            limited(x, y, masked, yGroup, kept, scratch);
        } else if (isOnePass(masked)) {
            call.similarities(x, y, f);
            onePass(x, y, yGroup, f, kept != null, scratch);
        } else {
            call.similarities(x, y, scratch.similarities);
            call.evaluate(x, y, masked, scratch.similarities, scratch.values, f);
            tiles.sumRows(call.summed(scratch.values, f), f, scratch.similarities, height, scratch.rows);
            countRows(x, height, f);
            if (layout.sumsColumns(y)) {
                tiles.sumColumns(f, scratch.similarities, height, scratch.columns);
                countColumns(y, height, f);
            }
            if (metrics != null) {
                metrics.add(call, x, y, masked, yGroup, scratch.similarities, scratch);
            }
        }
        add(scratch.rows.value, space.rowValue[yGroup], x);
        add(scratch.rows.moment, space.rowMoment[yGroup], x);
        if (layout.biased) {
            tiles.sumRows(f, f, scratch.similarities, height, scratch.rows);
            add(scratch.rows.value, space.rowSigmoids[yGroup], x);
        }
    }

    /** Of a tile of similarities without elements that are no negatives; f replaces them if wanted. */
    private void onePass(int x, int y, int yGroup, float[] tile, boolean replace, TileWorkspace.Scratch scratch) {
        if (metrics != null) {
            metrics.add(call, x, y, false, yGroup, tile, scratch);
        }
        int height = TileLayout.height(y, layout.yCount);
        countRows(x, height, null);
        if (layout.sumsColumns(y)) {
            countColumns(y, height, null);
        }
        tiles.exponentialSums(
                tile, height, call.factor(), replace, scratch.rows, layout.sumsColumns(y) ? scratch.columns : null);
    }

    /** Of a tile whose rows, and columns if they have losses, have limits; an element may be in one of both losses. */
    private void limited(int x, int y, boolean masked, int yGroup, float[] kept, TileWorkspace.Scratch scratch) {
        float[] similarities = kept == null ? scratch.similarities : kept;
        call.similarities(x, y, similarities);
        boolean above = call.isLimited(x, y, masked, similarities);
        if (kept != null) {
            call.keepAsSimilarities(x, y, above);
        }
        if (!above) {
            onePass(x, y, yGroup, similarities, kept != null, scratch);
            return;
        }
        int height = TileLayout.height(y, layout.yCount);
        float[] f = scratch.f;
        float[] within = scratch.values;
        call.evaluate(x, y, masked, similarities, within, f);
        tiles.clearAbove(f, similarities, height, call.limits(x), within);
        tiles.sumRows(within, within, similarities, height, scratch.rows);
        countRows(x, height, within);
        if (layout.sumsColumns(y)) {
            tiles.clearAboveOfColumns(f, similarities, height, call.columnLimits(y), within);
            tiles.sumColumns(within, similarities, height, scratch.columns);
            countColumns(y, height, within);
        }
        if (metrics != null) {
            metrics.addLimited(call, x, y, masked, yGroup, similarities, scratch);
        }
    }

    /** The sums of negatives, and of positives by labels. */
    private void classes(int x, int y, int yGroup, float[] f, TileWorkspace.Scratch scratch) {
        call.similarities(x, y, scratch.similarities);
        call.evaluate(x, y, false, scratch.similarities, scratch.values, f);
        call.clearSelf(x, y, f);
        tiles.sumClasses(
                f,
                scratch.similarities,
                TileLayout.height(y, layout.yCount),
                call.classes().x[x],
                call.classes().y[y],
                scratch.rows,
                scratch.positives);
        add(scratch.positives.value, space.positiveValue[yGroup], x);
        add(scratch.positives.moment, space.positiveMoment[yGroup], x);
        if (metrics != null) {
            metrics.addOthers(call, x, y, yGroup, scratch.similarities, scratch);
        }
    }

    private void countRows(int x, int height, float[] f) {
        if (ofRows != null) {
            ofRows.countRows(x, height, f);
        }
    }

    private void countColumns(int y, int height, float[] f) {
        if (ofColumns != null) {
            ofColumns.countColumns(y, height, f);
        }
    }

    /** Whether one pass over a tile makes f and its sums. */
    private boolean isOnePass(boolean masked) {
        return switch (layout.function()) {
            case EXP -> !masked && call.factors() == null;
            case LOGISTIC -> false;
        };
    }

    static void add(float[] sums, double[] to, int block) {
        int first = block * Tiles.SIDE;
        for (int i = 0; i < Tiles.SIDE; i++) {
            to[first + i] += sums[i];
        }
    }
}
