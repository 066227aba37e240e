package dev.infonce.bench;

import java.io.IOException;

/** Takes each finding as soon as it is there: a run takes long, and may be ended early. */
@FunctionalInterface
interface Sink<T> {
    void add(T finding) throws IOException;
}
