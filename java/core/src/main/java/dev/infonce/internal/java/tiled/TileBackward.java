package dev.infonce.internal.java.tiled;

import dev.infonce.Gradients;
import dev.infonce.Matrix;
import dev.infonce.internal.java.MatrixRows;
import dev.infonce.internal.java.Workers;
import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;

/** The backward pass: one tile of G serves both gradients. */
final class TileBackward {
    private static final int GROUP = Tiles.GROUP;

    private final TileCall call;
    private final TileWorkspace space;
    private final TileLayout layout;
    private final TileCuts cuts;
    private final TileCoefficients coefficients;
    private final boolean adds;
    private final int withGradient; // the first so many of Y

    /**
     * Of one strip of columns, which is in the workspace, of which the first so many have a gradient; adds: gradients are added to what
     * their matrices hold.
     */
    TileBackward(TileCall call, TileCoefficients coefficients, int withGradient, boolean adds) {
        this.call = call;
        this.space = call.space();
        this.layout = call.layout();
        this.cuts = call.cuts();
        this.coefficients = coefficients;
        this.adds = adds;
        this.withGradient = withGradient;
    }

    /** Writes the gradients that out has a matrix for, where all columns are there. */
    void run(Gradients out) {
        boolean tower = layout.isOneTower();
        Matrix ofY = tower ? null : layout.positivesInY ? out.dKeys() : out.dNegatives();
        Matrix ofView = tower ? out.dKeys() : null;
        boolean wantX = out.dQueries() != null || ofView != null;
        space.prepareSums(ofY != null);
        for (int begin = 0; begin < layout.xBlocks && (wantX || ofY != null); begin += cuts.strip) {
            int end = Math.min(layout.xBlocks, begin + cuts.strip);
            multiply(begin, end, wantX, ofY != null);
            if (wantX) {
                int first = begin;
                writers(out.dQueries(), ofView).run(end - begin, block -> {
                    finishX(first + block, products() ? block : -1, out.dQueries(), ofView);
                });
            }
        }
        if (ofY != null) {
            writers(ofY).run(TileLayout.blocks(withGradient), block -> finishY(block, ofY, 0));
        }
        finishZ(out);
    }

    /** Adds X's sums to totals, and no columns' to any. */
    void addTo(double[][] totals) {
        space.prepareSums(false);
        for (int begin = 0; begin < layout.xBlocks; begin += cuts.strip) {
            int end = Math.min(layout.xBlocks, begin + cuts.strip);
            multiply(begin, end, true, false);
            addSums(begin, end, totals);
        }
    }

    /** Writes the gradient of the strip's columns, whose first row is so far down, and adds to X's. */
    void runStrip(Gradients out, long firstColumn) {
        Matrix given = space.layout.positivesInY ? out.dKeys() : out.dNegatives();
        Matrix ofY = withGradient == 0 ? null : given;
        double[][] totals = out.dQueries() == null ? null : space.xTotals();
        space.prepareSums(ofY != null);
        for (int begin = 0; begin < layout.xBlocks && (totals != null || ofY != null); begin += cuts.strip) {
            int end = Math.min(layout.xBlocks, begin + cuts.strip);
            multiply(begin, end, totals != null, ofY != null);
            if (totals != null) {
                addSums(begin, end, totals);
            }
        }
        if (ofY != null) {
            writers(ofY).run(TileLayout.blocks(withGradient), block -> finishY(block, ofY, firstColumn));
        }
    }

    private void addSums(int begin, int end, double[][] totals) {
        if (products()) {
            call.workers().run(end - begin, block -> {
                for (int group = 0; group < cuts.sumGroups; group++) {
                    add(space.xSums()[group][block], totals[begin + block], true);
                }
            });
        }
    }

    /** After all strips: writes what runStrip did not. */
    void finishStrips(Gradients out) {
        Matrix ofX = out.dQueries();
        if (ofX != null) {
            double[][] totals = space.xTotals();
            writers(ofX).run(layout.xBlocks, block -> {
                MatrixRows writer = new MatrixRows(ofX, adds);
                double[] sums = new double[layout.dim];
                for (int r = 0; r < TileLayout.height(block, layout.xCount); r++) {
                    int row = block * Tiles.SIDE + r;
                    gather(totals[block], r, sums);
                    space.positives().addRow(row, coefficients.positive[row], sums);
                    finish(space.x, row, sums);
                    writer.write(row, sums, 0);
                }
            });
        }
        finishZ(out);
    }

