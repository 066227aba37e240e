package dev.infonce.cli;

import dev.infonce.DType;
import dev.infonce.Gradients;
import dev.infonce.Matrix;
import dev.infonce.cli.npy.NpyFile;
import dev.infonce.cli.npy.NpyHeader;
import dev.infonce.cli.npy.NpyInput;
import dev.infonce.cli.npy.NpyType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Gradients as .npy files, each shaped as the input it belongs to; float64 for one in float64, else float32. */
final class GradientFiles {
    private static final List<String> NAMES = List.of("dQueries.npy", "dKeys.npy", "dNegatives.npy");
    private static final Path STANDARD_INPUT = Path.of("/dev/stdin");
    private static final long ALIGNMENT = 64;

    private GradientFiles() {}

    /**
     * Fails before anything is computed if new files cannot appear in the folder, or an input lies in the place of one.
     *
     * @param inputs names of files by the option that has them
     */
    static void check(Path folder, Map<String, String> inputs) throws CliException {
        if (folder.toString().isEmpty()) {
            throw new CliException("--gradients: the path is empty");
        }
        Path there = folder.toAbsolutePath();
        while (there.getParent() != null && Files.notExists(there, LinkOption.NOFOLLOW_LINKS)) {
            there = there.getParent();
        }
        if (!Files.isDirectory(there)) {
            throw wrong(there.equals(folder.toAbsolutePath()) ? folder : there, "is no folder");
        }
        if (!Files.isWritable(there)) {
            throw wrong(there.equals(folder.toAbsolutePath()) ? folder : there, "is not writable");
        }
        for (String name : NAMES) {
            Path file = folder.resolve(name);
            if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
                throw wrong(file, "is a folder");
            }
            for (Map.Entry<String, String> input : inputs.entrySet()) {
                if (isFileOf(input, file)) {
                    throw wrong(
                            file,
                            "is the file of " + input.getKey() + ", which is never replaced; name another folder");
                }
            }
        }
    }

    private static boolean isFileOf(Map.Entry<String, String> input, Path file) throws CliException {
        try {
            NpyInput named = NpyInput.of(input.getValue());
            Path read = named.isStandardInput() ? STANDARD_INPUT : named.file();
            return Files.exists(file) && Files.exists(read) && Files.isSameFile(read, file);
        } catch (IOException e) {
            throw new CliException(input.getKey() + ": " + CommandRunner.message(e), e);
        }
    }

    private static CliException wrong(Path file, String what) {
        return new CliException("--gradients: " + file + " " + what);
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

    /** All files or none; those of an earlier run go. */
    static void write(Path folder, LossFiles files, Gradients gradients, Arena arena) throws CliException {
        try {
            Files.createDirectories(folder);
            try (FileReplacement replacement = new FileReplacement(folder, NAMES)) {
                write(replacement, "dQueries.npy", files.queries(), gradients.dQueries(), arena);
                write(replacement, "dKeys.npy", files.keys(), gradients.dKeys(), arena);
                write(replacement, "dNegatives.npy", files.negatives(), gradients.dNegatives(), arena);
                replacement.commit();
            }
        } catch (IOException e) {
            throw new CliException("--gradients: " + CommandRunner.message(e), e);
        }
    }

    private static void write(FileReplacement replacement, String name, MatrixFile file, Matrix gradient, Arena arena)
            throws IOException {
        if (file == null) {
            return;
        }
        boolean wide = file.dtype() == DType.FLOAT64;
        NpyHeader header = new NpyHeader(
                wide ? NpyType.FLOAT64 : NpyType.FLOAT32, file.array().header().shape());
        boolean narrow = !wide && gradient.dtype() == DType.FLOAT64;
        MemorySegment data = narrow ? narrowed(gradient.segment(), arena) : gradient.segment();
        replacement.write(name, place -> NpyFile.create(place, header, data));
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
