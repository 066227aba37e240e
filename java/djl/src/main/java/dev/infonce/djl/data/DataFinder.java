package dev.infonce.djl.data;

import dev.infonce.bindings.loader.UserCache;
import dev.infonce.djl.files.AtomicFile;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Finds the Fashion-MNIST files: the folder the user named, the Debian package dataset-fashion-mnist if installed, a
 * copy of that package unpacked earlier into the user's cache, or that package downloaded and unpacked there now, which
 * needs apt and dpkg but not root.
 */
public final class DataFinder {
    private static final Path INSTALLED = Path.of("/usr/share/datasets/fashion-mnist");
    private static final String PACKAGE = "dataset-fashion-mnist";
    private static final String CACHE = "fashion-mnist";
    private static final long COMMAND_MINUTES = 5;

    private final Path installed;
    private final Path cache;
    private final Map<String, String> expected;
    private final Source source;
    private final PrintStream log;

    /** Uses the system's folder and the user's cache; progress goes to {@code log}. */
    public DataFinder(PrintStream log) {
        this(INSTALLED, null, FashionMnist.PUBLISHED, DataFinder::unpackPackage, log);
    }

    /** Gets the files from outside. */
    @FunctionalInterface
    interface Source {
        /** Puts the four files somewhere into an empty folder, and gives the folder that has them. */
        Path fetch(Path work) throws IOException;
    }

    /** Null for {@code cache} is the user's own, which is made when it is needed; {@code expected} are SHA-256 by name. */
    DataFinder(Path installed, Path cache, Map<String, String> expected, Source source, PrintStream log) {
        this.installed = installed;
        this.cache = cache;
        this.expected = expected;
        this.source = source;
        this.log = log;
    }

    /**
     * The folder that holds the four IDX files. What the user did not choose is checked to be what was published.
     *
     * @param given the user's choice, used alone if not null
     * @throws IOException with a message that says what to do, if there is no data and none can be had
     */
    public Path find(Path given) throws IOException {
        if (given != null) {
            if (!Files.isDirectory(given)) {
                throw new IOException(
                        "--data " + given + ": no such folder; it must hold the four Fashion-MNIST IDX files");
            }
            return given;
        }
        if (FashionMnist.isIn(installed)) {
            verifyInstalled();
            return installed;
        }
        Path unpacked = cache == null ? UserCache.folder(CACHE) : cache.resolve(CACHE);
        if (!isWhole(unpacked)) {
            download(unpacked);
        }
        return unpacked;
    }

    private void verifyInstalled() throws IOException {
        try {
            FashionMnist.verify(installed, expected);
        } catch (IOException e) {
            throw new IOException(
                    AtomicFile.reason(e) + "; reinstall the package " + PACKAGE + ", or pass --data FOLDER", e);
        }
    }

    private boolean isWhole(Path unpacked) {
        if (!FashionMnist.isIn(unpacked)) {
            return false;
        }
        try {
            FashionMnist.verify(unpacked, expected);
            return true;
        } catch (IOException e) {
            log.println("Fashion-MNIST: " + AtomicFile.reason(e) + "; it is fetched again");
            return false;
        }
    }

    private void download(Path target) throws IOException {
        Path folder = target.getParent();
        log.println("Fashion-MNIST: downloading the Debian package " + PACKAGE + " (31 MB) into " + folder);
        Files.createDirectories(folder);
        Path work = Files.createTempDirectory(folder, "download");
        try {
            Path data = source.fetch(work);
            FashionMnist.verify(data, expected);
            if (isWhole(target)) {
                return; // another run was faster
            }
            if (Files.exists(target)) {
                // Out of the way, and not deleted under a run that is reading it.
                Files.move(target, work.resolve("old"), StandardCopyOption.ATOMIC_MOVE);
            }
            Files.move(data, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            if (isWhole(target)) {
                return;
            }
            throw new IOException(howToHelp(AtomicFile.reason(e)), e);
        } finally {
            deleteTree(work);
        }
    }

    private static Path unpackPackage(Path work) throws IOException {
        run(work, "apt-get", "download", PACKAGE);
        Path archive = onlyDeb(work);
        run(work, "dpkg-deb", "-x", archive.getFileName().toString(), "unpacked");
        Path data = work.resolve("unpacked").resolve(Path.of("/").relativize(INSTALLED));
        if (!FashionMnist.isIn(data)) {
            throw new IOException(PACKAGE + " does not hold the four IDX files in " + INSTALLED);
        }
        return data;
    }

    private static String howToHelp(String cause) {
        return "Fashion-MNIST was not found and could not be downloaded ("
                + cause
                + "). Either install the Debian package (apt-get update; apt-get install "
                + PACKAGE
                + "), or put train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and"
                + " t10k-labels-idx1-ubyte (plain or .gz) into a folder and pass --data FOLDER.";
    }

    private static Path onlyDeb(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(f -> f.getFileName().toString().endsWith(".deb"))
                    .findFirst()
                    .orElseThrow(() -> new IOException("apt-get download left no .deb file"));
        }
    }

    private static void run(Path folder, String... command) throws IOException {
        Path output = folder.resolve("output.txt");
        Process process = new ProcessBuilder(List.of(command))
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            if (!process.waitFor(COMMAND_MINUTES, TimeUnit.MINUTES)) {
                throw new IOException(command[0] + " did not end within " + COMMAND_MINUTES + " minutes");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(command[0] + " was interrupted", e);
        } finally {
            process.destroyForcibly();
        }
        if (process.exitValue() != 0) {
            String text = Files.readString(output, StandardCharsets.UTF_8).strip();
            throw new IOException(String.join(" ", command) + " ended with " + process.exitValue() + ": " + text);
        }
    }

    private static void deleteTree(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
