package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/** Sums of a tile whose exponentials are there already, and what becomes of them in the backward pass. */
final class TileSums {
    private TileSums() {}

    /** Lanes [i, i + COUNT) of every row of the tile. */
    static void rows(float[] value, float[] e, float[] s, int i, int height, RowSums rows) {
        FloatVector positive = FloatVector.fromArray(SPECIES, rows.positive, i);
        FloatVector values = FloatVector.broadcast(SPECIES, 0f);
        FloatVector weighted = values;
        for (int j = 0; j < height; j++) {
            int k = j * Tiles.SIDE + i;
            values = values.add(FloatVector.fromArray(SPECIES, value, k));
            weighted = FloatVector.fromArray(SPECIES, e, k)
                    .fma(FloatVector.fromArray(SPECIES, s, k).sub(positive), weighted);
        }
        values.intoArray(rows.value, i);
        weighted.intoArray(rows.weighted, i);
    }

    static void columns(float[] e, float[] s, int height, ColumnSums columns) {
        float[] columnPositive = columns.positive;
        float[] columnValue = columns.value;
        float[] columnWeighted = columns.weighted;
        for (int j = 0; j < height; j++) {
            int lane = j * ColumnSums.LANES;
            FloatVector positive = FloatVector.broadcast(SPECIES, columnPositive[j]);
            FloatVector values = FloatVector.fromArray(SPECIES, columnValue, lane);
            FloatVector weighted = FloatVector.fromArray(SPECIES, columnWeighted, lane);
            for (int k = j * Tiles.SIDE; k < (j + 1) * Tiles.SIDE; k += Lanes.COUNT) {
                FloatVector exponential = FloatVector.fromArray(SPECIES, e, k);
                values = values.add(exponential);
                weighted = exponential.fma(FloatVector.fromArray(SPECIES, s, k).sub(positive), weighted);
            }
            values.intoArray(columnValue, lane);
            weighted.intoArray(columnWeighted, lane);
        }
    }

    static void weigh(float[] e, int height, float[] xWeights, float[] yWeights, float[] weights) {
        for (int j = 0; j < height; j++) {
            FloatVector yWeight = FloatVector.broadcast(SPECIES, yWeights[j]);
            int row = j * Tiles.SIDE;
            for (int i = 0; i < Tiles.SIDE; i += Lanes.COUNT) {
                FloatVector.fromArray(SPECIES, e, row + i)
                        .mul(FloatVector.fromArray(SPECIES, xWeights, i).add(yWeight))
                        .intoArray(weights, row + i);
            }
        }
    }
}
