package dev.infonce.cli;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;

/**
 * Replaces a set of files in a folder: either all new ones stand there and old ones that have no successor are gone, or all is
 * as it was. What a killed process leaves are files with a dot before their name.
 */
final class FileReplacement implements AutoCloseable {
    private final Path folder;
    private final List<String> names;
    /** Apart from other processes, which may have the same number in another container. */
    private final String suffix =
            String.format(".%016x", RandomGenerator.getDefault().nextLong());

    private final Map<String, Path> written = new LinkedHashMap<>();

    /** The names of all files of the set. */
    FileReplacement(Path folder, List<String> names) {
        this.folder = folder;
        this.names = names;
    }

    /** Writes to a place where no file is. */
    interface Writer {
        void write(Path place) throws IOException;
    }

    /**
     * Writes the new file of that name beside the place where it will stand.
     *
     * @throws IOException that names the file
     */
    void write(String name, Writer writer) throws IOException {
        Path place = folder.resolve("." + name + suffix + ".new");
        place.toFile().deleteOnExit();
        written.put(name, place);
        try {
            writer.write(place);
        } catch (FileSystemException e) {
            throw new FileSystemException(folder.resolve(name).toString(), null, "cannot be written: " + e.getReason());
        } catch (IOException e) {
            throw new FileSystemException(
                    folder.resolve(name).toString(), null, "cannot be written: " + e.getMessage());
        }
    }

    /** Puts the new files in the place of the old ones. */
    void commit() throws IOException {
        Map<Path, Path> aside = new LinkedHashMap<>();
        List<Path> placed = new ArrayList<>();
        try {
            for (String name : names) {
                Path file = folder.resolve(name);
                if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
                    throw new FileSystemException(file.toString(), null, "is a folder");
                }
                if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
                    Path old = folder.resolve("." + name + suffix + ".old");
                    Files.move(file, old, StandardCopyOption.ATOMIC_MOVE);
                    aside.put(file, old);
                }
            }
            for (Map.Entry<String, Path> file : written.entrySet()) {
                Path place = folder.resolve(file.getKey());
                Files.move(file.getValue(), place, StandardCopyOption.ATOMIC_MOVE);
                placed.add(place);
            }
        } catch (IOException | RuntimeException | Error e) {
            undo(placed, aside, e);
            throw e;
        }
        for (Path old : aside.values()) {
            Files.delete(old);
        }
    }

    private static void undo(List<Path> placed, Map<Path, Path> aside, Throwable reason) {
        try {
            for (Path file : placed) {
                Files.delete(file);
            }
            for (Map.Entry<Path, Path> file : aside.entrySet()) {
                Files.move(file.getValue(), file.getKey(), StandardCopyOption.ATOMIC_MOVE);
            }
        } catch (IOException e) {
            reason.addSuppressed(e);
        }
    }

    /** Deletes new files that were not put in place. */
    @Override
    public void close() throws IOException {
        for (Path file : written.values()) {
            Files.deleteIfExists(file);
        }
    }
}
