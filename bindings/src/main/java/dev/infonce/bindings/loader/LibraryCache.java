package dev.infonce.bindings.loader;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/**
 * A folder of unpacked libraries, one folder a content. Nobody but the user may write into it, since what lies there becomes
 * code of the process. Several processes may unpack the same content at once.
 */
final class LibraryCache {
    private static final Set<PosixFilePermission> PRIVATE = PosixFilePermissions.fromString("rwx------");

    private final Path folder;

    LibraryCache(Path folder) {
        this.folder = folder;
    }

    /** $XDG_CACHE_HOME/infonce/native, or ~/.cache/infonce/native. */
    static LibraryCache ofUser() {
        String base = System.getenv("XDG_CACHE_HOME");
        // The XDG specification says to ignore a relative path.
        Path cache = base != null && Path.of(base).isAbsolute()
                ? Path.of(base)
                : Path.of(System.getProperty("user.home"), ".cache");
        return new LibraryCache(cache.resolve("infonce").resolve("native"));
    }

    /** Gives a file with exactly this content, and writes it only if it is not there. */
    Path unpack(byte[] content, String name) throws IOException {
        Path home = folder.resolve(HexFormat.of().formatHex(sha256(content)));
        Files.createDirectories(folder.getParent().getParent());
        for (Path level : List.of(folder.getParent(), folder, home)) {
            createPrivate(level);
        }
        Path fresh = Files.createTempFile(home, name, ".tmp");
        try {
            UserPrincipal user = Files.getOwner(fresh, LinkOption.NOFOLLOW_LINKS);
            for (Path level : List.of(folder.getParent(), folder, home)) {
                checkPrivate(level, user);
            }
            Path file = home.resolve(name);
            if (!holds(file, content, user)) {
                Files.write(fresh, content);
                moveInPlace(fresh, file);
                if (!holds(file, content, user)) {
                    throw new IOException(file + " does not hold what was just written there");
                }
            }
            return file;
        } finally {
            Files.deleteIfExists(fresh);
        }
    }

    private static void createPrivate(Path level) throws IOException {
        if (Files.exists(level, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try {
            Files.createDirectory(level, PosixFilePermissions.asFileAttribute(PRIVATE));
        } catch (FileAlreadyExistsException fasterProcess) {
            // What is there now is checked like any other folder.
        }
    }

    private static void checkPrivate(Path level, UserPrincipal user) throws IOException {
        PosixFileAttributes is = attributes(level);
        if (!is.isDirectory() || !onlyWritableBy(user, is)) {
            throw new IOException(level + " must be a folder of " + user + " that nobody else may write to, but is "
                    + (is.isDirectory() ? "a folder" : "no folder") + " of " + is.owner() + ", "
                    + PosixFilePermissions.toString(is.permissions()));
        }
    }

    /** Whether the file is the user's own and its content, by its hash, the right one. */
    private static boolean holds(Path file, byte[] content, UserPrincipal user) throws IOException {
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            return false;
        }
        PosixFileAttributes is = attributes(file);
        return onlyWritableBy(user, is)
                && is.size() == content.length
                && Arrays.equals(sha256(Files.readAllBytes(file)), sha256(content));
    }

    private static boolean onlyWritableBy(UserPrincipal user, PosixFileAttributes is) {
        return is.owner().equals(user)
                && !is.permissions().contains(PosixFilePermission.GROUP_WRITE)
                && !is.permissions().contains(PosixFilePermission.OTHERS_WRITE);
    }

    private static void moveInPlace(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            throw new IOException(to + ": its file system cannot move files atomically", e);
        }
    }

    private static PosixFileAttributes attributes(Path path) throws IOException {
        return Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    }

    private static byte[] sha256(byte[] content) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(content);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
