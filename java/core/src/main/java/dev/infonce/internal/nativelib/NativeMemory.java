package dev.infonce.internal.nativelib;

import dev.infonce.bindings.infonce_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory of a context. Unlike an arena's it is not cleared, which for large workspaces takes longer than the loss. */
final class NativeMemory {
    private NativeMemory() {}

    /** To be freed with free. Throws InfoNceException, such as OUT_OF_MEMORY. */
    @SuppressWarnings("restricted")
    static MemorySegment allocate(MemorySegment context, long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(infonce_h.C_POINTER);
            NativeStatus.check(infonce_h.nce_memory_allocate(
                    context, infonce_h.NCE_MEMORY_CONTEXT(), Math.max(1, bytes), pointer));
            return pointer.get(infonce_h.C_POINTER, 0).reinterpret(bytes);
        }
    }

    static void free(MemorySegment context, MemorySegment memory) {
        NativeStatus.check(infonce_h.nce_memory_free(context, infonce_h.NCE_MEMORY_CONTEXT(), memory));
    }
}
