package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import dev.infonce.internal.java.vector.Tiles.MetricSums;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Tiles whose rows, or columns, have no negatives above a limit: where similarities are, not what f is of them, decides. */
final class LimitTile {
    private LimitTile() {}

    private static VectorMask<Float> above(float[] s, int k, FloatVector limits) {
        return FloatVector.fromArray(SPECIES, s, k).compare(VectorOperators.GT, limits);
    }

    static boolean areAbove(float[] s, int height, float[] limits, float[] columnLimits) {
        for (int j = 0; j < height; j++) {
            FloatVector columnLimit = FloatVector.broadcast(SPECIES, columnLimits[j]);
            VectorMask<Float> above = SPECIES.maskAll(false);
            for (int i = 0; i < Tiles.SIDE; i += Lanes.COUNT) {
                FloatVector limit = FloatVector.fromArray(SPECIES, limits, i).min(columnLimit);
                above = above.or(above(s, j * Tiles.SIDE + i, limit));
            }
            if (above.anyTrue()) {
                return true;
            }
        }
        return false;
    }

    static void clearAbove(float[] f, float[] s, int height, float[] limits, float[] out) {
        for (int j = 0; j < height; j++) {
            int row = j * Tiles.SIDE;
            for (int i = 0; i < Tiles.SIDE; i += Lanes.COUNT) {
                VectorMask<Float> above = above(s, row + i, FloatVector.fromArray(SPECIES, limits, i));
                FloatVector.fromArray(SPECIES, f, row + i).blend(0f, above).intoArray(out, row + i);
            }
        }
    }

    static void clearAboveOfColumns(float[] f, float[] s, int height, float[] columnLimits, float[] out) {
        for (int j = 0; j < height; j++) {
            FloatVector limit = FloatVector.broadcast(SPECIES, columnLimits[j]);
            for (int k = j * Tiles.SIDE; k < (j + 1) * Tiles.SIDE; k += Lanes.COUNT) {
                FloatVector.fromArray(SPECIES, f, k)
                        .blend(0f, above(s, k, limit))
                        .intoArray(out, k);
            }
        }
    }

    /** Lanes [i, i + COUNT) of every row of the tile. */
    static void metricSums(
            float[] s, float[] potentials, int i, int height, float[] positive, float[] limits, MetricSums sums) {
        FloatVector positives = FloatVector.fromArray(SPECIES, positive, i);
        FloatVector limit = FloatVector.fromArray(SPECIES, limits, i);
        FloatVector zero = FloatVector.broadcast(SPECIES, 0f);
        FloatVector above = zero;
        FloatVector same = zero;
        FloatVector similarity = zero;
        FloatVector potential = zero;
        FloatVector absent = zero;
        for (int j = 0; j < height; j++) {
            int k = j * Tiles.SIDE + i;
            FloatVector similarities = FloatVector.fromArray(SPECIES, s, k);
            VectorMask<Float> left = similarities.compare(VectorOperators.GT, limit);
            VectorMask<Float> more =
                    similarities.compare(VectorOperators.GT, positives).andNot(left);
            VectorMask<Float> equal =
                    similarities.compare(VectorOperators.EQ, positives).andNot(left);
            above = above.add(zero.blend(1f, more));
            same = same.add(zero.blend(1f, equal));
            similarity = similarity.add(similarities.blend(0f, left));
            potential =
                    potential.add(FloatVector.fromArray(SPECIES, potentials, k).blend(0f, left));
            absent = absent.add(zero.blend(1f, left));
        }
        above.intoArray(sums.above, i);
        same.intoArray(sums.same, i);
        similarity.intoArray(sums.similarity, i);
        potential.intoArray(sums.potential, i);
        absent.intoArray(sums.absent, i);
    }

    static void combine(
            float[] f,
            float[] s,
            int height,
            float[] xCoefficients,
            float[] yCoefficients,
            float[] limits,
            float[] columnLimits,
            float[] g) {
        for (int j = 0; j < height; j++) {
            FloatVector yCoefficient = FloatVector.broadcast(SPECIES, yCoefficients[j]);
            FloatVector columnLimit = FloatVector.broadcast(SPECIES, columnLimits[j]);
            int row = j * Tiles.SIDE;
            for (int i = 0; i < Tiles.SIDE; i += Lanes.COUNT) {
                VectorMask<Float> aboveRow = above(s, row + i, FloatVector.fromArray(SPECIES, limits, i));
                VectorMask<Float> aboveColumn = above(s, row + i, columnLimit);
                FloatVector ofRow =
                        FloatVector.fromArray(SPECIES, xCoefficients, i).blend(0f, aboveRow);
                FloatVector ofColumn = yCoefficient.blend(0f, aboveColumn);
                FloatVector.fromArray(SPECIES, f, row + i)
                        .mul(ofRow.add(ofColumn))
                        .intoArray(g, row + i);
            }
        }
    }
}
