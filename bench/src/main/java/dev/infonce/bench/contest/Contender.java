package dev.infonce.bench.contest;

import java.nio.FloatBuffer;

/** A problem opened in an engine: inputs and places for gradients are there, calls can be timed. */
public interface Contender extends AutoCloseable {
    /** Engine, version and settings, in a line. */
    String description();

    /** One timed call, with everything that a training step would need of it. */
    double step();

    /** The gradient by the queries of the last step. */
    FloatBuffer dQueries();

    /** The gradient by the keys of the last step; null for one tower. */
    FloatBuffer dKeys();

    @Override
    void close();
}
