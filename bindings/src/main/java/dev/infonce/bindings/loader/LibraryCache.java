package dev.infonce.bindings.loader;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.UserPrincipal;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/** A private folder of unpacked libraries, one folder a content. Several processes may unpack the same content at once. */
final class LibraryCache {
    private final Path folder;

    /** A folder of {@link UserCache}. */
    LibraryCache(Path folder) {
        this.folder = folder;
    }

    /**
     * Gives a file with exactly this content that an earlier run has left in folders of the user's own, or null. Nothing is
     * written, so that a cache on a file system that is read only serves too.
     */
    Path find(byte[] content, String name) throws IOException {
        byte[] hash = sha256(content);
        Path home = folder.resolve(HexFormat.of().formatHex(hash));
        UserPrincipal user = UserCache.user();
        if (user == null) {
            return null;
        }
        for (Path level : List.of(folder.getParent(), folder, home)) {
            if (!UserCache.isPrivate(level, user)) {
                return null;
            }
        }
        Path file = home.resolve(name);
        return holds(file, content, hash, user) ? file : null;
    }

    /** Gives a file with exactly this content, and writes it only if it is not there. */
    Path unpack(byte[] content, String name) throws IOException {
        byte[] hash = sha256(content);
        Path home = folder.resolve(HexFormat.of().formatHex(hash));
        UserCache.makePrivate(home);
        Path fresh = Files.createTempFile(home, name, ".tmp");
        try {
            UserPrincipal user = Files.getOwner(fresh, LinkOption.NOFOLLOW_LINKS);
            Path file = home.resolve(name);
            if (!holds(file, content, hash, user)) {
                Files.write(fresh, content);
                moveInPlace(fresh, file);
                if (!holds(file, content, hash, user)) {
                    throw new IOException(file + " does not hold what was just written there");
                }
            }
            return file;
        } finally {
            Files.deleteIfExists(fresh);
        }
    }

    /** Whether the file is the user's own and its content, by its hash, the right one. */
    private static boolean holds(Path file, byte[] content, byte[] hash, UserPrincipal user) throws IOException {
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            return false;
        }
        PosixFileAttributes is = UserCache.attributes(file);
        return is.owner().equals(user)
                && UserCache.onlyWritableByOwner(is)
                && is.size() == content.length
                && Arrays.equals(sha256(Files.readAllBytes(file)), hash);
    }

    private static void moveInPlace(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            throw new IOException(to + ": its file system cannot move files atomically", e);
        }
    }

    private static byte[] sha256(byte[] content) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(content);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
