package dev.infonce.internal.java.tiled;

import dev.infonce.Metrics;
import dev.infonce.internal.java.Tally;
import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicIntegerArray;

/** What metrics add to the forward pass, strip of columns by strip. */
final class TileMetrics {
    private static final double UNIT = Math.exp(-2.0); // exp(-2 |x - y|^2) = UNIT UNIT exp(4 cos) of unit vectors

    private final TileWorkspace space;
    private final TileLayout first;
    private final TileClasses classes; // null unless labels say who the positives are
    private final int topK;

    /** Of a strip, by group of Y and row. */
    private final double[][] absent;

    private final double[][] above;

    private final double[][] same;
    private final double[][] similarity;
    private final double[][] potential;

    /** Of all strips, by row. */
    private final double[] allAbsent;

    private final double[] allAbove;

    private final double[] allSame;
    private final double[] allSimilarity;
    private final double[] allPotential;

    /** Negatives of blocks, by row; whole numbers, which may be added in any order. */
    private final AtomicIntegerArray further;

    private final float[][] xInverses;
    private final float[][] yInverses;
    private final float[][] yFactors;
    private long negatives; // of a row, if neither groups nor limits make any absent
    private long zeroRows;

    TileMetrics(TileWorkspace space, TileClasses classes, int topK) {
        this.space = space;
        this.classes = classes;
        this.first = space.layout;
        this.topK = topK;
        int rows = first.xBlocks * Tiles.SIDE;
        int groups = space.mostGroups;
        this.absent = new double[groups][rows];
        this.above = new double[groups][rows];
        this.same = new double[groups][rows];
        this.similarity = new double[groups][rows];
        this.potential = new double[groups][rows];
        this.allAbsent = new double[rows];
        this.allAbove = new double[rows];
        this.allSame = new double[rows];
        this.allSimilarity = new double[rows];
        this.allPotential = new double[rows];
        this.further = first.blocks.isEmpty() ? null : new AtomicIntegerArray(rows);
        this.xInverses = new float[first.xBlocks][Tiles.SIDE];
        this.yInverses = new float[first.yBlocks][Tiles.SIDE];
        this.yFactors = new float[first.yBlocks][Tiles.SIDE];
        fillInverses(space.x, xInverses);
        zeroRows = space.x.zeroRows() + (space.z == null || first.positivesInY ? 0 : space.z.zeroRows());
    }

    /** What similarities are multiplied by to be cosines. */
    private void fillInverses(PackedRows rows, float[][] inverses) {
        for (int row = 0; row < rows.count(); row++) {
            inverses[row / Tiles.SIDE][row % Tiles.SIDE] = first.cosine ? 1f : (float) rows.inverseNorms[row];
        }
    }

    /** A strip of columns is about to come. */
    void begin() {
        fillInverses(space.y, yInverses);
        for (int row = 0; row < space.y.count(); row++) {
            yFactors[row / Tiles.SIDE][row % Tiles.SIDE] = (float) (space.y.isZero(row) ? 1.0 : UNIT);
        }
        zeroRows += first.isOneTower() ? 0 : space.y.zeroRows();
    }

    void clear(int yGroup, int xBegin, int xEnd) {
        for (double[][] sums : new double[][][] {absent, above, same, similarity, potential}) {
            Arrays.fill(sums[yGroup], xBegin * Tiles.SIDE, xEnd * Tiles.SIDE, 0.0);
        }
    }

    /** Adds a tile of similarities; a masked one is cleared. Overwrites the scratch's values. */
    void add(
            TileCall call,
            int x,
            int y,
            boolean masked,
            int yGroup,
            float[] similarities,
            TileWorkspace.Scratch scratch) {
        TileLayout layout = call.layout();
        int height = TileLayout.height(y, layout.yCount);
        Tiles tiles = call.tiles();
        float[] positive = space.positive[x];
        tiles.potentials(similarities, height, xInverses[x], yInverses[y], yFactors[y], scratch.values);
        if (masked) {
            call.clearMasked(x, y, scratch.values);
            call.clearMasked(x, y, similarities);
        }
        tiles.sumMetrics(similarities, scratch.values, height, positive, scratch.metrics);
        if (masked) {
            float[] excluded = new float[Tiles.SIDE];
            call.uncountMasked(x, y, positive, scratch.metrics, excluded);
            TileForward.add(excluded, absent[yGroup], x);
        }
        addSums(x, yGroup, scratch.metrics);
    }

    /** Adds a tile of similarities that rows have limits for. Overwrites the scratch's similarities and values. */
    void addLimited(
            TileCall call,
            int x,
            int y,
            boolean masked,
            int yGroup,
            float[] similarities,
            TileWorkspace.Scratch scratch) {
        int height = TileLayout.height(y, call.layout().yCount);
        Tiles tiles = call.tiles();
        tiles.potentials(similarities, height, xInverses[x], yInverses[y], yFactors[y], scratch.values);
        float[] own = similarities;
        if (masked) {
            own = scratch.similarities;
            if (own != similarities) { // kept for the backward pass
                System.arraycopy(similarities, 0, own, 0, height * Tiles.SIDE);
            }
            call.fillMasked(
                    x, y, own, Float.MAX_VALUE); // above every limit, and finite: other tiles may find it beyond X
        }
        Tiles.MetricSums sums = scratch.metrics;
        tiles.sumMetricsWithin(own, scratch.values, height, space.positive[x], call.limits(x), sums);
        if (masked) {
            call.layout().uncountMasked(x, y, sums.absent); // they are in no count of negatives
        }
        TileForward.add(sums.absent, absent[yGroup], x);
        addSums(x, yGroup, sums);
    }

