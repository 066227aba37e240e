package dev.infonce;

import dev.infonce.internal.DeviceMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * Bytes in memory of a device, which Java can only copy: scalars and arrays beside the matrices of a {@link Plan#enqueue}, and
 * its workspace. From {@link Device#allocateBuffer} or {@link Device#buffer(double...)}, whose memory belongs to the device, or
 * of another library by {@link #ofPointer}. Thread-safe, as far as copies do not meet.
 */
public final class DeviceBuffer {
    private final Device device;
    private final MemorySegment segment;
    private final long bytes;

    DeviceBuffer(Device device, MemorySegment segment, long bytes) {
        this.device = device;
        this.segment = segment;
        this.bytes = bytes;
    }

    /**
     * Memory that another library has on the device. It must live as long as the buffer is used.
     *
     * @param device the device that the memory is of
     * @param address the device pointer
     * @param bytes its size, 1 or more
     * @return a view; nothing is copied
     * @throws IllegalArgumentException if address is 0, or bytes less than 1
     * @throws InfoNceException UNSUPPORTED if the device works on host memory, as cpu and java
     */
    public static DeviceBuffer ofPointer(Device device, long address, long bytes) {
        device.ownMemory();
        Checks.argument(address != 0, "address: must be a device pointer, but got 0");
        Checks.range("bytes", bytes, 1, Long.MAX_VALUE);
        return new DeviceBuffer(device, MemorySegment.ofAddress(address), bytes);
    }

    /**
     * The size.
     *
     * @return bytes
     */
    public long bytes() {
        return bytes;
    }

    /**
     * The device that the memory is of.
     *
     * @return the device
     */
    public Device device() {
        return device;
    }

    /**
     * Where it lies: the address is a device pointer, and the segment has no bytes that Java could touch.
     *
     * @return a segment of length 0
     */
    public MemorySegment segment() {
        return segment;
    }

    /**
     * Writes the first bytes after all that was enqueued on the device's streams, and waits for it.
     *
     * @param host what to write; a segment of the heap or of native memory
     * @return this
     * @throws IllegalArgumentException if it is longer than the buffer
     * @throws IllegalStateException if either memory is closed
     */
    public DeviceBuffer copyFrom(MemorySegment host) {
        long size = fitting(host);
        DeviceMemory memory = device.ownMemory();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment from = host.isNative()
                    ? host
                    : arena.allocate(Math.max(1, size), 8).copyFrom(host);
            device.using(() -> {
                device.finishStreams();
                memory.copy(segment, from, size, MemorySegment.NULL);
                memory.synchronize(MemorySegment.NULL);
                return null;
            });
        }
        return this;
    }

    /**
     * Enqueues a write of the first bytes. The host memory must stay as it is until that was done.
     *
     * @param host what to write; native memory, best pinned
     * @param stream of the same device
     * @return this
     * @throws IllegalArgumentException if it is longer than the buffer, or on the heap
     * @throws IllegalStateException if the stream or either memory is closed
     */
    public DeviceBuffer copyFrom(MemorySegment host, Stream stream) {
        long size = fitting(host);
        asynchronous(host, stream);
        stream.enqueue(handle -> device.ownMemory().copy(segment, host, size, handle));
        return this;
    }

    /**
     * Reads the first bytes after all that was enqueued on the device's streams, and waits for it.
     *
     * @param host where to write them, as many as it has; a segment of the heap or of native memory
     * @throws IllegalArgumentException if it is longer than the buffer
     * @throws IllegalStateException if either memory is closed
     */
    public void copyTo(MemorySegment host) {
        long size = fitting(host);
        DeviceMemory memory = device.ownMemory();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment to = host.isNative() ? host : arena.allocate(Math.max(1, size), 8);
            device.using(() -> {
                device.finishStreams();
                memory.copy(to, segment, size, MemorySegment.NULL);
                memory.synchronize(MemorySegment.NULL);
                return null;
            });
            if (to != host) {
                host.copyFrom(to.asSlice(0, size));
            }
        }
    }

    /**
     * Enqueues a read of the first bytes, which are there once the stream got so far.
     *
     * @param host where to write them, as many as it has; native memory, best pinned
     * @param stream of the same device
     * @throws IllegalArgumentException if it is longer than the buffer, or on the heap
     * @throws IllegalStateException if the stream or either memory is closed
     */
    public void copyTo(MemorySegment host, Stream stream) {
        long size = fitting(host);
        asynchronous(host, stream);
        stream.enqueue(handle -> device.ownMemory().copy(host, segment, size, handle));
    }

    /**
     * The content as doubles, after all that was enqueued on the device's streams.
     *
     * @return bytes / 8 numbers
     */
    public double[] toDoubleArray() {
        double[] copy = new double[Math.toIntExact(bytes / Double.BYTES)];
        copyTo(MemorySegment.ofArray(copy));
        return copy;
    }

    /**
     * The content as floats, after all that was enqueued on the device's streams.
     *
     * @return bytes / 4 numbers
     */
    public float[] toFloatArray() {
        float[] copy = new float[Math.toIntExact(bytes / Float.BYTES)];
        copyTo(MemorySegment.ofArray(copy));
        return copy;
    }

    /** The size and the device. */
    @Override
    public String toString() {
        return bytes + " bytes of device " + device.name();
    }

    private long fitting(MemorySegment host) {
        Objects.requireNonNull(host, "host");
        alive();
        Checks.argument(host.byteSize() <= bytes, "host: must be at most %d bytes, but got %d", bytes, host.byteSize());
        return host.byteSize();
    }

    private void asynchronous(MemorySegment host, Stream stream) {
        Checks.argument(host.isNative(), "host: must be native memory to be copied later, but is on the Java heap");
        Checks.argument(
                stream.device() == device, "stream: must be of the buffer's device, but is of %s", stream.device());
    }

    void alive() {
        if (!segment.scope().isAlive()) {
            throw new IllegalStateException("buffer: its arena or device is closed");
        }
    }
}
