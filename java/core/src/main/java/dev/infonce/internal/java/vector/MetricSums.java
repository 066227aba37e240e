package dev.infonce.internal.java.vector;

/** Sums of a tile over its columns that only metrics need, one number a row of X. */
public final class MetricSums {
    /** How many similarities are above the positive's. */
    public final float[] above = new float[Tiles.SIDE];

    /** Sums of similarities. */
    public final float[] similarity = new float[Tiles.SIDE];

    /** Sums of potentials. */
    public final float[] potential = new float[Tiles.SIDE];
}