    /** Adds a tile of similarities some of which are of positives, or of a row and itself. Overwrites the scratch's values. */
    void addOthers(TileCall call, int x, int y, int yGroup, float[] similarities, TileWorkspace.Scratch scratch) {
        int height = TileLayout.height(y, call.layout().yCount);
        Tiles tiles = call.tiles();
        tiles.potentials(similarities, height, xInverses[x], yInverses[y], yFactors[y], scratch.values);
        tiles.sumMetricsOfOthers(
                similarities, scratch.values, height, classes.x[x], classes.y[y], space.positive[x], scratch.metrics);
        addSums(x, yGroup, scratch.metrics);
    }

    /** Counts a tile's further negatives of the rows of a block: those whose f is not 0, or all if f is null. */
    void countRows(int block, int height, float[] f) {
        for (int i = 0; i < Tiles.SIDE; i++) {
            int count = f == null ? height : 0;
            for (int j = 0; f != null && j < height; j++) {
                count += f[j * Tiles.SIDE + i] == 0f ? 0 : 1;
            }
            further.addAndGet(block * Tiles.SIDE + i, count);
        }
    }

    /** Likewise of a tile whose columns are rows of a block. */
    void countColumns(int block, int height, float[] f) {
        for (int j = 0; j < height; j++) {
            int count = f == null ? Tiles.SIDE : 0;
            for (int i = 0; f != null && i < Tiles.SIDE; i++) {
                count += f[j * Tiles.SIDE + i] == 0f ? 0 : 1;
            }
            further.addAndGet(block * Tiles.SIDE + j, count);
        }
    }

    /** Adds a negative of a row's own, which is absent if it is above the row's limit. */
    void addOwn(int row, float similarity, boolean absentByLimit, double inverseNorm) {
        if (absentByLimit) {
            allAbsent[row]++;
            return;
        }
        float positive = space.positive[row / Tiles.SIDE][row % Tiles.SIDE];
        double cosine = first.cosine ? similarity : similarity * space.x.inverseNorms[row] * inverseNorm;
        allAbove[row] += similarity > positive ? 1 : 0;
        allSame[row] += similarity == positive ? 1 : 0;
        allSimilarity[row] += similarity;
        allPotential[row] += Math.exp(4.0 * cosine) * (inverseNorm == 0.0 ? 1.0 : UNIT);
    }

    /** All of them have been: so many of each row's, and so many zero ones in all. */
    void addOwn(int perRow, long zeros) {
        negatives += perRow;
        zeroRows += zeros;
    }

    private void addSums(int x, int yGroup, Tiles.MetricSums sums) {
        TileForward.add(sums.above, above[yGroup], x);
        TileForward.add(sums.same, same[yGroup], x);
        TileForward.add(sums.similarity, similarity[yGroup], x);
        TileForward.add(sums.potential, potential[yGroup], x);
    }

    /** A strip of columns has been. */
    void end(TileCall call) {
        negatives += call.layout().negatives();
        int groups = call.cuts().yGroups;
        TileWorkspace.addGroups(absent, groups, allAbsent);
        TileWorkspace.addGroups(above, groups, allAbove);
        TileWorkspace.addGroups(same, groups, allSame);
        TileWorkspace.addGroups(similarity, groups, allSimilarity);
        TileWorkspace.addGroups(potential, groups, allPotential);
    }

    Metrics metrics(TileRows rows) {
        Tally tally = new Tally();
        for (int i = 0; i < first.xCount; i++) {
            long count = classes == null ? negatives - (long) allAbsent[i] : classes.negatives(i);
            long positives = classes == null ? 1 : classes.positives(i);
            tally.row(positives, count);
            tally.negatives(count, allSimilarity[i], allPotential[i] * (space.x.isZero(i) ? 1.0 : UNIT));
            if (positives > 0) {
                tally.rank((long) allAbove[i], (long) allSame[i], topK);
                tally.positive(space.positive[i / Tiles.SIDE][i % Tiles.SIDE], squaredDistanceOfPositive(i));
                long all = count + (further == null ? 0 : further.get(i));
                tally.effectiveNegatives(rows.effectiveNegatives(i), all);
            }
        }
        return tally.metrics(first.xCount, zeroRows, first.cosine ? new Tally.Range(-1.0, 1.0) : Tally.Range.ALL);
    }

    private double squaredDistanceOfPositive(int row) {
        return classes == null
                ? space.x.squaredUnitDistance(row, space.positives(), space.positiveOf(row), first.cosine)
                : Double.NaN;
    }
}
