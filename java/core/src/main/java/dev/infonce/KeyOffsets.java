package dev.infonce;

/** Offsets of keys, for {@link Inputs#withKeyOffsets}. */
public final class KeyOffsets {
    private static final double LEAST_PROBABILITY = 1e-13; // -ln of it is below 30

    private KeyOffsets() {}

    /**
     * The offsets {@code -ln q_j} that correct a softmax over keys that were drawn: those drawn often count less (logQ correction:
     * 1706.07881 sec. 3.2).
     *
     * @param q how likely each key, and then each row of the queue, is drawn, in [1e-13, 1]; they need not add up to 1, and where no row
     *     has negatives of its own a factor of all of them, such as that from counts to shares, changes nothing
     * @return as many offsets, in natural units, in [0, 30)
     * @throws IllegalArgumentException if a probability is out of range
     * @throws NullPointerException if q is null
     */
    public static float[] ofProbabilities(double... q) {
        float[] offsets = new float[q.length];
        for (int j = 0; j < q.length; j++) {
            if (!(q[j] >= LEAST_PROBABILITY && q[j] <= 1)) {
                throw Checks.invalid("q: must be in [1e-13, 1], but number %d is %s", j, q[j]);
            }
            offsets[j] = (float) (0.0 - Math.log(q[j])); // 0 of 1, and not -0
        }
        return offsets;
    }
}
