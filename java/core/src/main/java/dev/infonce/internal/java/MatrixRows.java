package dev.infonce.internal.java;

import dev.infonce.DType;
import dev.infonce.Matrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Reads and writes rows of one matrix as doubles. Not for several threads at once: it has a buffer. */
public final class MatrixRows {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE;

    /** Rows that calls read, from first on, and what messages call their matrix; it may be null if there are no rows. */
    public record Input(String name, Matrix matrix, long first, long rows) {
        /** All rows of a matrix, or of null. */
        public static Input of(String name, Matrix matrix) {
            return new Input(name, matrix, 0, matrix == null ? 0 : matrix.rows());
        }

        /** Some of these rows. */
        public Input part(long begin, long count) {
            return new Input(name, matrix, first + begin, count);
        }
    }

    private final MemorySegment segment;
    private final long stride;
    private final int dim;
    private final float[] buffer;

    /** Rows of a matrix that the calling thread may touch. */
    public MatrixRows(Matrix matrix) {
        this.segment = matrix.segment();
        this.stride = matrix.rowStride();
        this.dim = Math.toIntExact(matrix.dim());
        this.buffer = matrix.dtype() == DType.FLOAT32 ? new float[dim] : null;
    }

    /** Whether threads other than the caller's may touch the matrix: not so in a confined arena. */
    public static boolean isShared(Matrix matrix) {
        return matrix == null || matrix.segment().isAccessibleBy(new Thread());
    }

    /** Reads a row into to (at at). Returns whether every element is finite. */
    public boolean read(long row, double[] to, int at) {
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

    /** Whether a row from from (at at) is finite once it is rounded. */
    public boolean holds(double[] from, int at) {
        double zero = 0.0;
        if (buffer == null) {
            for (int d = 0; d < dim; d++) {
                zero += from[at + d] * 0.0;
            }
        } else {
            for (int d = 0; d < dim; d++) {
                zero += (float) from[at + d] * 0.0;
            }
        }
        return zero == 0.0;
    }

    /** Writes a row from from (at at), rounded once if the matrix is FLOAT32. */
    public void write(long row, double[] from, int at) {
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
