package dev.infonce.internal.java.tiled;

import dev.infonce.Block;
import dev.infonce.Shape;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.java.ColumnStrips;
import dev.infonce.internal.java.Pairing;
import dev.infonce.internal.java.row.LogitFunction;
import dev.infonce.internal.java.row.RowFunction;
import dev.infonce.internal.java.row.RowRule;
import dev.infonce.internal.java.vector.Tiles;
import java.util.List;
import java.util.Set;

/** What a tiled loss computes, told as blocks of rows X, columns Y and the positive of each row. */
public final class TileLayout {
    private static final int LARGEST_DIM = 1 << 14; // tiles are of whole blocks, however few rows there are

    final RowFunction.OfLogits loss;
    final Pairing pairing;
    final boolean symmetric;
    final boolean cosine;
    final int dim;

    /** Rows of X, and of Y. */
    final int xCount;

    final int yCount;

    /** Rows of Z, which are the positives where Y does not hold all of them all the time; else 0. */
    final int zCount;

    /** Whether positives are rows of Y, so that theirs is Y's gradient, even if Z holds them too. */
    final boolean positivesInY;

    final int xBlocks;
    final int yBlocks;

    /** Which pairs beside those of rows and columns are negatives. */
    final Set<Block> blocks;

    /** Those of them that are of no row and column. */
    final List<Block> blocksAmongRows;

    /** Negatives of each row's own, which are in no tile. */
    final int own;

    /** Blocks of Y whose columns are in sums of their own or of rows, beside the rows': the first so many. */
    final int summedColumns;

    /** What the rows of a call without a bias have in common. */
    final RowRule rule;

    /** Whether logits have a bias. */
    final boolean biased;

    /** Whether rows have limits, above which they have no negatives. */
    final boolean limited;

    /** That of a loss in which every row meets the same columns, and which fits, with the first strip of its columns. */
    public TileLayout(LossSpec spec, LossSpec.Terms.Logits terms, Shape shape, ColumnStrips strips) {
        int n = Math.toIntExact(shape.n());
        this.loss = terms.row();
        this.pairing = Pairing.of(spec);
        this.symmetric = spec.symmetric();
        this.cosine = isCosine(terms);
        this.dim = Math.toIntExact(shape.dim());
        this.xCount = Math.toIntExact(spec.rows(shape).losses());
        this.yCount = strips.count(0);
        this.positivesInY = switch (pairing) {
            case DIAGONAL, TWO_VIEWS, TOWER_BY_LABELS, TOWERS_BY_LABELS -> true;
            case APART, OTHERS -> false;
        };
        this.zCount = positivesInY && !strips.areMany() ? 0 : n;
        this.xBlocks = blocks(xCount);
        this.yBlocks = blocks(yCount);
        this.blocks = spec.blocks();
        this.blocksAmongRows = blocks.stream().filter(TileLayout::isAmongRows).toList();
        this.own = Math.toIntExact(shape.ownNegatives());
        this.summedColumns = symmetric || blocks.contains(Block.KEY_QUERY) ? xBlocks : 0;
        this.rule = spec.rowRule(pairing.negatives(strips.columns()) + own, 0.0);
        this.biased = spec.hasBias();
        this.limited = rule.hasLimits();
    }

    private TileLayout(TileLayout first, Pairing pairing, int columns) {
        this.loss = first.loss;
        this.pairing = pairing;
        this.symmetric = first.symmetric;
        this.cosine = first.cosine;
        this.dim = first.dim;
        this.xCount = first.xCount;
        this.yCount = columns;
        this.positivesInY = false;
        this.zCount = first.zCount;
        this.xBlocks = first.xBlocks;
        this.yBlocks = blocks(columns);
        this.blocks = first.blocks;
        this.blocksAmongRows = first.blocksAmongRows;
        this.own = first.own;
        this.summedColumns = 0;
        this.rule = first.rule;
        this.biased = first.biased;
        this.limited = first.limited;
    }

    private static boolean isAmongRows(Block block) {
        return switch (block) {
            case QUERY_QUERY, KEY_KEY -> true;
            case KEY_QUERY -> false;
        };
    }

