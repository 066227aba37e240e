package dev.infonce.internal.nativelib;

import dev.infonce.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The memory of one call at a time, kept from call to call: workspace, a dense copy in memory of the context of each matrix
 * that calls cannot use in place, the staging buffers of such copies, and the arguments that name all of it.
 */
final class CallMemory {
    private final NativeContext context;
    private final MemorySegment[] copies = new MemorySegment[NativeApi.MATRICES];
    private final MemorySegment[] staging = new MemorySegment[NativeApi.MATRICES];
    private final Arena arena = Arena.ofShared();
    private final CallMatrices matrices = new CallMatrices(this);
    private final CallArguments arguments = new CallArguments(arena);
    private MemorySegment workspace;
    private MemorySegment blockCopy;

    CallMemory(NativeContext context) {
        this.context = context;
    }

    CallMatrices matrices() {
        return matrices;
    }

    CallArguments arguments() {
        return arguments;
    }

    NativeContext context() {
        return context;
    }

    /** At least that many bytes, with any content. */
    MemorySegment workspace(long bytes) {
        workspace = atLeast(workspace, bytes);
        return workspace;
    }

    /** At least that many bytes of a context whose memory is not the host's, for its copy of the arguments' block. */
    MemorySegment blockCopy(long bytes) {
        blockCopy = atLeast(blockCopy, bytes);
        return blockCopy;
    }

    /** Room for a dense copy of a matrix, with any content. */
    MemorySegment copy(int slot, Matrix matrix) {
        copies[slot] = atLeast(copies[slot], denseBytes(matrix));
        return copies[slot];
    }

    /** Host memory of the size of such a copy, between it and a matrix that the library cannot copy from or to. */
    MemorySegment staging(int slot, Matrix matrix) {
        long bytes = denseBytes(matrix);
        if (staging[slot] == null || staging[slot].byteSize() < bytes) {
            staging[slot] = arena.allocate(bytes, 8);
        }
        return staging[slot];
    }

    static long denseBytes(Matrix matrix) {
        return matrix.rows() * matrix.dim() * matrix.dtype().bytes();
    }

    void free() {
        try (arena) {
            release(workspace);
            release(blockCopy);
            for (MemorySegment copy : copies) {
                release(copy);
            }
        }
    }

    private MemorySegment atLeast(MemorySegment memory, long bytes) {
        if (memory != null && memory.byteSize() >= bytes) {
            return memory;
        }
        MemorySegment larger = context.allocate(bytes);
        release(memory);
        return larger;
    }

    private void release(MemorySegment memory) {
        if (memory != null) {
            context.free(memory);
        }
    }
}
