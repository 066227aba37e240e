package dev.infonce.internal.java;

import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;

/** The forward pass: sums over the negatives of every row, and every column of a symmetric loss, from each tile once. */
final class TileForward {
    private final TileCall call;
    private final TileWorkspace space;
    private final TileLayout layout;
    private final Tiles tiles;
    private final TileMetrics metrics;

    /** metrics is null if nobody wants them. */
    TileForward(TileCall call, TileMetrics metrics) {
        this.call = call;
        this.space = call.space();
        this.layout = call.layout();
        this.tiles = call.tiles();
        this.metrics = metrics;
    }

    void run() {
        call.strips().run(layout.xBlocks, this::findPositives);
        if (call.keep()) {
            space.prepareKept();
        }
        TileCuts cuts = space.cuts;
        call.strips()
                .run(
                        cuts.xGroups * cuts.yGroups,
                        // Groups of Y outside, as in the backward pass: so who keeps a tile is mostly who takes it.
                        task -> space.withScratch(scratch -> group(task % cuts.xGroups, task / cuts.xGroups, scratch)));
    }

    private void findPositives(int block) {
        for (int i = 0; i < TileLayout.height(block, layout.xCount); i++) {
            int row = block * Tiles.SIDE + i;
            space.positive[block][i] = space.x.similarity(row, space.positives(), space.positiveOf(row));
        }
    }

    private void group(int xGroup, int yGroup, TileScratch scratch) {
        TileCuts cuts = space.cuts;
        int xBegin = TileCuts.begin(layout.xBlocks, xGroup, cuts.xGroups);
        int xEnd = TileCuts.begin(layout.xBlocks, xGroup + 1, cuts.xGroups);
        int yBegin = TileCuts.begin(layout.yBlocks, yGroup, cuts.yGroups);
        int yEnd = TileCuts.begin(layout.yBlocks, yGroup + 1, cuts.yGroups);
        clear(space.rowValue[yGroup], xBegin, xEnd);
        clear(space.rowWeighted[yGroup], xBegin, xEnd);
        if (metrics != null) {
            metrics.clear(yGroup, xBegin, xEnd);
        }
        if (layout.symmetric) {
            clear(space.columnValue[xGroup], yBegin, yEnd);
            clear(space.columnWeighted[xGroup], yBegin, yEnd);
        }
        for (int first = xBegin; first < xEnd; first += cuts.cached) {
            int end = Math.min(xEnd, first + cuts.cached);
            for (int y = yBegin; y < yEnd; y++) {
                if (layout.symmetric) {
                    scratch.columns.clear();
                    scratch.columns.positive = space.positive[y];
                }
                for (int x = first; x < end; x++) {
                    tile(x, y, yGroup, scratch);
                }
                if (layout.symmetric) {
                    scratch.columns.addTo(
                            TileLayout.height(y, layout.yCount),
                            space.columnValue[xGroup],
                            space.columnWeighted[xGroup],
                            y * Tiles.SIDE);
                }
            }
        }
    }

    private static void clear(double[] sums, int beginBlock, int endBlock) {
        Arrays.fill(sums, beginBlock * Tiles.SIDE, endBlock * Tiles.SIDE, 0.0);
    }

    private void tile(int x, int y, int yGroup, TileScratch scratch) {
        float[] kept = call.keep() ? space.kept(x, y) : null;
        float[] exponentials = kept == null ? scratch.exponentials : kept;
        scratch.rows.positive = space.positive[x];
        if (layout.logistic || layout.isMasked(x, y)) {
            call.similarities(x, y, scratch.similarities);
            call.exponentials(x, y, scratch.similarities, scratch.values, exponentials);
            sum(x, y, scratch, exponentials);
            if (metrics != null) {
                metrics.add(x, y, yGroup, scratch.similarities, scratch);
            }
        } else {
            call.similarities(x, y, exponentials);
            if (metrics != null) {
                metrics.add(x, y, yGroup, exponentials, scratch);
            }
            tiles.softmax(
                    exponentials,
                    TileLayout.height(y, layout.yCount),
                    call.factor(),
                    kept != null,
                    scratch.rows,
                    layout.symmetric ? scratch.columns : null);
        }
        add(scratch.rows.value, space.rowValue[yGroup], x);
        add(scratch.rows.weighted, space.rowWeighted[yGroup], x);
    }

    private void sum(int x, int y, TileScratch scratch, float[] exponentials) {
        int height = TileLayout.height(y, layout.yCount);
        if (layout.logistic) {
            scratch.rows.positive = TileScratch.ZEROS; // the moment of a logistic loss is that of s itself
        }
        tiles.sumRows(
                layout.logistic ? scratch.values : exponentials,
                exponentials,
                scratch.similarities,
                height,
                scratch.rows);
        if (layout.symmetric) {
            tiles.sumColumns(exponentials, scratch.similarities, height, scratch.columns);
        }
    }

    static void add(float[] sums, double[] to, int block) {
        int first = block * Tiles.SIDE;
        for (int i = 0; i < Tiles.SIDE; i++) {
            to[first + i] += sums[i];
        }
    }
}
