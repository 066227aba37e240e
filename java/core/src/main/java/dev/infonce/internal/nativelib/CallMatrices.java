package dev.infonce.internal.nativelib;

import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import java.lang.foreign.MemorySegment;

/**
 * The matrices of one call as the library sees them: those in native memory in place, those on the heap as dense copies. A
 * matrix that is null or has no rows is a null pointer.
 */
final class CallMatrices {
    static final int QUERIES = 0;
    static final int KEYS = 1;
    static final int NEGATIVES = 2;
    static final int D_QUERIES = 3;
    static final int D_KEYS = 4;
    static final int D_NEGATIVES = 5;

    private final Matrix[] matrices = new Matrix[NativeCalls.MATRICES];
    private final MemorySegment[] pointers = new MemorySegment[NativeCalls.MATRICES];
    private final MemorySegment[] inPlace = new MemorySegment[NativeCalls.MATRICES];

    CallMatrices(Inputs in, Gradients out, CallMemory memory) {
        add(QUERIES, in.queries(), memory);
        add(KEYS, in.keys(), memory);
        add(NEGATIVES, in.negatives(), memory);
        add(D_QUERIES, out == null ? null : out.dQueries(), memory);
        add(D_KEYS, out == null ? null : out.dKeys(), memory);
        add(D_NEGATIVES, out == null ? null : out.dNegatives(), memory);
    }

    MemorySegment pointer(int slot) {
        return pointers[slot];
    }

    /** Elements, 0 for a null pointer. */
    long stride(int slot) {
        if (pointers[slot].equals(MemorySegment.NULL)) {
            return 0;
        }
        return inPlace[slot] != null ? matrices[slot].rowStride() : matrices[slot].dim();
    }

    /** The callers' segments that the library works on, with null for every other matrix. */
    MemorySegment[] inPlace() {
        return inPlace;
    }

    /** Brings gradients to the heap, after a call that succeeded. */
    void copyBack() {
        for (int slot = D_QUERIES; slot <= D_NEGATIVES; slot++) {
            if (matrices[slot] != null && inPlace[slot] == null) {
                copyRows(matrices[slot], pointers[slot], false);
            }
        }
    }

    private void add(int slot, Matrix matrix, CallMemory memory) {
        pointers[slot] = MemorySegment.NULL;
        if (matrix == null || matrix.rows() == 0) {
            return;
        }
        matrices[slot] = matrix;
        if (matrix.segment().isNative()) {
            inPlace[slot] = matrix.segment();
            pointers[slot] = matrix.segment();
            return;
        }
        pointers[slot] = memory.copy(slot, matrix);
        if (slot < D_QUERIES) {
            copyRows(matrix, pointers[slot], true);
        }
    }

    private static void copyRows(Matrix matrix, MemorySegment dense, boolean toDense) {
        long row = matrix.dim() * matrix.dtype().bytes();
        long stride = matrix.rowStride() * matrix.dtype().bytes();
        boolean whole = stride == row;
        long pieces = whole ? 1 : matrix.rows();
        long bytes = whole ? matrix.rows() * row : row;
        for (long i = 0; i < pieces; i++) {
            if (toDense) {
                MemorySegment.copy(matrix.segment(), i * stride, dense, i * row, bytes);
            } else {
                MemorySegment.copy(dense, i * row, matrix.segment(), i * stride, bytes);
            }
        }
    }
}
