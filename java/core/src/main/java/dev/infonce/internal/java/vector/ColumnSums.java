package dev.infonce.internal.java.vector;

import java.util.Arrays;

/** Sums over rows of X, {@value #LANES} partial sums a column, as whole vectors are added. */
public final class ColumnSums {
    /** Of the widest vector; a narrower one uses the first of them. */
    static final int LANES = 16;

    /** What to take off similarities; whoever starts a column of tiles sets it. */
    public float[] positive;

    final float[] value = new float[Tiles.SIDE * LANES];
    final float[] weighted = new float[Tiles.SIDE * LANES];

    /** Makes all sums 0. */
    public void clear() {
        Arrays.fill(value, 0f);
        Arrays.fill(weighted, 0f);
    }

    /** Adds the sums of the first columns to the numbers from at on. */
    public void addTo(int columns, double[] values, double[] weighteds, int at) {
        for (int j = 0; j < columns; j++) {
            values[at + j] += sum(value, j * LANES);
            weighteds[at + j] += sum(weighted, j * LANES);
        }
    }

    private static double sum(float[] lanes, int first) {
        double sum = 0.0;
        for (int lane = 0; lane < LANES; lane++) {
            sum += lanes[first + lane];
        }
        return sum;
    }
}
