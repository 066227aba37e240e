package dev.infonce.cli;

import dev.infonce.DType;
import dev.infonce.Gradients;
import dev.infonce.Matrix;
import dev.infonce.cli.npy.NpyFile;
import dev.infonce.cli.npy.NpyHeader;
import dev.infonce.cli.npy.NpyType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

/** Gradients as .npy files, each shaped as the input it belongs to; float64 for one in float64, else float32. */
final class GradientFiles {
    private static final long ALIGNMENT = 64;

    private GradientFiles() {}

    /** Fails before anything is computed if the folder cannot become one with new files in it. */
    static void checkFolder(Path folder) throws CliException {
        if (Files.exists(folder) && !Files.isDirectory(folder)) {
            throw new CliException("--gradients: " + folder + " is no folder");
        }
        if (Files.exists(folder) && !Files.isWritable(folder)) {
            throw new CliException("--gradients: " + folder + " is not writable");
        }
    }

    /** Of the type that a plan of {@code dtype} writes. */
    static Gradients allocate(LossFiles files, DType dtype, Arena arena) {
        DType type = dtype == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
        return new Gradients(
                allocate(files.queries(), type, arena),
                allocate(files.keys(), type, arena),
                allocate(files.negatives(), type, arena));
    }

    private static Matrix allocate(MatrixFile file, DType dtype, Arena arena) {
        if (file == null) {
            return null;
        }
        long bytes = Math.multiplyExact(file.array().header().elements(), dtype.bytes());
        return Matrix.of(arena.allocate(bytes, ALIGNMENT), dtype, file.rows(), file.dim());
    }

    static void write(Path folder, LossFiles files, Gradients gradients, Arena arena) throws IOException {
        Files.createDirectories(folder);
        write(folder.resolve("dQueries.npy"), files.queries(), gradients.dQueries(), arena);
        write(folder.resolve("dKeys.npy"), files.keys(), gradients.dKeys(), arena);
        write(folder.resolve("dNegatives.npy"), files.negatives(), gradients.dNegatives(), arena);
    }

    private static void write(Path path, MatrixFile file, Matrix gradient, Arena arena) throws IOException {
        if (file == null) {
            return;
        }
        boolean wide = file.dtype() == DType.FLOAT64;
        NpyHeader header = new NpyHeader(
                wide ? NpyType.FLOAT64 : NpyType.FLOAT32, file.array().header().shape());
        boolean narrow = !wide && gradient.dtype() == DType.FLOAT64;
        NpyFile.write(path, header, narrow ? narrowed(gradient.segment(), arena) : gradient.segment());
    }

    private static MemorySegment narrowed(MemorySegment wide, Arena arena) {
        long elements = wide.byteSize() / Double.BYTES;
        MemorySegment data = arena.allocate(ValueLayout.JAVA_FLOAT, elements);
        for (long i = 0; i < elements; i++) {
            data.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) wide.getAtIndex(ValueLayout.JAVA_DOUBLE, i));
        }
        return data;
    }
}
