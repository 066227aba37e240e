package dev.infonce;

import dev.infonce.internal.DeviceMemory;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.Objects;

/**
 * A queue of work of a device: what is enqueued on one stream runs in that order, and beside what is on others. From {@link
 * Device#stream()}, or of another library by {@link #wrap}. Thread-safe. Closing it, or its device, lets what was enqueued run
 * to its end.
 */
public final class Stream implements AutoCloseable {
    private final Device device;
    private final DeviceMemory memory;
    private final MemorySegment handle;
    private final Lifetime lifetime;
    private final Cleaner.Cleanable cleanable;

    private Stream(Device device, DeviceMemory memory, MemorySegment handle, Lifetime lifetime) {
        this.device = device;
        this.memory = memory;
        this.handle = handle;
        this.lifetime = lifetime;
        this.cleanable = device.whenForgotten(this, lifetime::close);
    }

    static Stream create(Device device) {
        DeviceMemory memory = device.ownMemory();
        return device.using(() -> {
            MemorySegment handle = memory.createStream();
            return new Stream(device, memory, handle, device.adopt("stream", () -> memory.destroyStream(handle)));
        });
    }

    /**
     * A stream that belongs to another library, such as the one that DJL, TensorFlow, JCuda or JavaCPP works on. It must live
     * until this one is closed, which leaves it open.
     *
     * @param device the device that the stream is of
     * @param address its {@code cudaStream_t} as a number; 0 for the default stream
     * @return the stream
     * @throws InfoNceException UNSUPPORTED if the device has no streams, as cpu and java
     * @throws IllegalStateException if the device is closed
     */
    public static Stream wrap(Device device, long address) {
        DeviceMemory memory = device.ownMemory();
        return device.using(
                () -> new Stream(device, memory, MemorySegment.ofAddress(address), device.adopt("stream", () -> {})));
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
        use(stream -> memory.synchronize(stream));
    }

    /** Closes the stream. Closing again does nothing. */
    @Override
    public void close() {
        cleanable.clean();
    }

    /** What a stream is used for. */
    interface Use {
        void with(MemorySegment stream);
    }

    /** Keeps the stream open meanwhile. */
    void use(Use use) {
        Objects.requireNonNull(use, "use");
        lifetime.acquire();
        try {
            use.with(handle);
        } finally {
            lifetime.release();
        }
    }
}
