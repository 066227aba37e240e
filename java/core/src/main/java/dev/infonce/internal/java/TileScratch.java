package dev.infonce.internal.java;

import dev.infonce.internal.java.vector.ColumnSums;
import dev.infonce.internal.java.vector.MetricSums;
import dev.infonce.internal.java.vector.RowSums;
import dev.infonce.internal.java.vector.Tiles;

/** What one task works in: three tiles, and sums of one. */
final class TileScratch {
    static final float[] ZEROS = new float[Tiles.SIDE];

    final float[] similarities = tile();
    final float[] exponentials = tile();
    final float[] values = tile();
    final RowSums rows = new RowSums();
    final ColumnSums columns = new ColumnSums();
    final MetricSums metrics = new MetricSums();
    private float[] sums;

    static float[] tile() {
        return new float[Tiles.SIDE * Tiles.SIDE];
    }

    /** Sums of a block's gradient. */
    float[] sums(int dim) {
        if (sums == null) {
            sums = new float[PackedRows.rowElements(dim)];
        }
        return sums;
    }
}
