package dev.infonce;

import java.util.Arrays;

/**
 * The streams of a device that are open. What goes by the default stream, as copies that wait and calls that wait do, comes after
 * what was enqueued on them: the device itself orders them with nothing but themselves. Thread-safe.
 */
final class OpenStreams {
    private static final StreamWork[] NONE = {};

    // An array that is replaced, so that waiting makes no object.
    private volatile StreamWork[] open = NONE;

    synchronized void add(StreamWork work) {
        StreamWork[] more = Arrays.copyOf(open, open.length + 1);
        more[open.length] = work;
        open = more;
    }

    synchronized void remove(StreamWork work) {
        open = Arrays.stream(open).filter(other -> other != work).toArray(StreamWork[]::new);
    }

    /** Waits for all that was enqueued so far. */
    void finish() {
        for (StreamWork work : open) {
            work.finishIfOpen();
        }
    }
}
