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

        /** Some of the rows of matrices that come one after the other. */
        public static Input[] parts(long begin, long count, Input... all) {
            Input[] parts = new Input[all.length];
            long before = 0;
            for (int k = 0; k < all.length; k++) {
                long from = Math.clamp(begin - before, 0L, all[k].rows);
                long to = Math.clamp(begin + count - before, 0L, all[k].rows);
                parts[k] = all[k].part(from, to - from);
                before += all[k].rows;
            }
            return parts;
        }
    }

    private final MemorySegment segment;
    private final long stride;
    private final int dim;
    private final boolean add;
    private final float[] buffer;
    private final double[] sums; // of a row that is added to

    /** Rows of a matrix that the calling thread may touch. */
    public MatrixRows(Matrix matrix) {
        this(matrix, false);
    }

    /** The same, that writing may add to. */
    public MatrixRows(Matrix matrix, boolean add) {
        this.segment = matrix.segment();
        this.add = add;
        this.stride = matrix.rowStride();
        this.dim = Math.toIntExact(matrix.dim());
        this.buffer = matrix.dtype() == DType.FLOAT32 ? new float[dim] : null;
        this.sums = add ? new double[dim] : null;
    }

    /** Whether no element of a matrix is larger than most, or there is no matrix; false for a NaN. */
    public static boolean isWithin(Matrix matrix, double most) {
        if (matrix == null) {
            return true;
        }
        MatrixRows reader = new MatrixRows(matrix);
        double[] row = new double[reader.dim];
        boolean within = true;
        for (long i = 0; within && i < matrix.rows(); i++) {
            reader.read(i, row, 0);
            for (double element : row) {
                within &= Math.abs(element) <= most;
            }
        }
        return within;
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

    /** Whether a row from from (at at) is finite once it is rounded, or its sum with what is there. */
    public boolean holds(long row, double[] from, int at) {
        return add ? areHeld(summed(row, from, at), 0) : areHeld(from, at);
    }

    private boolean areHeld(double[] from, int at) {
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

    private double[] summed(long row, double[] from, int at) {
        read(row, sums, 0);
        for (int d = 0; d < dim; d++) {
            sums[d] += from[at + d];
        }
        return sums;
    }

    /** Writes a row from from (at at), or adds it to what is there, rounded once if the matrix is FLOAT32. */
    public void write(long row, double[] from, int at) {
        if (add) {
            put(row, summed(row, from, at), 0);
        } else {
            put(row, from, at);
        }
    }

    private void put(long row, double[] from, int at) {
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
