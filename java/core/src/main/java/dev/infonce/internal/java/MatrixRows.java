package dev.infonce.internal.java;

import dev.infonce.DType;
import dev.infonce.Matrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Reads and writes rows of one matrix as doubles. Not for several threads at once: it has a buffer. */
final class MatrixRows {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE;

    private final MemorySegment segment;
    private final long stride;
    private final int dim;
    private final float[] buffer;

    MatrixRows(Matrix matrix) {
        this.segment = matrix.segment();
        this.stride = matrix.rowStride();
        this.dim = Math.toIntExact(matrix.dim());
        this.buffer = matrix.dtype() == DType.FLOAT32 ? new float[dim] : null;
    }

    /** Whether threads other than the caller's may touch the matrix: not so in a confined arena. */
    static boolean isShared(Matrix matrix) {
        return matrix == null || matrix.segment().isAccessibleBy(new Thread());
    }

    /** Reads a row into to (at at). Returns whether every element is finite. */
    boolean read(long row, double[] to, int at) {
        if (buffer == null) {
            MemorySegment.copy(segment, DOUBLE, row * stride * Double.BYTES, to, at, dim);
        } else {
            MemorySegment.copy(segment, FLOAT, row * stride * Float.BYTES, buffer, 0, dim);
            for (int d = 0; d < dim; d++) {
                to[at + d] = buffer[d];
            }
        }
        double zero = 0.0;
        for (int d = 0; d < dim; d++) {
            zero += to[at + d] * 0.0; // NaN for NaN and infinities
        }
        return zero == 0.0;
    }

    /** Writes a row from from (at at), rounded once if the matrix is FLOAT32. */
    void write(long row, double[] from, int at) {
        if (buffer == null) {
            MemorySegment.copy(from, at, segment, DOUBLE, row * stride * Double.BYTES, dim);
        } else {
            for (int d = 0; d < dim; d++) {
                buffer[d] = (float) from[at + d];
            }
            MemorySegment.copy(buffer, 0, segment, FLOAT, row * stride * Float.BYTES, dim);
        }
    }
}
