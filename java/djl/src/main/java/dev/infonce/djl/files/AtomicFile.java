package dev.infonce.djl.files;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * Writes a file beside its place, flushes it to disk and renames it, so that at any time, through crashes and full disks, the
 * place holds a whole file, the old one or the new. Thread-safe, and safe beside other processes that write the same file.
 */
public final class AtomicFile {
    private static final String PARTIAL = ".partial";

    private AtomicFile() {}

    /** What writes a file's bytes. */
    @FunctionalInterface
    public interface Content {
        /**
         * Writes everything.
         *
         * @param out buffered; closed by the caller
         * @throws IOException if a write fails
         */
        void writeTo(OutputStream out) throws IOException;
    }

    /**
     * Puts a file in its place, instead of one that may be there.
     *
     * @param file in a folder that is there
     * @param content writes it
     * @throws IOException with a message that names the file and the reason; the place is then as it was
     */
    public static void write(Path file, Content content) throws IOException {
        Path partial = file.resolveSibling(file.getFileName() + "." + UUID.randomUUID() + PARTIAL);
        try {
            if (Files.isDirectory(file)) {
                throw new FileSystemException(file.toString(), null, "is a folder, where a file is to be written");
            }
            try (FileChannel channel =
                    FileChannel.open(partial, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16);
                content.writeTo(out);
                out.flush();
                channel.force(true);
            }
            Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
            flushNames(file.toAbsolutePath().getParent());
        } catch (IOException e) {
            throw new IOException(file + ": " + reason(e), e);
        } finally {
            Files.deleteIfExists(partial);
        }
    }

    /**
     * Puts a text in its place, in UTF-8.
     *
     * @param file in a folder that is there
     * @param text the content
     * @throws IOException as {@link #write}
     */
    public static void writeText(Path file, String text) throws IOException {
        write(file, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
    }

    /**
     * Finds out whether {@link #write} could write a file, without touching it.
     *
     * @param file in a folder that is there
     * @throws IOException with a message that names the file and the reason, if it could not
     */
    public static void tryWriting(Path file) throws IOException {
        Path probe = file.resolveSibling(file.getFileName() + "." + UUID.randomUUID() + PARTIAL);
        try {
            if (Files.isDirectory(file)) {
                throw new FileSystemException(file.toString(), null, "is a folder, where a file is to be written");
            }
            // A full disk lets files be made, but not filled.
            Files.write(probe, new byte[1], StandardOpenOption.CREATE_NEW);
        } catch (IOException e) {
            throw new IOException(file + ": " + reason(e), e);
        } finally {
            Files.deleteIfExists(probe);
        }
    }

    /**
     * Deletes what a process that was killed left of a file it was writing.
     *
     * @param file whose partial files are to go; nobody may be writing it
     * @throws IOException if one cannot be deleted
     */
    public static void deletePartial(Path file) throws IOException {
        String glob = file.getFileName() + ".????????-????-????-????-????????????" + PARTIAL;
        try (DirectoryStream<Path> leftovers =
                Files.newDirectoryStream(file.toAbsolutePath().getParent(), glob)) {
            for (Path leftover : leftovers) {
                Files.delete(leftover);
            }
        }
    }

    /**
     * Why an operation on a file failed, without the file.
     *
     * @param failure what was thrown
     * @return such as "permission denied"
     */
    public static String reason(IOException failure) {
        return switch (failure) {
            case NoSuchFileException _ -> "no such file or folder";
            case AccessDeniedException _ -> "permission denied";
            case FileAlreadyExistsException _ -> "is there already";
            case FileSystemException e when e.getReason() != null -> e.getReason();
            default -> failure.getMessage() == null ? failure.toString() : failure.getMessage();
        };
    }

    /** The rename itself; file systems that cannot flush a folder do so by themselves. */
    private static void flushNames(Path folder) {
        try (FileChannel names = FileChannel.open(folder, StandardOpenOption.READ)) {
            names.force(true);
        } catch (IOException cannotBeFlushed) {
            // The file itself is on disk, and the rename was done.
        }
    }
}
