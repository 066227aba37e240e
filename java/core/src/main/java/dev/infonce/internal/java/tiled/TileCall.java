package dev.infonce.internal.java.tiled;

import dev.infonce.internal.java.Workers;
import dev.infonce.internal.java.vector.Tiles;

/**
 * What both passes of a call share, for one strip of columns.
 *
 * @param keep whether a backward pass will come
 */
record TileCall(
        Tiles tiles,
        TileWorkspace space,
        Workers workers,
        double temperature,
        Tiles.Factor factor,
        boolean keep,
        TileWorkspace.Strip strip) {
    private static final float[] ZEROS = new float[Tiles.SIDE];

    TileCall(Tiles tiles, TileWorkspace space, Workers workers, double temperature, boolean keep) {
        this(tiles, space, workers, temperature, Tiles.Factor.of(1.0 / temperature), keep, space.strip(0));
    }

    /** The same for another strip. */
    TileCall of(int number) {
        return new TileCall(tiles, space, workers, temperature, factor, keep, space.strip(number));
    }

    TileLayout layout() {
        return strip.layout();
    }

    TileCuts cuts() {
        return strip.cuts();
    }

    /** The place where a tile's f is kept from the forward to the backward pass; null if it is not. */
    float[] kept(int xBlock, int yBlock) {
        return space.kept(strip.firstTile() + (long) xBlock * layout().yBlocks + yBlock);
    }

    /** Similarities of a tile. */
    void similarities(int x, int y, float[] tile) {
        TileLayout layout = layout();
        tiles.products(
                space.y.columns[y],
                space.x.lanes[x],
                layout.dim,
                TileLayout.height(y, layout.yCount),
                TileLayout.height(x, layout.xCount),
                tile);
    }

    /**
     * f of the logits of a tile, 0 where there is no negative. values: softplus, whose slope a logistic f is; an exponential
     * leaves them alone.
     */
    void evaluate(int x, int y, float[] similarities, float[] values, float[] f) {
        TileLayout layout = layout();
        int height = TileLayout.height(y, layout.yCount);
        boolean masked = layout.isMasked(x, y);
        switch (layout.function()) {
            case EXP -> tiles.exponentials(similarities, height, factor, f);
            case LOGISTIC -> {
                tiles.logistic(similarities, height, factor, values, f);
                if (masked) {
                    layout.clearMasked(x, y, values);
                }
            }
        }
        if (masked) {
            layout.clearMasked(x, y, f);
        }
    }

    /** What the sums of a row, or a column, of value add up: f itself, or what f is the slope of. */
    float[] summed(float[] values, float[] f) {
        return switch (layout().function()) {
            case EXP -> f;
            case LOGISTIC -> values;
        };
    }

    /** What moments of a block's rows take off similarities: the positive's for exp, as a softmax needs differences from it. */
    float[] origin(int block) {
        return switch (layout().function()) {
            case EXP -> space.positive[block];
            case LOGISTIC -> ZEROS;
        };
    }
}
