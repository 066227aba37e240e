package dev.infonce.cli.npy;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * Where an array comes from: a file or a pipe by its path, an array of a .npz archive as {@code FILE.npz:NAME}, or standard
 * input as {@code -}. Files are read, not mapped: a mapped one that another process cuts off ends the JVM.
 *
 * @param text what the user wrote
 * @param file the file, or null for standard input
 * @param member the name of the array in an archive, or null
 */
public record NpyInput(String text, Path file, String member) {
    private static final String STANDARD_INPUT = "-";
    private static final String ARCHIVE = ".npz";
    private static final int NAMES_IN_MESSAGE = 20;

    /**
     * Reads what the user wrote; a colon belongs to the path where there is such a file.
     *
     * @throws NpyException if it cannot be the name of a file
     */
    public static NpyInput of(String text) throws NpyException {
        if (text.isEmpty()) {
            throw new NpyException("the path is empty");
        }
        if (text.equals(STANDARD_INPUT)) {
            return new NpyInput(text, null, null);
        }
        Path whole = path(text);
        int colon = text.indexOf(ARCHIVE + ":");
        if (colon < 0 || Files.exists(whole)) {
            return new NpyInput(text, whole, null);
        }
        int end = colon + ARCHIVE.length();
        return new NpyInput(text, path(text.substring(0, end)), text.substring(end + 1));
    }

    private static Path path(String text) throws NpyException {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new NpyException(text + ": no file can have this name where the locale's characters are "
                    + System.getProperty("sun.jnu.encoding") + "; LC_ALL=C.UTF-8 has them all");
        }
    }

    /** Whether this is standard input, which can be read but once. */
    public boolean isStandardInput() {
        return file == null;
    }

    /**
     * Reads the array.
     *
     * @param arena how long the data live
     * @throws NpyException if there is no .npy array that this program reads, whole and with nothing behind the data
     * @throws IOException if it cannot be read
     */
    public NpyArray read(Arena arena) throws IOException {
        if (isStandardInput()) {
            return named(
                    "standard input",
                    () -> new NpyReader("standard input", Channels.newChannel(System.in))
                            .read(NpyReader.UNKNOWN, arena));
        }
        return named(text, () -> member == null ? fromFile(arena) : fromArchive(arena));
    }

    private NpyArray fromFile(Arena arena) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
        if (attributes.isDirectory()) {
            throw new NpyException(text + ": is a folder");
        }
        if (attributes.isRegularFile() && attributes.size() > 0) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
                return new NpyReader(text, channel).read(channel.size(), arena);
            }
        }
        // A pipe, or a file of /proc, which has a size of 0 whatever it holds.
        try (InputStream in = Files.newInputStream(file)) {
            return new NpyReader(text, Channels.newChannel(in)).read(NpyReader.UNKNOWN, arena);
        }
    }

    private NpyArray fromArchive(Arena arena) throws IOException {
        // A ZipFile says of some failures to open the archive no more than its name.
        Files.newInputStream(file).close();
        try (ZipFile archive = new ZipFile(file.toFile())) {
            ZipEntry entry = archive.getEntry(member + ".npy");
            if (entry == null) {
                entry = archive.getEntry(member);
            }
            if (entry == null || entry.isDirectory()) {
                throw new NpyException(file + ": has no array '" + member + "'; " + names(archive));
            }
            try (InputStream in = archive.getInputStream(entry)) {
                return new NpyReader(text, Channels.newChannel(in)).read(NpyReader.UNKNOWN, arena);
            }
        } catch (ZipException e) {
            throw new NpyException(file + ": is no .npz archive, or a damaged one: " + e.getMessage());
        }
    }

    private static String names(ZipFile archive) {
        List<String> names = archive.stream()
                .map(entry -> entry.getName().replaceFirst("\\.npy$", ""))
                .limit(NAMES_IN_MESSAGE + 1L)
                .toList();
        if (names.isEmpty()) {
            return "it has none";
        }
        return names.stream().limit(NAMES_IN_MESSAGE).collect(Collectors.joining(", ", "it has ", ""))
                + (names.size() > NAMES_IN_MESSAGE ? ", ..." : "");
    }

    @FunctionalInterface
    private interface Reading {
        NpyArray array() throws IOException;
    }

    /** The reason of every failure goes with the name. */
    private NpyArray named(String name, Reading reading) throws IOException {
        try {
            return reading.array();
        } catch (NoSuchFileException e) {
            throw file != null && Files.isSymbolicLink(file)
                    ? new NpyException(name + ": is a symbolic link to " + Files.readSymbolicLink(file)
                            + ", and there is no such file")
                    : e;
        } catch (NpyException | FileSystemException e) {
            throw e;
        } catch (IOException e) {
            throw new NpyException(name + ": cannot be read: " + e.getMessage());
        }
    }
}
