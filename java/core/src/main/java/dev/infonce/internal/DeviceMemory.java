package dev.infonce.internal;

import java.lang.foreign.MemorySegment;

/**
 * Memory of a device that Java cannot reach, and the streams that work is enqueued on. The null address is the default stream,
 * which is ordered with no other.
 * Thread-safe. Everything throws InfoNceException.
 */
public interface DeviceMemory {
    /** Memory with any content, to be freed: of the device, or pinned memory of the host. The segment has so many bytes. */
    MemorySegment allocate(long bytes, boolean pinned);

    /** Frees what allocate gave, after all that was enqueued has ended. */
    void free(MemorySegment memory, boolean pinned);

    /** Enqueues a copy between host memory (not the Java heap) and memory of the device, or within either. */
    void copy(MemorySegment to, MemorySegment from, long bytes, MemorySegment stream);

    /** Makes bytes of device memory zero, and waits for it. */
    void clear(MemorySegment memory, long bytes);

    /** To be closed with destroyStream. */
    MemorySegment createStream();

    /** Waits until all that was enqueued on the stream has ended. */
    void synchronize(MemorySegment stream);

    /** Closes what createStream gave. */
    void destroyStream(MemorySegment stream);
}
