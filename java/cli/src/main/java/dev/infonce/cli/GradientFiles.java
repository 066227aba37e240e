package dev.infonce.cli;

import dev.infonce.DType;
import dev.infonce.Gradients;
import dev.infonce.Matrix;
import dev.infonce.cli.npy.NpyFile;
import dev.infonce.cli.npy.NpyType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

/** Gradients as .npy files, each shaped and typed as the input it belongs to. */
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

    static Gradients allocate(LossFiles files, Arena arena) {
        return new Gradients(
                allocate(files.queries(), files.dtype(), arena),
                allocate(files.keys(), files.dtype(), arena),
                allocate(files.negatives(), files.dtype(), arena));
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
        boolean narrow = file.type() == NpyType.FLOAT32 && gradient.dtype() == DType.FLOAT64;
        MemorySegment data = narrow ? narrowed(gradient.segment(), arena) : gradient.segment();
        NpyFile.write(path, file.array().header(), data);
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