    /** The same with a strip of columns that holds no positives. */
    TileLayout later(int columns) {
        return new TileLayout(this, Pairing.APART, columns);
    }

    /** The same with the rows, or their positives, among themselves. */
    TileLayout amongRows() {
        return new TileLayout(this, Pairing.OTHERS, xCount);
    }

    /** Whether tiles can hold it: similarities are products, and there are not too many dimensions. */
    public static boolean fits(LossSpec.Terms.Logits terms, Shape shape) {
        return switch (terms.similarity()) {
            case COSINE, DOT -> shape.dim() <= LARGEST_DIM;
            case NEGATIVE_SQUARED_EUCLIDEAN, NEGATIVE_EUCLIDEAN -> false;
        };
    }

    private static boolean isCosine(LossSpec.Terms.Logits terms) {
        return switch (terms.similarity()) {
            case COSINE -> true;
            case DOT, NEGATIVE_SQUARED_EUCLIDEAN, NEGATIVE_EUCLIDEAN -> false;
        };
    }

    /** The f whose tiles are summed and multiplied by coefficients. */
    LogitFunction function() {
        return loss.function;
    }

    /** Whether X and Y are the same rows. */
    boolean isOneTower() {
        return pairing.isOneTower();
    }

    /** Whether X's gradient comes from more than one set of tiles, as far as it depends on the layout of the first strip. */
    boolean addsToTotals() {
        return !blocks.isEmpty() || own > 0;
    }

    /** Whether the columns of a block of Y are in other rows' losses and have losses themselves. */
    boolean columnsHaveLosses(int y) {
        return isOneTower() || y < summedColumns;
    }

    /** Whether a tile is to be summed over rows too. */
    boolean sumsColumns(int y) {
        return y < summedColumns;
    }

    /** Negatives of each row. */
    long negatives() {
        return pairing.negatives(yCount);
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
            case APART, TOWERS_BY_LABELS -> false;
            case DIAGONAL, OTHERS, TOWER_BY_LABELS -> x == y;
            case TWO_VIEWS -> overlaps(x, y, 0) || overlaps(x, y, xCount / 2) || overlaps(x, y, -xCount / 2);
        };
    }

    private boolean overlaps(int x, int y, int shift) {
        int distance = y * Tiles.SIDE + shift - x * Tiles.SIDE;
        return Math.abs(distance) < Tiles.SIDE;
    }

    /** Gives a tile's elements that are no negatives a value, and lanes beyond X 0. */
    void fillMasked(int x, int y, float[] tile, float value) {
        int width = height(x, xCount);
        for (int j = 0; j < height(y, yCount); j++) {
            for (int i = width; i < Tiles.SIDE; i++) {
                tile[j * Tiles.SIDE + i] = 0f;
            }
            for (int row : pairing.excluded(y * Tiles.SIDE + j, yCount)) {
                int i = row - x * Tiles.SIDE;
                if (i >= 0 && i < width) {
                    tile[j * Tiles.SIDE + i] = value;
                }
            }
        }
    }

    /** Takes one off the count of each row for each of its elements that fillMasked has given a value. */
    void uncountMasked(int x, int y, float[] counts) {
        for (int j = 0; j < height(y, yCount); j++) {
            for (int row : pairing.excluded(y * Tiles.SIDE + j, yCount)) {
                int i = row - x * Tiles.SIDE;
                if (i >= 0 && i < Tiles.SIDE) {
                    counts[i]--;
                }
            }
        }
    }

    /**
     * Takes one off the count of each row whose positive is below 0, or is 0, for every 0 that fillMasked puts in the row.
     */
    void uncountMasked(int x, int y, float[] positive, float[] above, float[] same) {
        for (int j = 0; j < height(y, yCount); j++) {
            for (int row : pairing.excluded(y * Tiles.SIDE + j, yCount)) {
                int i = row - x * Tiles.SIDE;
                if (i >= 0 && i < Tiles.SIDE) {
                    above[i] -= positive[i] < 0f ? 1 : 0;
                    same[i] -= positive[i] == 0f ? 1 : 0;
                }
            }
        }
    }
}
