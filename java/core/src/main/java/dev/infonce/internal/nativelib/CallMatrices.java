package dev.infonce.internal.nativelib;

import dev.infonce.DeviceInputs;
import dev.infonce.DeviceOutputs;
import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The matrices of one call at a time as the library sees them: those in memory of the context in place, all others as dense copies.
 * A matrix that is null or has no rows is a null pointer.
 */
final class CallMatrices {
    static final int QUERIES = 0;
    static final int KEYS = 1;
    static final int NEGATIVES = 2;
    static final int QUEUE = 3;
    static final int D_QUERIES = 4;
    static final int D_KEYS = 5;
    static final int D_NEGATIVES = 6;

    private final CallMemory memory;
    private final Matrix[] matrices = new Matrix[NativeApi.MATRICES];
    private final MemorySegment[] pointers = new MemorySegment[NativeApi.MATRICES];
    private final MemorySegment[] inPlace = new MemorySegment[NativeApi.MATRICES];
    private boolean addsToGradients;

    /** Memory for copies; null if every matrix lies in memory of the context. */
    CallMatrices(CallMemory memory) {
        this.memory = memory;
    }

    /** add: what gradients hold is read too. */
    void take(Inputs in, Gradients out, boolean add) {
        addsToGradients = add;
        add(QUERIES, in.queries());
        add(KEYS, in.keys());
        add(NEGATIVES, in.negatives());
        add(QUEUE, in.queue());
        add(D_QUERIES, out == null ? null : out.dQueries());
        add(D_KEYS, out == null ? null : out.dKeys());
        add(D_NEGATIVES, out == null ? null : out.dNegatives());
    }

    /** Matrices that lie in memory of the context, all of them. */
    void take(DeviceInputs in, DeviceOutputs out) {
        add(QUERIES, in.queries());
        add(KEYS, in.keys());
        add(NEGATIVES, in.negatives());
        add(QUEUE, in.queue());
        add(D_QUERIES, out.dQueries());
        add(D_KEYS, out.dKeys());
        add(D_NEGATIVES, out.dNegatives());
    }

    /** Holds on to nothing of the caller's. */
    void forget() {
        Arrays.fill(matrices, null);
        Arrays.fill(pointers, MemorySegment.NULL);
        Arrays.fill(inPlace, null);
    }

    MemorySegment pointer(int slot) {
        return pointers[slot];
    }

    /** Elements, 0 for a null pointer. */
    long stride(int slot) {
        if (matrices[slot] == null) {
            return 0;
        }
        return inPlace[slot] != null ? matrices[slot].rowStride() : matrices[slot].dim();
    }

    /** The callers' segments that the library works on, with null for every other matrix. */
    MemorySegment[] inPlace() {
        return inPlace;
    }

    /** Brings gradients to where the caller wants them, after a call that succeeded. */
    void copyBack() {
        NativeContext context = memory.context();
        for (int slot = D_QUERIES; slot <= D_NEGATIVES; slot++) {
            Matrix matrix = matrices[slot];
            if (matrix == null || inPlace[slot] != null) {
                continue;
            }
            if (context.hostMemory()) {
                copyRows(matrix, pointers[slot], false);
                continue;
            }
            MemorySegment staging = isDenseNative(matrix) ? matrix.segment() : memory.staging(slot, matrix);
            context.copy(staging, pointers[slot], CallMemory.denseBytes(matrix), MemorySegment.NULL);
            context.synchronize(MemorySegment.NULL);
            if (staging != matrix.segment()) {
                copyRows(matrix, staging, false);
            }
        }
    }

    private void add(int slot, Matrix matrix) {
        matrices[slot] = null;
        inPlace[slot] = null;
        pointers[slot] = MemorySegment.NULL;
        if (matrix == null || matrix.rows() == 0) {
            return;
        }
        matrices[slot] = matrix;
        if (matrix.isOnDevice()
                || memory.context().hostMemory() && matrix.segment().isNative()) {
            inPlace[slot] = matrix.segment();
            pointers[slot] = matrix.segment();
            return;
        }
        NativeContext context = memory.context();
        pointers[slot] = memory.copy(slot, matrix);
        if (slot >= D_QUERIES && !addsToGradients) {
            return;
        }
        if (context.hostMemory()) {
            copyRows(matrix, pointers[slot], true);
            return;
        }
        MemorySegment staging = matrix.segment();
        if (!isDenseNative(matrix)) {
            staging = memory.staging(slot, matrix);
            copyRows(matrix, staging, true);
        }
        context.copy(pointers[slot], staging, CallMemory.denseBytes(matrix), MemorySegment.NULL);
    }

    private static boolean isDenseNative(Matrix matrix) {
        return matrix.segment().isNative() && matrix.rowStride() == matrix.dim();
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
