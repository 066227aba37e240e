package dev.infonce.internal.nativelib;

import dev.infonce.bindings.infonce_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * An open device of a library, and its memory.
 *
 * @param api the library
 * @param handle nce_context
 * @param hostMemory whether memory of the context is host memory, which calls then read and write in place
 */
record NativeContext(NativeApi api, MemorySegment handle, boolean hostMemory) {
    /** Not cleared, which for large workspaces would take longer than the loss. To be freed. Throws InfoNceException. */
    @SuppressWarnings("restricted")
    MemorySegment allocate(int kind, long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(infonce_h.C_POINTER);
            api.check(api.memoryAllocate(handle, kind, Math.max(1, bytes), pointer));
            return pointer.get(infonce_h.C_POINTER, 0).reinterpret(bytes);
        }
    }

    MemorySegment allocate(long bytes) {
        return allocate(infonce_h.NCE_MEMORY_CONTEXT(), bytes);
    }

    void free(int kind, MemorySegment memory) {
        api.check(api.memoryFree(handle, kind, memory));
    }

    void free(MemorySegment memory) {
        free(infonce_h.NCE_MEMORY_CONTEXT(), memory);
    }

    /** Between host memory (not the Java heap) and memory of the context, or within either; in the order of the stream. */
    void copy(MemorySegment to, MemorySegment from, long bytes, MemorySegment stream) {
        if (bytes > 0) {
            api.check(api.memoryCopy(handle, to, from, bytes, stream));
        }
    }

    /** Waits until all that was enqueued on the stream has ended. */
    void synchronize(MemorySegment stream) {
        api.check(api.streamSynchronize(handle, stream));
    }

    void close() {
        api.contextDestroy(handle);
    }
}
