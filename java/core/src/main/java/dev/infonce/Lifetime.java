package dev.infonce;

/**
 * Counts who uses a resource, so that closing it while others use it is safe: the resource is disposed of by whoever is last.
 * Thread-safe; nothing waits.
 */
final class Lifetime {
    private final String what;
    private final Runnable dispose;
    private long users = 1;
    private boolean closed;

    /** The owner is the first user. dispose runs once, and must not refer to the owner. */
    Lifetime(String what, Runnable dispose) {
        this.what = what;
        this.dispose = dispose;
    }

    /** To be paired with release. */
    synchronized void acquire() {
        if (closed) {
            throw new IllegalStateException(what + " is closed");
        }
        users++;
    }

    /** The same, but false if it is closed. */
    synchronized boolean tryAcquire() {
        if (!closed) {
            users++;
        }
        return !closed;
    }

    void release() {
        boolean last;
        synchronized (this) {
            last = --users == 0;
        }
        if (last) {
            dispose.run();
        }
    }

    /** Lets nobody in any more. Closing again does nothing. */
    void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        release();
    }
}
