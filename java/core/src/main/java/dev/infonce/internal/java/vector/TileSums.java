package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import dev.infonce.internal.java.vector.Tiles.ColumnSums;
import dev.infonce.internal.java.vector.Tiles.RowSums;
import jdk.incubator.vector.FloatVector;

/** Sums of a tile whose f is there already, and what becomes of f in the backward pass. */
final class TileSums {
    private TileSums() {}

    /** Lanes [i, i + COUNT) of every row of the tile. */
    static void rows(float[] value, float[] f, float[] s, int i, int height, RowSums rows) {
        FloatVector origin = FloatVector.fromArray(SPECIES, rows.origin, i);
        FloatVector values = FloatVector.broadcast(SPECIES, 0f);
        FloatVector moment = values;
        for (int j = 0; j < height; j++) {
            int k = j * Tiles.SIDE + i;
            values = values.add(FloatVector.fromArray(SPECIES, value, k));
            moment = FloatVector.fromArray(SPECIES, f, k)
                    .fma(FloatVector.fromArray(SPECIES, s, k).sub(origin), moment);
        }
        values.intoArray(rows.value, i);
        moment.intoArray(rows.moment, i);
    }

    static void columns(float[] f, float[] s, int height, ColumnSums columns) {
        float[] columnOrigin = columns.origin;
        float[] columnValue = columns.value;
        float[] columnMoment = columns.moment;
        for (int j = 0; j < height; j++) {
            int lane = j * ColumnSums.LANES;
            FloatVector origin = FloatVector.broadcast(SPECIES, columnOrigin[j]);
            FloatVector values = FloatVector.fromArray(SPECIES, columnValue, lane);
            FloatVector moment = FloatVector.fromArray(SPECIES, columnMoment, lane);
            for (int k = j * Tiles.SIDE; k < (j + 1) * Tiles.SIDE; k += Lanes.COUNT) {
                FloatVector function = FloatVector.fromArray(SPECIES, f, k);
                values = values.add(function);
                moment = function.fma(FloatVector.fromArray(SPECIES, s, k).sub(origin), moment);
            }
            values.intoArray(columnValue, lane);
            moment.intoArray(columnMoment, lane);
        }
    }

    static void multiply(float[] f, int height, float[] factors, int at) {
        for (int j = 0; j < height; j++) {
            float factor = factors[at + j];
            for (int k = j * Tiles.SIDE; k < (j + 1) * Tiles.SIDE; k += Lanes.COUNT) {
                FloatVector.fromArray(SPECIES, f, k).mul(factor).intoArray(f, k);
            }
        }
    }

    static void combine(float[] f, int height, float[] xCoefficients, float[] yCoefficients, float[] g) {
        for (int j = 0; j < height; j++) {
            FloatVector yCoefficient = FloatVector.broadcast(SPECIES, yCoefficients[j]);
            int row = j * Tiles.SIDE;
            for (int i = 0; i < Tiles.SIDE; i += Lanes.COUNT) {
                FloatVector.fromArray(SPECIES, f, row + i)
                        .mul(FloatVector.fromArray(SPECIES, xCoefficients, i).add(yCoefficient))
                        .intoArray(g, row + i);
            }
        }
    }
}