    private boolean products() {
        return coefficients.largest > 0.0 && layout.yBlocks > 0;
    }

    private void multiply(int begin, int end, boolean wantX, boolean wantY) {
        if (products()) {
            call.workers()
                    .run(
                            cuts.sumGroups,
                            group -> space.withScratch(scratch -> group(begin, end, group, wantX, wantY, scratch)));
        }
    }

    private void finishZ(Gradients out) {
        if (space.z != null && !space.layout.positivesInY && out.dKeys() != null) {
            writers(out.dKeys()).run(TileLayout.blocks(space.z.count()), block -> finishZ(block, out.dKeys()));
        }
    }

    private Workers writers(Matrix... matrices) {
        for (Matrix matrix : matrices) {
            if (!MatrixRows.isShared(matrix)) {
                return Workers.sequential();
            }
        }
        return call.workers();
    }

    private void group(int begin, int end, int group, boolean wantX, boolean wantY, TileWorkspace.Scratch scratch) {
        Tiles tiles = call.tiles();
        int yBegin = TileCuts.begin(layout.yBlocks, group, cuts.sumGroups);
        int yEnd = TileCuts.begin(layout.yBlocks, group + 1, cuts.sumGroups);
        float[] ySums = wantY ? scratch.sums(layout.dim) : null;
        for (int y = yBegin; y < yEnd; y++) {
            int height = TileLayout.height(y, layout.yCount);
            boolean sumsY = wantY && y * Tiles.SIDE < withGradient;
            for (int x = begin; x < end; x++) {
                int width = TileLayout.height(x, layout.xCount);
                float[] g = tileOfG(x, y, height, scratch);
                if (wantX) {
                    float[] sums = space.xSums()[group][x - begin];
                    tiles.addToX(g, call.yRows().rows[y], layout.dim, height, width, sums, y > yBegin);
                }
                if (sumsY) {
                    tiles.addToY(g, call.xRows().rows[x], layout.dim, height, width, ySums, x > begin);
                }
            }
            if (sumsY) {
                add(ySums, space.ySums()[y], begin > 0);
            }
        }
    }

    /** The tile of G, in the scratch's values. */
    private float[] tileOfG(int x, int y, int height, TileWorkspace.Scratch scratch) {
        if (layout.limited) {
            return limitedTileOfG(x, y, height, scratch);
        }
        boolean classes = call.classesMeet(x, y);
        float[] f = call.kept(x, y);
        if (f == null) {
            f = scratch.f;
            call.similarities(x, y, scratch.similarities);
            call.evaluate(x, y, !classes && call.isMasked(x, y), scratch.similarities, scratch.values, f);
        }
        if (classes) {
            call.tiles()
                    .combineClasses(
                            f,
                            height,
                            call.classes().x[x],
                            call.classes().y[y],
                            coefficients.xClasses[x],
                            coefficients.yClasses[y],
                            scratch.values);
            call.clearSelf(x, y, scratch.values);
        } else {
            call.tiles().combine(f, height, coefficients.x[x], ofColumns(y), scratch.values);
        }
        return scratch.values;
    }

    private float[] ofColumns(int y) {
        return layout.columnsHaveLosses(y) ? coefficients.y[y] : TileCall.ZEROS;
    }

    /** The same of rows that have limits. */
    private float[] limitedTileOfG(int x, int y, int height, TileWorkspace.Scratch scratch) {
        float[] kept = call.kept(x, y);
        float[] f = kept;
        boolean above = kept != null && call.isKeptAsSimilarities(x, y);
        float[] similarities = above ? kept : scratch.similarities;
        if (kept == null || above) {
            boolean masked = call.isMasked(x, y);
            if (kept == null) {
                call.similarities(x, y, similarities);
                above = call.isLimited(x, y, masked, similarities);
            }
            f = scratch.f;
            call.evaluate(x, y, masked, similarities, scratch.values, f);
        }
        float[] ofRows = coefficients.x[x];
        float[] ofColumns = ofColumns(y);
        if (above) {
            float[] limits = call.limits(x);
            call.tiles()
                    .combineWithin(
                            f, similarities, height, ofRows, ofColumns, limits, call.columnLimits(y), scratch.values);
        } else {
            call.tiles().combine(f, height, ofRows, ofColumns, scratch.values);
        }
        return scratch.values;
    }

