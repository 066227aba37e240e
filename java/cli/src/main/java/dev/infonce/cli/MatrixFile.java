package dev.infonce.cli;

import dev.infonce.DType;
import dev.infonce.Matrix;
import dev.infonce.cli.npy.NpyArray;
import dev.infonce.cli.npy.NpyFile;
import dev.infonce.cli.npy.NpyHeader;
import dev.infonce.cli.npy.NpyType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/**
 * Embeddings in a .npy file: float32 or float64, two dimensions, or three (N x M x D) seen as N*M rows.
 *
 * @param option the command-line option that named the file, for messages
 */
record MatrixFile(String option, NpyArray array) {
    /** Maps the file; null if the option was not given. */
    static MatrixFile read(String option, Path path, int maxDimensions, Arena arena) throws IOException, CliException {
        if (path == null) {
            return null;
        }
        NpyArray array = NpyFile.read(path, arena);
        MatrixFile matrix = new MatrixFile(option, array);
        NpyHeader header = array.header();
        if (!header.type().isMatrixType()) {
            throw matrix.wrong("has elements of type '" + header.type().descriptor()
                    + "'; allowed are float32 ('<f4') and float64 ('<f8')");
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

    NpyType type() {
        return array.header().type();
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

    /** The file's memory as a matrix, or a widened copy if {@code dtype} is not the file's. */
    Matrix matrix(DType dtype, Arena arena) {
        boolean asIs = type() == NpyType.FLOAT32 ? dtype == DType.FLOAT32 : dtype == DType.FLOAT64;
        return Matrix.of(asIs ? array.data() : widened(arena), dtype, rows(), dim());
    }

    private MemorySegment widened(Arena arena) {
        long elements = array.header().elements();
        MemorySegment wide = arena.allocate(ValueLayout.JAVA_DOUBLE, elements);
        for (long i = 0; i < elements; i++) {
            wide.setAtIndex(ValueLayout.JAVA_DOUBLE, i, array.data().getAtIndex(ValueLayout.JAVA_FLOAT, i));
        }
        return wide;
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
