package dev.infonce.internal.java.tiled;

import dev.infonce.Block;
import dev.infonce.internal.java.ColumnFactors;
import dev.infonce.internal.java.Exclusion;
import dev.infonce.internal.java.Workers;
import dev.infonce.internal.java.row.RowRule;
import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;

/**
 * What both passes of a call share, for one strip of columns.
 *
 * @param rule what the call's rows have in common
 * @param shift the bias in units of similarities
 * @param factors of the strip's columns; null where they have none
 * @param keep whether a backward pass will come
 * @param xRows those that are X
 * @param yRows those that are Y
 * @param classes who is whose positive, where labels say; else null
 */
record TileCall(
        Tiles tiles,
        TileWorkspace space,
        Workers workers,
        double temperature,
        RowRule rule,
        Tiles.Factor factor,
        float shift,
        ColumnFactors factors,
        boolean keep,
        PackedRows xRows,
        PackedRows yRows,
        TileWorkspace.Strip strip,
        Exclusion excluded,
        TileClasses classes) {
    /** Of columns that have no losses. */
    static final float[] ZEROS = new float[Tiles.SIDE];

    private static final float[] NO_LIMITS = noLimits();

    private static float[] noLimits() {
        float[] limits = new float[Tiles.SIDE];
        Arrays.fill(limits, Float.POSITIVE_INFINITY);
        return limits;
    }

    /** For the first strip. */
    TileCall(
            Tiles tiles,
            TileWorkspace space,
            Workers workers,
            double temperature,
            double bias,
            ColumnFactors factors,
            boolean keep,
            Exclusion excluded,
            TileClasses classes) {
        this(
                tiles,
                space,
                workers,
                temperature,
                space.layout.rule.withBias(bias),
                Tiles.Factor.of(1.0 / temperature + space.layout.rule.hardness()),
                (float) (bias * temperature),
                factors,
                keep,
                space.x,
                space.y,
                space.strip(0),
                excluded,
                classes);
    }

    /** The same for another strip. */
    TileCall of(int number, long firstColumn, Exclusion excludedOfStrip) {
        ColumnFactors ofStrip = factors == null ? null : factors.from(firstColumn);
        return of(xRows, yRows, ofStrip, space.strip(number), excludedOfStrip);
    }

    /** The same for rows among themselves: queries, or the keys that are their positives. */
    TileCall among(Block block, Exclusion excludedOfBlock) {
        PackedRows rows = switch (block) {
            case QUERY_QUERY -> space.x;
            case KEY_KEY -> space.positives();
            case KEY_QUERY -> throw new IllegalArgumentException(block + " has other rows than columns");
        };
        return of(rows, rows, null, space.strip(block), excludedOfBlock);
    }

    private TileCall of(
            PackedRows newXRows,
            PackedRows newYRows,
            ColumnFactors newFactors,
            TileWorkspace.Strip newStrip,
            Exclusion newExcluded) {
        return new TileCall(
                tiles,
                space,
                workers,
                temperature,
                rule,
                factor,
                shift,
                newFactors,
                keep,
                newXRows,
                newYRows,
                newStrip,
                newExcluded,
                classes);
    }

    /** Whether labels make some elements of a tile positives, or one is of a row and itself. */
    boolean classesMeet(int x, int y) {
        return classes != null && classes.meet(x, y);
    }

    /** Makes the elements of a tile 0 that are of a row and itself. */
    void clearSelf(int x, int y, float[] tile) {
        for (int i = 0; layout().isOneTower() && x == y && i < TileLayout.height(y, layout().yCount); i++) {
            tile[i * Tiles.SIDE + i] = 0f;
        }
    }

    /** Whether a tile has elements that are no negatives, or lanes beyond X; of tiles whose classes do not meet. */
    boolean isMasked(int x, int y) {
        return layout().isMasked(x, y)
                || excluded.haveCommonGroup(
                        x * Tiles.SIDE,
                        TileLayout.height(x, layout().xCount),
                        y * Tiles.SIDE,
                        TileLayout.height(y, layout().yCount));
    }

    /** Makes a masked tile's elements 0 that are no negatives, and lanes beyond X. */
    void clearMasked(int x, int y, float[] tile) {
        fillMasked(x, y, tile, 0f);
    }

    /** Gives a masked tile's elements that are no negatives a value, and lanes beyond X 0. */
    void fillMasked(int x, int y, float[] tile, float value) {
        layout().fillMasked(x, y, tile, value);
        if (hasGroups()) {
            forEach(x, y, (i, j) -> {
                if (excluded.areOfOneGroup(x * Tiles.SIDE + i, y * Tiles.SIDE + j)) {
                    tile[j * Tiles.SIDE + i] = value;
                }
            });
        }
    }

    /** The limits of the rows of a block of X. */
    float[] limits(int x) {
        return space.limits[x];
    }

    /** The limits of a block of Y as rows of their own losses, infinite where they have none. */
    float[] columnLimits(int y) {
        return layout().columnsHaveLosses(y) ? space.limits[y] : NO_LIMITS;
    }

    /**
     * Whether a tile, masked or not, has to be compared with limits: one whose similarities are all below has them in vain, but that no
     * one pass makes its sums where columns have factors.
     */
    boolean isLimited(int x, int y, boolean masked, float[] similarities) {
        return layout().limited
                && (masked
                        || factors != null
                        || tiles.areAbove(
                                similarities, TileLayout.height(y, layout().yCount), limits(x), columnLimits(y)));
    }

    /** Takes off a masked tile's counts what clearMasked has put there, and counts what groups exclude. */
    void uncountMasked(int x, int y, float[] positive, Tiles.MetricSums sums, float[] byGroup) {
        layout().uncountMasked(x, y, positive, sums.above, sums.same);
        if (hasGroups()) {
            forEach(x, y, (i, j) -> {
                if (excluded.isByGroupAlone(x * Tiles.SIDE + i, y * Tiles.SIDE + j, layout().xCount)) {
                    sums.above[i] -= positive[i] < 0f ? 1 : 0;
                    sums.same[i] -= positive[i] == 0f ? 1 : 0;
                    byGroup[i]++;
                }
            });
        }
    }

    private boolean hasGroups() {
        return excluded.hasGroups();
    }

    private interface Element {
        void at(int i, int j);
    }

    private void forEach(int x, int y, Element element) {
        for (int j = 0; j < TileLayout.height(y, layout().yCount); j++) {
            for (int i = 0; i < TileLayout.height(x, layout().xCount); i++) {
                element.at(i, j);
            }
        }
    }

    TileLayout layout() {
        return strip.layout();
    }

    TileCuts cuts() {
        return strip.cuts();
    }

    /** The place where a tile's f is kept from the forward to the backward pass; null if it is not. */
    float[] kept(int xBlock, int yBlock) {
        return space.kept(number(xBlock, yBlock));
    }

    /** Says of a tile that is kept whether it is kept as similarities, which limits are compared with, in place of f. */
    void keepAsSimilarities(int xBlock, int yBlock, boolean similarities) {
        space.keepAsSimilarities(number(xBlock, yBlock), similarities);
    }

    /** Whether a tile that is kept is. */
    boolean isKeptAsSimilarities(int xBlock, int yBlock) {
        return space.isKeptAsSimilarities(number(xBlock, yBlock));
    }

    private long number(int xBlock, int yBlock) {
        return strip.firstTile() + (long) xBlock * layout().yBlocks + yBlock;
    }

    /** Similarities of a tile. */
    void similarities(int x, int y, float[] tile) {
        TileLayout layout = layout();
        tiles.products(
                yRows.columns[y],
                xRows.lanes[x],
                layout.dim,
                TileLayout.height(y, layout.yCount),
                TileLayout.height(x, layout.xCount),
                tile);
    }

    /**
     * f of the logits of a tile, masked or not, times the factors of columns, 0 where there is no negative. values: softplus, whose slope a logistic f is; an exponential
     * leaves them alone.
     */
    void evaluate(int x, int y, boolean masked, float[] similarities, float[] values, float[] f) {
        TileLayout layout = layout();
        int height = TileLayout.height(y, layout.yCount);
        switch (layout.function()) {
            case EXP -> {
                tiles.exponentials(similarities, height, factor, f);
                if (factors != null) {
                    tiles.multiply(f, height, factors.rounded(), factors.place(y * Tiles.SIDE));
                }
            }
            case LOGISTIC -> {
                tiles.logistic(similarities, height, factor, shift, values, f);
                if (masked) {
                    clearMasked(x, y, values);
                }
            }
        }
        if (masked) {
            clearMasked(x, y, f);
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
