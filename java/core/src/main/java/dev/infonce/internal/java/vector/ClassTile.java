package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import dev.infonce.internal.java.vector.Tiles.ClassCoefficients;
import dev.infonce.internal.java.vector.Tiles.MetricSums;
import dev.infonce.internal.java.vector.Tiles.RowSums;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Tiles some of whose elements are of a row and a column of one class, which are taken apart from the others. */
final class ClassTile {
    private static final VectorSpecies<Integer> CLASSES = SPECIES.withLanes(int.class);

    private ClassTile() {}

    private static VectorMask<Float> alike(IntVector classes, int other) {
        return classes.compare(VectorOperators.EQ, other).cast(SPECIES);
    }

    /** Lanes [i, i + COUNT) of every row of the tile. */
    static void sums(
            float[] f, float[] s, int i, int height, int[] xClasses, int[] yClasses, RowSums others, RowSums alike) {
        IntVector classes = IntVector.fromArray(CLASSES, xClasses, i);
        FloatVector origin = FloatVector.fromArray(SPECIES, others.origin, i);
        FloatVector zero = FloatVector.broadcast(SPECIES, 0f);
        FloatVector value = zero;
        FloatVector moment = zero;
        FloatVector alikeValue = zero;
        FloatVector alikeMoment = zero;
        for (int j = 0; j < height; j++) {
            int k = j * Tiles.SIDE + i;
            VectorMask<Float> same = alike(classes, yClasses[j]);
            FloatVector function = FloatVector.fromArray(SPECIES, f, k);
            FloatVector above = FloatVector.fromArray(SPECIES, s, k).sub(origin);
            FloatVector ofOther = function.blend(zero, same);
            FloatVector ofAlike = zero.blend(function, same);
            value = value.add(ofOther);
            moment = ofOther.fma(above, moment);
            alikeValue = alikeValue.add(ofAlike);
            alikeMoment = ofAlike.fma(above, alikeMoment);
        }
        value.intoArray(others.value, i);
        moment.intoArray(others.moment, i);
        alikeValue.intoArray(alike.value, i);
        alikeMoment.intoArray(alike.moment, i);
    }

    /** Lanes [i, i + COUNT) of every row of the tile. */
    static void metricSums(
            float[] s,
            float[] potentials,
            int i,
            int height,
            int[] xClasses,
            int[] yClasses,
            float[] positive,
            MetricSums sums) {
        IntVector classes = IntVector.fromArray(CLASSES, xClasses, i);
        FloatVector positives = FloatVector.fromArray(SPECIES, positive, i);
        FloatVector zero = FloatVector.broadcast(SPECIES, 0f);
        FloatVector above = zero;
        FloatVector same = zero;
        FloatVector similarity = zero;
        FloatVector potential = zero;
        for (int j = 0; j < height; j++) {
            int k = j * Tiles.SIDE + i;
            VectorMask<Float> other = alike(classes, yClasses[j]).not();
            FloatVector similarities = FloatVector.fromArray(SPECIES, s, k);
            VectorMask<Float> more =
                    similarities.compare(VectorOperators.GT, positives).and(other);
            VectorMask<Float> equal =
                    similarities.compare(VectorOperators.EQ, positives).and(other);
            above = above.add(zero.blend(1f, more));
            same = same.add(zero.blend(1f, equal));
            similarity = similarity.add(zero.blend(similarities, other));
            potential = potential.add(zero.blend(FloatVector.fromArray(SPECIES, potentials, k), other));
        }
        above.intoArray(sums.above, i);
        same.intoArray(sums.same, i);
        similarity.intoArray(sums.similarity, i);
        potential.intoArray(sums.potential, i);
    }

    static void combine(
            float[] f,
            int height,
            int[] xClasses,
            int[] yClasses,
            ClassCoefficients x,
            ClassCoefficients y,
            float[] g) {
        for (int j = 0; j < height; j++) {
            FloatVector yOther = FloatVector.broadcast(SPECIES, y.others()[j]);
            FloatVector yAlike = FloatVector.broadcast(SPECIES, y.alike()[j]);
            FloatVector yShare = FloatVector.broadcast(SPECIES, y.shares()[j]);
            int row = j * Tiles.SIDE;
            for (int i = 0; i < Tiles.SIDE; i += Lanes.COUNT) {
                VectorMask<Float> same = alike(IntVector.fromArray(CLASSES, xClasses, i), yClasses[j]);
                FloatVector coefficient = FloatVector.fromArray(SPECIES, x.others(), i)
                        .add(yOther)
                        .blend(FloatVector.fromArray(SPECIES, x.alike(), i).add(yAlike), same);
                FloatVector share = FloatVector.broadcast(SPECIES, 0f)
                        .blend(FloatVector.fromArray(SPECIES, x.shares(), i).add(yShare), same);
                FloatVector.fromArray(SPECIES, f, row + i)
                        .fma(coefficient, share)
                        .intoArray(g, row + i);
            }
        }
    }
}
