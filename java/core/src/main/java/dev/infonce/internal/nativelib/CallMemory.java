package dev.infonce.internal.nativelib;

import dev.infonce.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The memory of one call at a time, kept from call to call: workspace, a dense copy in memory of the context of each matrix
 * that calls cannot use in place, the way stations of such copies, numbers beside the matrices, and the structs that name all
 * of it.
 */
final class CallMemory {
    private final NativeContext context;
    private final MemorySegment[] copies = new MemorySegment[NativeApi.MATRICES];
    private final MemorySegment[] stations = new MemorySegment[NativeApi.MATRICES];
    private final Arena arena = Arena.ofShared();
    private final CallMatrices matrices = new CallMatrices(this);
    private final CallScalars scalars = new CallScalars(arena);
    private final CallStructs structs = new CallStructs(arena);
    private MemorySegment workspace;
    private MemorySegment twin;

    CallMemory(NativeContext context) {
        this.context = context;
    }

    CallMatrices matrices() {
        return matrices;
    }

    CallScalars scalars() {
        return scalars;
    }

    CallStructs structs() {
        return structs;
    }

    NativeContext context() {
        return context;
    }

    /** At least that many bytes, with any content. */
    MemorySegment workspace(long bytes) {
        workspace = atLeast(workspace, bytes);
        return workspace;
    }

    /** At least that many bytes of a context whose memory is not the host's, for the block of scalars. */
    MemorySegment twin(long bytes) {
        twin = atLeast(twin, bytes);
        return twin;
    }

    /** Room for a dense copy of a matrix, with any content. The same slot has the same size in every call of a plan. */
    MemorySegment copy(int slot, Matrix matrix) {
        if (copies[slot] == null) {
            copies[slot] = context.allocate(denseBytes(matrix));
        }
        return copies[slot];
    }

    /** Host memory of the size of such a copy. */
    MemorySegment station(int slot, Matrix matrix) {
        if (stations[slot] == null) {
            stations[slot] = arena.allocate(denseBytes(matrix), 8);
        }
        return stations[slot];
    }

    static long denseBytes(Matrix matrix) {
        return matrix.rows() * matrix.dim() * matrix.dtype().bytes();
    }

    void free() {
        try (arena) {
            release(workspace);
            release(twin);
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
