package dev.infonce.internal.java.vector;

/** Sums of a tile over its columns, one number a row of X. */
public final class RowSums {
    /** What to take off similarities; whoever starts a tile sets it. */
    public float[] positive;

    /** Sums of e. */
    public final float[] value = new float[Tiles.SIDE];

    /** Sums of e (s - positive). */
    public final float[] weighted = new float[Tiles.SIDE];
}
