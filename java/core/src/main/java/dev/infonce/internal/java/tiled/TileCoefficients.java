package dev.infonce.internal.java.tiled;

import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;

/**
 * What the backward pass multiplies f by. All coefficients are divided by the largest slope of a logit, so that gradients as
 * small as 1e-50 pass through float32; the last step multiplies by it.
 */
final class TileCoefficients {
    /** By block and row of X, and of Y. */
    final float[][] x;

    final float[][] y;

    /** Of tiles whose classes meet, by block of X, and of Y; null unless labels say who the positives are. */
    final Tiles.ClassCoefficients[] xClasses;

    final Tiles.ClassCoefficients[] yClasses;

    /** Of each row's positive, where each has one. */
    final double[] positive;

    /** The largest slope; 0 if all are. */
    final double largest;

    /** scales are the derivatives of the objective by the losses of rows; columns are null unless the loss is symmetric. */
    TileCoefficients(TileLayout layout, TileRows rows, TileRows columns, double[] scales) {
        int count = layout.xCount;
        double most = 0.0;
        for (int i = 0; i < count; i++) {
            double scale = Math.abs(scales[i]);
            most = Math.max(most, scale * rows.largestSlope(i));
            if (columns != null) {
                most = Math.max(most, scale * columns.largestSlope(i));
            }
        }
        this.largest = most;
        this.x = new float[layout.xBlocks][Tiles.SIDE];
        boolean asRows = layout.isOneTower() || !layout.blocks.isEmpty();
        this.y = asRows ? x : new float[layout.yBlocks][Tiles.SIDE]; // 0, unless columns have losses
        this.positive = new double[count];
        boolean several = !layout.pairing.hasOnePositive();
        this.xClasses = several ? classes(x) : null;
        this.yClasses = !several ? null : layout.isOneTower() ? xClasses : classes(y);
        if (most == 0.0) {
            return;
        }
        for (int i = 0; i < count; i++) {
            double scale = scales[i] / most;
            if (several) {
                Tiles.ClassCoefficients of = xClasses[i / Tiles.SIDE];
                of.alike()[i % Tiles.SIDE] = (float) (scale * rows.spreadOfPositives(i));
                of.shares()[i % Tiles.SIDE] = (float) (scale * rows.shareOfPositive(i));
            } else {
                positive[i] = scale * rows.positiveSlope(i);
            }
            x[i / Tiles.SIDE][i % Tiles.SIDE] = (float) rows.spread(i, scale * rows.negativeSlope(i));
            if (columns != null) {
                positive[i] += scale * columns.positiveSlope(i);
                y[i / Tiles.SIDE][i % Tiles.SIDE] = (float) columns.spread(i, scale * columns.negativeSlope(i));
            }
        }
        if (layout.isOneTower() && !several) {
            addBothViews(count / 2);
        }
    }

    private static Tiles.ClassCoefficients[] classes(float[][] others) {
        return Arrays.stream(others)
                .map(block -> new Tiles.ClassCoefficients(block, new float[Tiles.SIDE], new float[Tiles.SIDE]))
                .toArray(Tiles.ClassCoefficients[]::new);
    }

    /** Both rows of a positive pair feel both of their losses. */
    private void addBothViews(int half) {
        for (int i = 0; i < half; i++) {
            double sum = positive[i] + positive[i + half];
            positive[i] = sum;
            positive[i + half] = sum;
        }
    }
}
