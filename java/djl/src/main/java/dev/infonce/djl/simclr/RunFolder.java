package dev.infonce.djl.simclr;

import dev.infonce.djl.files.AtomicFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;

/** The folder of one run, locked while the run goes on, so that no two runs write to one. For use by one thread. */
final class RunFolder implements AutoCloseable {
    private static final String CHECKPOINT = "checkpoint.bin";
    private static final String JSON = "report.json";
    private static final String HTML = "report.html";
    private static final List<String> FILES = List.of(CHECKPOINT, JSON, HTML);
    private static final String LOCK = ".lock";
    private static final DateTimeFormatter BY_TIME = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");

    private final Path folder;
    private final FileChannel lockFile;
    private final boolean isCreated;

    private RunFolder(Path folder, FileChannel lockFile, boolean isCreated) {
        this.folder = folder;
        this.lockFile = lockFile;
        this.isCreated = isCreated;
    }

    /**
     * A folder for a new run.
     *
     * @param folder is created, or is empty, unless {@code overwrite}
     * @param overwrite whether the results of an earlier run may be replaced; they stay until {@link #begin}
     * @throws IOException with a message that names the folder and the reason, if it cannot be written to, holds something,
     *     or another run is working there
     */
    static RunFolder create(Path folder, boolean overwrite) throws IOException {
        boolean isCreated = !Files.isDirectory(folder);
        if (isCreated) {
            if (Files.exists(folder)) {
                throw new IOException(folder + ": is there already, and is no folder");
            }
            createAll(folder);
        } else if (!overwrite) {
            refuseResults(folder);
        }
        RunFolder run = locked(folder, isCreated);
        try {
            if (!overwrite) {
                // Once more, as another run may have begun and ended here meanwhile.
                refuseResults(folder);
            }
            return run;
        } catch (IOException e) {
            run.close();
            throw e;
        }
    }

    private static void createAll(Path folder) throws IOException {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new IOException(folder + ": the folder cannot be created: " + AtomicFile.reason(e), e);
        }
    }

    private static void refuseResults(Path folder) throws IOException {
        if (holdsSomething(folder)) {
            throw new IOException(folder + ": is not empty; name another folder, or give --overwrite to replace the"
                    + " results of an earlier run");
        }
    }

    /**
     * A new folder that is named by the time.
     *
     * @param parent is created if it is not there
     * @param now the time; runs of one second get numbers
     * @throws IOException with a message that names the folder and the reason, if it cannot be created
     */
    static RunFolder createByTime(Path parent, LocalDateTime now) throws IOException {
        createAll(parent);
        String name = now.format(BY_TIME);
        Path folder = parent.resolve(name);
        for (int number = 2; ; number++) {
            try {
                Files.createDirectory(folder);
                return locked(folder, true);
            } catch (FileAlreadyExistsException otherRun) {
                folder = parent.resolve(name + "-" + number);
            } catch (FileSystemException e) {
                throw new IOException(folder + ": the folder cannot be created: " + AtomicFile.reason(e), e);
            }
        }
    }

    /**
     * The folder of an earlier run that is to go on.
     *
     * @throws IOException with a message that names the folder and the reason, if there is none, or another run is working
     *     there
     */
    static RunFolder resume(Path folder) throws IOException {
        if (!Files.isRegularFile(folder.resolve(CHECKPOINT))) {
            throw new IOException(
                    folder.resolve(CHECKPOINT) + ": no such file; --resume takes the folder of an earlier run");
        }
        return locked(folder, false);
    }

    private static RunFolder locked(Path folder, boolean isCreated) throws IOException {
        Path file = folder.resolve(LOCK);
        FileChannel channel;
        try {
            channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw new IOException(folder + ": cannot be written to: " + AtomicFile.reason(e), e);
        }
        RunFolder run = new RunFolder(folder, channel, isCreated);
        try {
            if (!run.lock()) {
                throw new IOException(folder + ": another run is working in this folder");
            }
            for (String name : FILES) {
                AtomicFile.tryWriting(folder.resolve(name));
            }
            return run;
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    private boolean lock() throws IOException {
        try {
            FileLock lock = lockFile.tryLock();
            return lock != null;
        } catch (OverlappingFileLockException ofThisProcess) {
            return false;
        } catch (IOException e) {
            throw new IOException(
                    folder + ": its file system cannot lock files (" + AtomicFile.reason(e)
                            + "); name a folder elsewhere with --out",
                    e);
        }
    }

    private static boolean holdsSomething(Path folder) throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) {
                if (!file.getFileName().toString().equals(LOCK)) {
                    return true;
                }
            }
            return false;
        }
    }

    /**
     * Removes what is left of a killed run, and of a run that is replaced.
     *
     * @param isNew whether the run begins anew, so that no result may stay
     */
    void begin(boolean isNew) throws IOException {
        for (String name : FILES) {
            AtomicFile.deletePartial(folder.resolve(name));
            if (isNew) {
                Files.deleteIfExists(folder.resolve(name));
            }
        }
    }

    Path path() {
        return folder;
    }

    Path checkpoint() {
        return folder.resolve(CHECKPOINT);
    }

    Path json() {
        return folder.resolve(JSON);
    }

    Path html() {
        return folder.resolve(HTML);
    }

    /** Lets others use the folder; one that was made for this run, and in which nothing was written, goes. */
    @Override
    public void close() throws IOException {
        try (lockFile) {
            if (isCreated && !holdsSomething(folder)) {
                Files.deleteIfExists(folder.resolve(LOCK));
                Files.deleteIfExists(folder);
            }
        }
    }
}
