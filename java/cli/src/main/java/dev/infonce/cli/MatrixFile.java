package dev.infonce.cli;

import dev.infonce.DType;
import dev.infonce.Matrix;
import dev.infonce.cli.npy.NpyArray;
import dev.infonce.cli.npy.NpyHeader;
import java.lang.foreign.Arena;

/**
 * Embeddings in a .npy file: floating-point numbers, two dimensions, or three (N x M x D) seen as N*M rows.
 *
 * @param option the command-line option that named the file, for messages
 */
record MatrixFile(String option, NpyArray array) {
    /** Reads the file; null if the option was not given. */
    static MatrixFile read(String option, String name, int maxDimensions, Arena arena) throws CliException {
        if (name == null) {
            return null;
        }
        MatrixFile matrix = new MatrixFile(option, LossFiles.array(option, name, arena));
        NpyHeader header = matrix.array.header();
        if (!header.type().isFloat()) {
            throw matrix.wrong("has elements of type " + header.type().word()
                    + "; allowed are float16, bfloat16, float32 and float64");
        }
        if (header.dimensions() < 2 || header.dimensions() > maxDimensions) {
            throw matrix.wrong("has " + header.dimensions() + " dimension" + (header.dimensions() == 1 ? "" : "s")
                    + " (" + header.shapeText() + "); allowed are 2" + (maxDimensions == 3 ? " or 3" : ""));
        }
        if (matrix.dim() == 0) {
            throw matrix.wrong("has rows of no numbers (" + header.shapeText() + ")");
        }
        return matrix;
    }

    /** The type of its elements. */
    DType dtype() {
        return switch (array.header().type()) {
            case FLOAT16 -> DType.FLOAT16;
            case BFLOAT16 -> DType.BFLOAT16;
            case FLOAT32 -> DType.FLOAT32;
            case FLOAT64 -> DType.FLOAT64;
            case BOOL, INT8, UINT8, INT16, UINT16, INT32, UINT32, INT64, UINT64 ->
                throw new IllegalStateException("a matrix has no integers");
        };
    }

    int dimensions() {
        return array.header().dimensions();
    }

    /** Size of the slowest dimension. */
    long first() {
        return array.size(0);
    }

    /** Numbers a row. */
    long dim() {
        return array.size(dimensions() - 1);
    }

    long rows() {
        return dimensions() == 3 ? Math.multiplyExact(first(), array.size(1)) : first();
    }

    /** What was read as a matrix, or a copy if {@code dtype}, which holds all its numbers, is another. */
    Matrix matrix(DType dtype, Arena arena) {
        if (dtype == dtype()) {
            return Matrix.of(array.data(), dtype, rows(), dim());
        }
        Matrix copy = Matrix.of(
                arena.allocate(Math.multiplyExact(array.header().elements(), dtype.bytes()), dtype.bytes()),
                dtype,
                rows(),
                dim());
        for (long row = 0; row < rows(); row++) {
            for (long column = 0; column < dim(); column++) {
                copy.set(row, column, array.get(row * dim() + column));
            }
        }
        return copy;
    }

    void requireDim(MatrixFile other) throws CliException {
        if (dim() != other.dim()) {
            throw wrong("has rows of " + dim() + " numbers, those of " + other.option + " have " + other.dim());
        }
    }

    void requireRows(long wanted, String reason) throws CliException {
        if (first() != wanted) {
            throw wrong("has shape " + array.header().shapeText() + "; allowed are " + wanted + " rows, " + reason);
        }
    }

    CliException wrong(String what) {
        return new CliException(option + ": " + array.file() + " " + what);
    }
}
