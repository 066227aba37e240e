package dev.infonce.bench;

import java.util.SplittableRandom;

/** The inputs that every engine gets: Gaussian queries, and keys that are queries with noise; the same numbers each time. */
public final class Samples {
    private static final long SEED = 1;
    private static final long NOISE_SEED = 2;

    private Samples() {}

    /** Takes one number. */
    public interface Sink {
        /** Number i of a dense matrix, row-major. */
        void put(long i, float value);
    }

    /** Numbers of the queries. */
    public static void queries(long count, Sink sink) {
        SplittableRandom random = new SplittableRandom(SEED);
        for (long i = 0; i < count; i++) {
            sink.put(i, (float) random.nextGaussian());
        }
    }

    /** Numbers of the keys. */
    public static void keys(long count, Sink sink) {
        SplittableRandom random = new SplittableRandom(SEED);
        SplittableRandom noise = new SplittableRandom(NOISE_SEED);
        for (long i = 0; i < count; i++) {
            sink.put(i, (float) (random.nextGaussian() + noise.nextGaussian()));
        }
    }
}
