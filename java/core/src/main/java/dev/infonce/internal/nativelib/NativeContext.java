package dev.infonce.internal.nativelib;

import dev.infonce.bindings.infonce_h;
import dev.infonce.internal.DeviceMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * An open device of a library, and its memory.
 *
 * @param api the library
 * @param handle nce_context
 * @param hostMemory whether memory of the context is host memory, which calls then read and write in place
 */
record NativeContext(NativeApi api, MemorySegment handle, boolean hostMemory) implements DeviceMemory {
    private static final long CLEARED_AT_ONCE = 1L << 20;

    /** Not cleared, which for large workspaces would take longer than the loss. To be freed. */
    @Override
    @SuppressWarnings("restricted")
    public MemorySegment allocate(long bytes, boolean pinned) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(infonce_h.C_POINTER);
            api.check(api.memoryAllocate(handle, kind(pinned), Math.max(1, bytes), pointer));
            return pointer.get(infonce_h.C_POINTER, 0).reinterpret(bytes);
        }
    }

    MemorySegment allocate(long bytes) {
        return allocate(bytes, false);
    }

    @Override
    public void free(MemorySegment memory, boolean pinned) {
        api.check(api.memoryFree(handle, kind(pinned), memory));
    }

    void free(MemorySegment memory) {
        free(memory, false);
    }

    @Override
    public void copy(MemorySegment to, MemorySegment from, long bytes, MemorySegment stream) {
        if (bytes > 0) {
            api.check(api.memoryCopy(handle, to, from, bytes, stream));
        }
    }

    @Override
    public void clear(MemorySegment memory, long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment zeros = arena.allocate(Math.min(bytes, CLEARED_AT_ONCE));
            for (long done = 0; done < bytes; done += CLEARED_AT_ONCE) {
                MemorySegment to = MemorySegment.ofAddress(memory.address() + done);
                copy(to, zeros, Math.min(bytes - done, CLEARED_AT_ONCE), MemorySegment.NULL);
            }
            synchronize(MemorySegment.NULL);
        }
    }

    @Override
    public MemorySegment createStream() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(infonce_h.C_POINTER);
            api.check(api.streamCreate(handle, pointer));
            return pointer.get(infonce_h.C_POINTER, 0);
        }
    }

    @Override
    public void synchronize(MemorySegment stream) {
        api.check(api.streamSynchronize(handle, stream));
    }

    @Override
    public void destroyStream(MemorySegment stream) {
        api.check(api.streamDestroy(handle, stream));
    }

    void close() {
        api.contextDestroy(handle);
    }

    private static int kind(boolean pinned) {
        return pinned ? infonce_h.NCE_MEMORY_HOST_PINNED() : infonce_h.NCE_MEMORY_CONTEXT();
    }
}
