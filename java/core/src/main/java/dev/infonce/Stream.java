package dev.infonce;

import dev.infonce.internal.DeviceMemory;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.Objects;

/**
 * A queue of work of a device: what is enqueued on one stream runs in that order, and beside what is on others. Whatever waits for
 * its own end without naming a stream (calls of a {@link Plan} but {@link Plan#enqueue}, copies and reads of matrices and buffers)
 * comes after all that was enqueued on the open streams of its device. From {@link Device#stream()}, or of another library by
 * {@link #wrap}. Thread-safe. Closing it, or its device, waits for what was enqueued.
 */
public final class Stream implements AutoCloseable {
    private final Device device;
    private final DeviceMemory memory;
    private final MemorySegment handle;
    private final StreamWork work;
    private final Lifetime lifetime;
    private final Cleaner.Cleanable cleanable;

    /** close is what remains to be done when all work has ended. */
    private Stream(Device device, DeviceMemory memory, MemorySegment handle, Runnable close) {
        this.device = device;
        this.memory = memory;
        this.handle = handle;
        StreamWork enqueued = new StreamWork(memory, handle);
        OpenStreams streams = device.streams();
        this.work = enqueued;
        this.lifetime = device.adopt("stream", () -> {
            try {
                enqueued.finish();
            } finally {
                streams.remove(enqueued);
                close.run();
            }
        });
        work.livesAs(lifetime);
        streams.add(work);
        this.cleanable = device.whenForgotten(this, lifetime::close);
    }

    static Stream create(Device device) {
        DeviceMemory memory = device.ownMemory();
        return device.using(() -> {
            MemorySegment handle = memory.createStream();
            return new Stream(device, memory, handle, () -> memory.destroyStream(handle));
        });
    }

    /**
     * A stream that belongs to another library, such as the one that DJL, TensorFlow, JCuda or JavaCPP works on. It must live
     * until this one is closed, which leaves it open but waits for what was enqueued by way of this one: so wrap it once, not for
     * each call. What others enqueue on it is theirs to wait for.
     *
     * @param device the device that the stream is of
     * @param address its {@code cudaStream_t} as a number; 0 for the default stream, which does not wait for streams of {@link
     *     Device#stream()}, nor they for it
     * @return the stream
     * @throws InfoNceException UNSUPPORTED if the device has no streams, as cpu and java
     * @throws IllegalStateException if the device is closed
     */
    public static Stream wrap(Device device, long address) {
        DeviceMemory memory = device.ownMemory();
        return device.using(() -> new Stream(device, memory, MemorySegment.ofAddress(address), () -> {}));
    }

    /**
     * The device that the stream is of.
     *
     * @return the device
     */
    public Device device() {
        return device;
    }

    /**
     * The stream as other libraries know it.
     *
     * @return its {@code cudaStream_t} as a number
     */
    public long address() {
        return handle.address();
    }

    /**
     * Waits until all that was enqueued has ended.
     *
     * @throws InfoNceException DEVICE_ERROR if something that was enqueued went wrong
     * @throws IllegalStateException if the stream is closed
     */
    public void synchronize() {
        await(memory::synchronize);
    }

    /**
     * Waits for what was enqueued, and closes the stream. Closing again does nothing.
     *
     * @throws InfoNceException DEVICE_ERROR if something that was enqueued went wrong; the stream is closed then, too
     */
    @Override
    public void close() {
        cleanable.clean();
    }

    /** What a stream is used for. */
    interface Use {
        void with(MemorySegment stream);
    }

    /** Enqueues something. Keeps the stream open meanwhile. */
    void enqueue(Use use) {
        Objects.requireNonNull(use, "use");
        lifetime.acquire();
        try {
            use.with(handle);
        } finally {
            work.add();
            lifetime.release();
        }
    }

    /** Waits by something that waits for the stream. Keeps the stream open meanwhile. */
    void await(Use use) {
        Objects.requireNonNull(use, "use");
        lifetime.acquire();
        try {
            long added = work.added();
            use.with(handle);
            work.done(added);
        } finally {
            lifetime.release();
        }
    }
}
