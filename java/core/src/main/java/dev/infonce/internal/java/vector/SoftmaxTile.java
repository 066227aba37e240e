package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/** Exponentials of a tile of similarities and their sums. One exponential serves its row and its column. */
final class SoftmaxTile {
    private SoftmaxTile() {}

    static void exponentials(float[] s, int count, float high, float low, float[] e) {
        for (int k = 0; k < count; k += Lanes.COUNT) {
            Functions.exp2(FloatVector.fromArray(SPECIES, s, k), high, low).intoArray(e, k);
        }
    }

    /** Lanes [i, i + PAIR) of every row of the tile. */
    static void rows(float[] tile, int i, int height, float high, float low, boolean replace, RowSums rows) {
        FloatVector positive0 = FloatVector.fromArray(SPECIES, rows.positive, i);
        FloatVector positive1 = FloatVector.fromArray(SPECIES, rows.positive, i + Lanes.COUNT);
        FloatVector value0 = FloatVector.broadcast(SPECIES, 0f);
        FloatVector value1 = value0;
        FloatVector weighted0 = value0;
        FloatVector weighted1 = value0;
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
            weighted0 = e0.fma(s0.sub(positive0), weighted0);
            weighted1 = e1.fma(s1.sub(positive1), weighted1);
        }
        value0.intoArray(rows.value, i);
        value1.intoArray(rows.value, i + Lanes.COUNT);
        weighted0.intoArray(rows.weighted, i);
        weighted1.intoArray(rows.weighted, i + Lanes.COUNT);
    }

    /** The same, with sums of columns. */
    static void rowsAndColumns(
            float[] tile, int i, int height, float high, float low, boolean replace, RowSums rows, ColumnSums columns) {
        float[] columnPositive = columns.positive;
        float[] columnValue = columns.value;
        float[] columnWeighted = columns.weighted;
        FloatVector positive0 = FloatVector.fromArray(SPECIES, rows.positive, i);
        FloatVector positive1 = FloatVector.fromArray(SPECIES, rows.positive, i + Lanes.COUNT);
        FloatVector value0 = FloatVector.broadcast(SPECIES, 0f);
        FloatVector value1 = value0;
        FloatVector weighted0 = value0;
        FloatVector weighted1 = value0;
        for (int j = 0; j < height; j++) {
            int k = j * Tiles.SIDE + i;
            int lane = j * ColumnSums.LANES;
            FloatVector positive = FloatVector.broadcast(SPECIES, columnPositive[j]);
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
            weighted0 = e0.fma(s0.sub(positive0), weighted0);
            weighted1 = e1.fma(s1.sub(positive1), weighted1);
            FloatVector.fromArray(SPECIES, columnValue, lane).add(e0.add(e1)).intoArray(columnValue, lane);
            e1.fma(s1.sub(positive), e0.fma(s0.sub(positive), FloatVector.fromArray(SPECIES, columnWeighted, lane)))
                    .intoArray(columnWeighted, lane);
        }
        value0.intoArray(rows.value, i);
        value1.intoArray(rows.value, i + Lanes.COUNT);
        weighted0.intoArray(rows.weighted, i);
        weighted1.intoArray(rows.weighted, i + Lanes.COUNT);
    }
}
