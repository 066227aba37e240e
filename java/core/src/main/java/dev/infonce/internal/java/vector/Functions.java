package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** exp2 and log1p on vectors, as far as losses need them. */
final class Functions {
    private static final float MAGIC = 0x1.8p23f; // adding it rounds to an integer in the low bits
    private static final int EXPONENT_SHIFT = 23;
    private static final float SMALLEST_EXPONENT = -125f; // 2^this is normal

    private Functions() {}

    /** 2^(s (high + low)) while that is a normal number, relative error 9e-9 before rounding. */
    static FloatVector exp2(FloatVector s, float high, float low) {
        FloatVector magic = FloatVector.broadcast(SPECIES, MAGIC);
        FloatVector shifted = s.fma(FloatVector.broadcast(SPECIES, high), magic);
        FloatVector f = s.fma(
                FloatVector.broadcast(SPECIES, low), s.fma(FloatVector.broadcast(SPECIES, high), magic.sub(shifted)));
        // near-minimax of (2^f - 1) / f on [-1/2, 1/2]
        FloatVector p =
                FloatVector.broadcast(SPECIES, 0x1.444004p-13f).fma(f, FloatVector.broadcast(SPECIES, 0x1.5f0896p-10f));
        p = p.fma(f, FloatVector.broadcast(SPECIES, 0x1.3b2a1cp-7f));
        p = p.fma(f, FloatVector.broadcast(SPECIES, 0x1.c6af6cp-5f));
        p = p.fma(f, FloatVector.broadcast(SPECIES, 0x1.ebfbep-3f));
        p = p.fma(f, FloatVector.broadcast(SPECIES, 0x1.62e43p-1f));
        p = p.fma(f, FloatVector.broadcast(SPECIES, 1f));
        return p.reinterpretAsInts()
                .add(shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, EXPONENT_SHIFT))
                .reinterpretAsFloats();
    }

    /** The same for any s <= 0, not going below the smallest normal number. high is above 0. */
    static FloatVector exp2OfNegative(FloatVector s, float high, float low) {
        return exp2(s.max(FloatVector.broadcast(SPECIES, SMALLEST_EXPONENT / high)), high, low);
    }

    /** ln(1 + e) for e in [0, 1], with a small relative error: 2 artanh(e / (2 + e)), whose argument is at most 1/3. */
    static FloatVector log1p(FloatVector e) {
        FloatVector w = e.div(e.add(FloatVector.broadcast(SPECIES, 2f)));
        FloatVector square = w.mul(w);
        FloatVector p = square.fma(FloatVector.broadcast(SPECIES, 1f / 15f), FloatVector.broadcast(SPECIES, 1f / 13f));
        p = p.fma(square, FloatVector.broadcast(SPECIES, 1f / 11f));
        p = p.fma(square, FloatVector.broadcast(SPECIES, 1f / 9f));
        p = p.fma(square, FloatVector.broadcast(SPECIES, 1f / 7f));
        p = p.fma(square, FloatVector.broadcast(SPECIES, 1f / 5f));
        p = p.fma(square, FloatVector.broadcast(SPECIES, 1f / 3f));
        p = p.fma(square, FloatVector.broadcast(SPECIES, 1f));
        return w.add(w).mul(p);
    }
}
