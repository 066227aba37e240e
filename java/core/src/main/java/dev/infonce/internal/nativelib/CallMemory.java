package dev.infonce.internal.nativelib;

import dev.infonce.Matrix;
import java.lang.foreign.MemorySegment;

/**
 * The memory of one call at a time: workspace, and a native copy of each matrix that lies on the heap. Kept from call to call.
 */
final class CallMemory {
    private final MemorySegment context;
    private final MemorySegment[] copies = new MemorySegment[NativeCalls.MATRICES];
    private MemorySegment workspace;

    CallMemory(MemorySegment context) {
        this.context = context;
    }

    /** Exactly that many bytes, with any content. */
    MemorySegment workspace(long bytes) {
        if (workspace == null || workspace.byteSize() < bytes) {
            if (workspace != null) {
                MemorySegment small = workspace;
                workspace = null;
                NativeMemory.free(context, small);
            }
            workspace = NativeMemory.allocate(context, bytes);
        }
        return workspace.asSlice(0, bytes);
    }

    /** Room for a dense copy of a matrix, with any content. The same slot has the same size in every call of a plan. */
    MemorySegment copy(int slot, Matrix matrix) {
        if (copies[slot] == null) {
            copies[slot] = NativeMemory.allocate(
                    context, matrix.rows() * matrix.dim() * matrix.dtype().bytes());
        }
        return copies[slot];
    }

    void free() {
        try {
            if (workspace != null) {
                NativeMemory.free(context, workspace);
            }
        } finally {
            for (MemorySegment copy : copies) {
                if (copy != null) {
                    NativeMemory.free(context, copy);
                }
            }
        }
    }
}
