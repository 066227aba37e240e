package dev.infonce;

import java.lang.foreign.MemorySegment;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/** Matrices to test with: normally distributed, from a fixed seed. */
final class Samples {
    private Samples() {}

    static Matrix heap(DType dtype, long rows, long dim, long seed) {
        return fill(Matrix.zeros(dtype, rows, dim), seed);
    }

    /** Fills a matrix with the numbers that every other one of that size and seed gets. */
    static Matrix fill(Matrix matrix, long seed) {
        if (matrix.isOnDevice()) {
            return matrix.copyFrom(heap(matrix.dtype(), matrix.rows(), matrix.dim(), seed));
        }
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        for (long i = 0; i < matrix.rows(); i++) {
            for (long j = 0; j < matrix.dim(); j++) {
                matrix.set(i, j, (float) random.nextGaussian());
            }
        }
        return matrix;
    }

    /** What a matrix holds, wherever it lies. */
    static double[] content(Matrix matrix) {
        Matrix host = Matrix.zeros(matrix.dtype(), matrix.rows(), matrix.dim());
        matrix.copyTo(host);
        return host.toDoubleArray();
    }

    /** A matrix full of a number that no result is, to see that nothing was written. */
    static Matrix sentinel(DType dtype, long rows, long dim) {
        Matrix matrix = Matrix.zeros(dtype, rows, dim);
        for (long i = 0; i < rows; i++) {
            for (long j = 0; j < dim; j++) {
                matrix.set(i, j, 12345);
            }
        }
        return matrix;
    }

    static boolean isUntouched(Matrix matrix) {
        for (double value : content(matrix)) {
            if (value != 12345) {
                return false;
            }
        }
        return true;
    }

    /** Elements from..to of a segment of floats. */
    static MemorySegment floats(MemorySegment segment, long from, long to) {
        return segment.asSlice(4 * from, 4 * (to - from));
    }
}
