package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import dev.infonce.internal.java.vector.Tiles.Factor;
import dev.infonce.internal.java.vector.Tiles.MetricSums;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** What metrics take from a tile of similarities. */
final class MetricTile {
    private static final Factor FOUR = Factor.of(4.0); // exp(-2 |x - y|^2) of unit vectors is exp(4 cos - 4)

    private MetricTile() {}

    static void potentials(float[] s, int height, float[] xInverses, float[] yInverses, float[] yFactors, float[] out) {
        float high = FOUR.high();
        float low = FOUR.low();
        for (int j = 0; j < height; j++) {
            FloatVector inverse = FloatVector.broadcast(SPECIES, yInverses[j]);
            FloatVector factor = FloatVector.broadcast(SPECIES, yFactors[j]);
            int row = j * Tiles.SIDE;
            for (int i = 0; i < Tiles.SIDE; i += Lanes.COUNT) {
                FloatVector cosine = FloatVector.fromArray(SPECIES, s, row + i)
                        .mul(FloatVector.fromArray(SPECIES, xInverses, i))
                        .mul(inverse);
                Functions.exp2(cosine, high, low).mul(factor).intoArray(out, row + i);
            }
        }
    }

    /** Lanes [i, i + COUNT) of every row of the tile. */
    static void sums(float[] s, float[] potentials, int i, int height, float[] positive, MetricSums sums) {
        FloatVector positives = FloatVector.fromArray(SPECIES, positive, i);
        FloatVector above = FloatVector.broadcast(SPECIES, 0f);
        FloatVector same = above;
        FloatVector similarity = above;
        FloatVector potential = above;
        for (int j = 0; j < height; j++) {
            int k = j * Tiles.SIDE + i;
            FloatVector similarities = FloatVector.fromArray(SPECIES, s, k);
            VectorMask<Float> more = similarities.compare(VectorOperators.GT, positives);
            VectorMask<Float> equal = similarities.compare(VectorOperators.EQ, positives);
            above = above.add(FloatVector.broadcast(SPECIES, 0f).blend(1f, more));
            same = same.add(FloatVector.broadcast(SPECIES, 0f).blend(1f, equal));
            similarity = similarity.add(similarities);
            potential = potential.add(FloatVector.fromArray(SPECIES, potentials, k));
        }
        above.intoArray(sums.above, i);
        same.intoArray(sums.same, i);
        similarity.intoArray(sums.similarity, i);
        potential.intoArray(sums.potential, i);
    }
}
