package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import dev.infonce.internal.java.vector.Tiles.ColumnSums;
import dev.infonce.internal.java.vector.Tiles.RowSums;
import jdk.incubator.vector.FloatVector;

/** Exponentials of a tile of similarities and their sums. One exponential serves its row and its column. */
final class ExponentialTile {
    private ExponentialTile() {}

    static void exponentials(float[] s, int count, float high, float low, float[] e) {
        for (int k = 0; k < count; k += Lanes.COUNT) {
            Functions.exp2(FloatVector.fromArray(SPECIES, s, k), high, low).intoArray(e, k);
        }
    }

    /** Lanes [i, i + TWO) of every row of the tile. */
    static void rows(float[] tile, int i, int height, float high, float low, boolean replace, RowSums rows) {
        FloatVector origin0 = FloatVector.fromArray(SPECIES, rows.origin, i);
        FloatVector origin1 = FloatVector.fromArray(SPECIES, rows.origin, i + Lanes.COUNT);
        FloatVector value0 = FloatVector.broadcast(SPECIES, 0f);
        FloatVector value1 = value0;
        FloatVector moment0 = value0;
        FloatVector moment1 = value0;
        for (int j = 0; j < height; j++) {
            int k = j * Tiles.SIDE + i;
            FloatVector s0 = FloatVector.fromArray(SPECIES, tile, k);
            FloatVector s1 = FloatVector.fromArray(SPECIES, tile, k + Lanes.COUNT);
            FloatVector e0 = Functions.exp2(s0, high, low);
            FloatVector e1 = Functions.exp2(s1, high, low);
            if (replace) {
                e0.intoArray(tile, k);
                e1.intoArray(tile, k + Lanes.COUNT);
            }
            value0 = value0.add(e0);
            value1 = value1.add(e1);
            moment0 = e0.fma(s0.sub(origin0), moment0);
            moment1 = e1.fma(s1.sub(origin1), moment1);
        }
        value0.intoArray(rows.value, i);
        value1.intoArray(rows.value, i + Lanes.COUNT);
        moment0.intoArray(rows.moment, i);
        moment1.intoArray(rows.moment, i + Lanes.COUNT);
    }

    /** The same, with sums of columns. */
    static void rowsAndColumns(
            float[] tile, int i, int height, float high, float low, boolean replace, RowSums rows, ColumnSums columns) {
        float[] columnOrigin = columns.origin;
        float[] columnValue = columns.value;
        float[] columnMoment = columns.moment;
        FloatVector origin0 = FloatVector.fromArray(SPECIES, rows.origin, i);
        FloatVector origin1 = FloatVector.fromArray(SPECIES, rows.origin, i + Lanes.COUNT);
        FloatVector value0 = FloatVector.broadcast(SPECIES, 0f);
        FloatVector value1 = value0;
        FloatVector moment0 = value0;
        FloatVector moment1 = value0;
        for (int j = 0; j < height; j++) {
            int k = j * Tiles.SIDE + i;
            int lane = j * ColumnSums.LANES;
            FloatVector origin = FloatVector.broadcast(SPECIES, columnOrigin[j]);
            FloatVector s0 = FloatVector.fromArray(SPECIES, tile, k);
            FloatVector s1 = FloatVector.fromArray(SPECIES, tile, k + Lanes.COUNT);
            FloatVector e0 = Functions.exp2(s0, high, low);
            FloatVector e1 = Functions.exp2(s1, high, low);
            if (replace) {
                e0.intoArray(tile, k);
                e1.intoArray(tile, k + Lanes.COUNT);
            }
            value0 = value0.add(e0);
            value1 = value1.add(e1);
            moment0 = e0.fma(s0.sub(origin0), moment0);
            moment1 = e1.fma(s1.sub(origin1), moment1);
            FloatVector.fromArray(SPECIES, columnValue, lane).add(e0.add(e1)).intoArray(columnValue, lane);
            e1.fma(s1.sub(origin), e0.fma(s0.sub(origin), FloatVector.fromArray(SPECIES, columnMoment, lane)))
                    .intoArray(columnMoment, lane);
        }
        value0.intoArray(rows.value, i);
        value1.intoArray(rows.value, i + Lanes.COUNT);
        moment0.intoArray(rows.moment, i);
        moment1.intoArray(rows.moment, i + Lanes.COUNT);
    }
}
