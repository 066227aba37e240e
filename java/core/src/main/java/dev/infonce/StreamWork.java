package dev.infonce;

import dev.infonce.internal.DeviceMemory;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;

/** What was enqueued on an open stream, and how much of it somebody has waited for. Thread-safe. */
final class StreamWork {
    private final DeviceMemory memory;
    private final MemorySegment handle;
    private final AtomicLong enqueued = new AtomicLong();
    private final AtomicLong awaited = new AtomicLong();
    private Lifetime lifetime;

    StreamWork(DeviceMemory memory, MemorySegment handle) {
        this.memory = memory;
        this.handle = handle;
    }

    /** What keeps the stream open. To be told once, before others see this. */
    void livesAs(Lifetime stream) {
        lifetime = stream;
    }

    /** To be called when something was enqueued, not before: who waits meanwhile may miss it. */
    void add() {
        enqueued.incrementAndGet();
    }

    /** What was enqueued so far: to be given to done when the stream got so far. */
    long added() {
        return enqueued.get();
    }

    void done(long added) {
        awaited.accumulateAndGet(added, Math::max);
    }

    /** Waits, if there is something to wait for. */
    void finish() {
        long added = added();
        if (awaited.get() < added) {
            memory.synchronize(handle);
            done(added);
        }
    }

    /** The same for a stream that another thread may be closing, which then waits itself. */
    void finishIfOpen() {
        if (awaited.get() < added() && lifetime.tryAcquire()) {
            try {
                finish();
            } finally {
                lifetime.release();
            }
        }
    }
}
