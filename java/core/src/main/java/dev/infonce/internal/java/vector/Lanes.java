package dev.infonce.internal.java.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** The vectors of this machine. */
final class Lanes {
    static final VectorSpecies<Float> SPECIES = species(FloatVector.SPECIES_PREFERRED.length());

    static final int COUNT = SPECIES.length();

    /** Lanes of two vectors: the row of a register tile. */
    static final int TWO = 2 * COUNT;

    private Lanes() {}

    private static VectorSpecies<Float> species(int preferred) {
        if (preferred >= 16) {
            return FloatVector.SPECIES_512;
        }
        return preferred >= 8 ? FloatVector.SPECIES_256 : FloatVector.SPECIES_128;
    }
}