    private static void add(float[] sums, double[] to, boolean add) {
        for (int k = 0; k < to.length; k++) {
            to[k] = add ? to[k] + sums[k] : sums[k];
        }
    }

    private void finishX(int block, int inStrip, Matrix first, Matrix second) {
        int half = first == null ? layout.xCount - (int) second.rows() : (int) first.rows();
        MatrixRows firstWriter = first == null ? null : new MatrixRows(first, adds);
        MatrixRows secondWriter = second == null ? null : new MatrixRows(second, adds);
        double[] sums = new double[layout.dim];
        for (int r = 0; r < TileLayout.height(block, layout.xCount); r++) {
            int row = block * Tiles.SIDE + r;
            MatrixRows writer = row < half ? firstWriter : secondWriter;
            if (writer == null) {
                continue;
            }
            Arrays.fill(sums, 0.0);
            if (inStrip >= 0) {
                for (int group = 0; group < cuts.sumGroups; group++) {
                    gather(space.xSums()[group][inStrip], r, sums);
                }
            }
            if (layout.pairing.hasOnePositive()) {
                space.positives().addRow(space.positiveOf(row), coefficients.positive[row], sums);
            }
            finish(space.x, row, sums);
            writer.write(row < half ? row : row - half, sums, 0);
        }
    }

    private void finishY(int block, Matrix matrix, long firstColumn) {
        MatrixRows writer = new MatrixRows(matrix, adds);
        double[] sums = new double[layout.dim];
        for (int r = 0; r < TileLayout.height(block, withGradient); r++) {
            int row = block * Tiles.SIDE + r;
            Arrays.fill(sums, 0.0);
            if (products()) {
                gather(space.ySums()[block], r, sums);
            }
            if (layout.positivesInY && layout.pairing.hasOnePositive() && row < layout.xCount) {
                if (space.keyTotals() != null) {
                    addGathered(space.keyTotals()[block], r, sums);
                }
                space.x.addRow(row, coefficients.positive[row], sums);
            }
            finish(space.y, row, sums);
            writer.write(firstColumn + row, sums, 0);
        }
    }

    private void finishZ(int block, Matrix matrix) {
        MatrixRows writer = new MatrixRows(matrix, adds);
        double[] sums = new double[layout.dim];
        for (int r = 0; r < TileLayout.height(block, space.z.count()); r++) {
            int row = block * Tiles.SIDE + r;
            Arrays.fill(sums, 0.0);
            space.x.addRow(row, coefficients.positive[row], sums);
            finish(space.z, row, sums);
            writer.write(row, sums, 0);
        }
    }

    private void gather(float[] block, int r, double[] sums) {
        for (int d = 0; d < layout.dim; d += GROUP) {
            int at = PackedRows.at(r, d);
            int width = Math.min(GROUP, layout.dim - d);
            for (int k = 0; k < width; k++) {
                sums[d + k] += block[at + k];
            }
        }
    }

    private void gather(double[] block, int r, double[] sums) {
        for (int d = 0; d < layout.dim; d += GROUP) {
            System.arraycopy(block, PackedRows.at(r, d), sums, d, Math.min(GROUP, layout.dim - d));
        }
    }

    private void addGathered(double[] block, int r, double[] sums) {
        for (int d = 0; d < layout.dim; d += GROUP) {
            int at = PackedRows.at(r, d);
            int width = Math.min(GROUP, layout.dim - d);
            for (int k = 0; k < width; k++) {
                sums[d + k] += block[at + k];
            }
        }
    }

    private double along(PackedRows rows, int row, double[] sums) {
        float[] block = rows.rows[row / Tiles.SIDE];
        double along = 0.0;
        for (int d = 0; d < layout.dim; d += GROUP) {
            int at = PackedRows.at(row % Tiles.SIDE, d);
            int width = Math.min(GROUP, layout.dim - d);
            for (int k = 0; k < width; k++) {
                along += sums[d + k] * block[at + k];
            }
        }
        return along;
    }

    /** From the gradient by the row as tiles see it, without the common factor, to that by the row as given. */
    private void finish(PackedRows rows, int row, double[] sums) {
        double factor = coefficients.largest / call.temperature();
        if (layout.cosine) {
            rows.addRow(row, -along(rows, row, sums), sums);
            factor *= rows.inverseNorms[row];
        }
        for (int d = 0; d < sums.length; d++) {
            sums[d] *= factor;
        }
    }
}
