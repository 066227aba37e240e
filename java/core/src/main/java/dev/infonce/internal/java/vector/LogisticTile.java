package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import dev.infonce.internal.java.vector.Tiles.Factor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** softplus and sigmoid of a tile, from e^-|z|, which cannot overflow and keeps the digits of a tiny softplus. */
final class LogisticTile {
    private LogisticTile() {}

    static void softplusAndSigmoid(
            float[] s, int count, Factor factor, float shift, float[] softplus, float[] sigmoid) {
        float high = factor.high();
        float low = factor.low();
        float natural = factor.natural();
        for (int k = 0; k < count; k += Lanes.COUNT) {
            FloatVector biased = FloatVector.fromArray(SPECIES, s, k).add(shift);
            FloatVector e = Functions.exp2OfNegative(biased.abs().neg(), high, low);
            biased.max(FloatVector.broadcast(SPECIES, 0f))
                    .fma(FloatVector.broadcast(SPECIES, natural), Functions.log1p(e))
                    .intoArray(softplus, k);
            VectorMask<Float> above = biased.compare(VectorOperators.GT, 0f);
            e.blend(1f, above).div(e.add(1f)).intoArray(sigmoid, k);
        }
    }
}
