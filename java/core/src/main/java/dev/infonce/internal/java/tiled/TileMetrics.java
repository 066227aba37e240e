package dev.infonce.internal.java.tiled;

import dev.infonce.Metrics;
import dev.infonce.internal.java.Tally;
import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;

/** What metrics add to the forward pass. */
final class TileMetrics {
    private static final double UNIT = Math.exp(-2.0); // exp(-2 |x - y|^2) = UNIT UNIT exp(4 cos) of unit vectors

    private final TileCall call;
    private final TileWorkspace space;
    private final TileLayout layout;
    private final double[][] above;
    private final double[][] similarity;
    private final double[][] potential;
    private final float[][] xInverses;
    private final float[][] yInverses;
    private final float[][] yFactors;

    TileMetrics(TileCall call) {
        this.call = call;
        this.space = call.space();
        this.layout = call.layout();
        int groups = space.cuts.yGroups;
        int rows = layout.xBlocks * Tiles.SIDE;
        this.above = new double[groups][rows];
        this.similarity = new double[groups][rows];
        this.potential = new double[groups][rows];
        this.xInverses = inverses(space.x);
        this.yInverses = inverses(space.y);
        this.yFactors = new float[layout.yBlocks][Tiles.SIDE];
        for (int row = 0; row < layout.yCount; row++) {
            yFactors[row / Tiles.SIDE][row % Tiles.SIDE] = (float) (space.y.isZero(row) ? 1.0 : UNIT);
        }
    }

    /** What similarities are multiplied by to be cosines. */
    private float[][] inverses(PackedRows rows) {
        float[][] inverses = new float[TileLayout.blocks(rows.count)][Tiles.SIDE];
        for (int row = 0; row < rows.count; row++) {
            inverses[row / Tiles.SIDE][row % Tiles.SIDE] = layout.cosine ? 1f : (float) rows.inverseNorms[row];
        }
        return inverses;
    }

    void clear(int yGroup, int xBegin, int xEnd) {
        for (double[][] sums : new double[][][] {above, similarity, potential}) {
            Arrays.fill(sums[yGroup], xBegin * Tiles.SIDE, xEnd * Tiles.SIDE, 0.0);
        }
    }

    /** Adds a tile of similarities; a masked one is cleared. Overwrites the scratch's values. */
    void add(int x, int y, int yGroup, float[] similarities, TileWorkspace.Scratch scratch) {
        int height = TileLayout.height(y, layout.yCount);
        Tiles tiles = call.tiles();
        float[] positive = space.positive[x];
        tiles.potentials(similarities, height, xInverses[x], yInverses[y], yFactors[y], scratch.values);
        boolean masked = layout.isMasked(x, y);
        if (masked) {
            layout.clearMasked(x, y, scratch.values);
            layout.clearMasked(x, y, similarities);
        }
        tiles.sumMetrics(similarities, scratch.values, height, positive, scratch.metrics);
        if (masked) {
            layout.uncountMasked(x, y, positive, scratch.metrics.above);
        }
        TileForward.add(scratch.metrics.above, above[yGroup], x);
        TileForward.add(scratch.metrics.similarity, similarity[yGroup], x);
        TileForward.add(scratch.metrics.potential, potential[yGroup], x);
    }

    Metrics metrics(TileRows rows) {
        Tally tally = new Tally();
        for (int i = 0; i < layout.xCount; i++) {
            double more = 0.0;
            double similarities = 0.0;
            double potentials = 0.0;
            for (int group = 0; group < above.length; group++) {
                more += above[group][i];
                similarities += similarity[group][i];
                potentials += potential[group][i];
            }
            tally.rank((long) more, call.topK());
            tally.positive(
                    space.positive[i / Tiles.SIDE][i % Tiles.SIDE],
                    space.x.squaredUnitDistance(i, space.positives(), space.positiveOf(i), layout.cosine));
            tally.negatives(layout.negatives(), similarities, potentials * (space.x.isZero(i) ? 1.0 : UNIT));
            tally.effectiveNegatives(rows.effectiveNegatives(i));
        }
        long zeros = space.x.zeroRows();
        zeros += layout.isOneTower() ? 0 : space.y.zeroRows();
        zeros += space.z == null ? 0 : space.z.zeroRows();
        return tally.metrics(layout.xCount, zeros);
    }
}
