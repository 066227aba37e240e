package dev.infonce.internal.java;

import dev.infonce.internal.java.vector.Factor;
import dev.infonce.internal.java.vector.Tiles;

/**
 * What both passes of a call share.
 *
 * @param keep whether a backward pass will come
 * @param topK 0 if nobody wants metrics
 */
record TileCall(
        Tiles tiles, TileWorkspace space, Strips strips, double temperature, Factor factor, boolean keep, int topK) {
    TileCall(Tiles tiles, TileWorkspace space, Strips strips, double temperature, boolean keep, int topK) {
        this(tiles, space, strips, temperature, Factor.of(1.0 / temperature), keep, topK);
    }

    TileLayout layout() {
        return space.layout;
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
     * What the backward pass multiplies by weights, from similarities: exponentials, or sigmoids; 0 where there is no negative.
     * values: softplus, for a logistic loss.
     */
    void exponentials(int x, int y, float[] similarities, float[] values, float[] exponentials) {
        TileLayout layout = layout();
        int height = TileLayout.height(y, layout.yCount);
        if (layout.logistic) {
            tiles.logistic(similarities, height, factor, values, exponentials);
        } else {
            tiles.exponentials(similarities, height, factor, exponentials);
        }
        if (layout.isMasked(x, y)) {
            layout.clearMasked(x, y, exponentials);
            if (layout.logistic) {
                layout.clearMasked(x, y, values);
            }
        }
    }
}
