package dev.infonce.bindings.loader;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The folder that this project keeps things in between runs: {@code $XDG_CACHE_HOME/infonce}, else {@code ~/.cache/infonce},
 * else, where neither can be had, {@code infonce-USER} in the folder of temporary files. It and its folders are the user's own
 * and nobody else may write to them, since libraries in them become code of the process. Every creator of anything in it goes
 * through here. Thread-safe, and safe beside other processes that do the same.
 */
public final class UserCache {
    private static final Set<PosixFilePermission> PRIVATE = PosixFilePermissions.fromString("rwx------");
    private static final String NAME = "infonce";

    private UserCache() {}

    /**
     * A private folder of the cache, created if it is not there.
     *
     * @param name one name, such as "native"
     * @return a folder that the user can write to and others cannot
     * @throws IOException if no place can be had; the message says why, place by place
     */
    public static Path folder(String name) throws IOException {
        return folder(name, System.getenv(), System.getProperty("user.home"), System.getProperty("java.io.tmpdir"));
    }

    static Path folder(String name, Map<String, String> environment, String home, String temporary) throws IOException {
        List<String> reasons = new ArrayList<>();
        Path base = base(environment, home, reasons);
        if (base != null) {
            try {
                Files.createDirectories(base);
                return privateFolder(base.resolve(NAME), name);
            } catch (IOException | InvalidPathException e) {
                reasons.add(e.toString());
            }
        }
        try {
            return temporaryFolder(name, temporary);
        } catch (IOException e) {
            reasons.add(e.toString());
        }
        throw new IOException("no folder for a cache can be had: " + String.join("; ", reasons));
    }

    /** Where {@link #folder} looks first, whether there is anything or not; null without a home. */
    static Path firstPlace(String name) {
        Path base = base(System.getenv(), System.getProperty("user.home"), new ArrayList<>());
        return base == null ? null : base.resolve(NAME).resolve(name);
    }

    private static Path base(Map<String, String> environment, String home, List<String> reasons) {
        Path base = base(environment.get("XDG_CACHE_HOME"), null, reasons);
        return base == null ? base(home, ".cache", reasons) : base;
    }

    /** A private folder where temporary files are, for what the first place does not allow, such as to run code in it. */
    static Path temporaryFolder(String name) throws IOException {
        return temporaryFolder(name, System.getProperty("java.io.tmpdir"));
    }

    private static Path temporaryFolder(String name, String temporary) throws IOException {
        Path shared;
        try {
            shared = Path.of(temporary).toAbsolutePath();
        } catch (InvalidPathException e) {
            throw new IOException(notAPath(temporary), e);
        }
        return privateFolder(shared.resolve(NAME + "-" + userName(shared)), name);
    }

    /** Null, with a reason unless there is nothing to say, if the path is not absolute or cannot be a path here. */
    private static Path base(String path, String folder, List<String> reasons) {
        if (path == null || path.isEmpty()) {
            return null;
        }
        try {
            // The XDG specification says to ignore a relative path; and a user without a home has "?".
            Path base = Path.of(path);
            if (base.isAbsolute()) {
                return folder == null ? base : base.resolve(folder);
            }
            reasons.add("'" + path + "' is not an absolute path");
        } catch (InvalidPathException e) {
            reasons.add(notAPath(path));
        }
        return null;
    }

    /** Why a text is no path in this locale, and what to do. */
    static String notAPath(String path) {
        return "'" + path + "' cannot be a path with sun.jnu.encoding=" + System.getProperty("sun.jnu.encoding")
                + "; start Java in a UTF-8 locale, such as LC_ALL=C.UTF-8";
    }

    /** The name, or the number, of the user who runs this process. */
    private static String userName(Path temporary) throws IOException {
        Path mine = Files.createTempFile(temporary, NAME, ".tmp");
        try {
            return Files.getOwner(mine, LinkOption.NOFOLLOW_LINKS).getName();
        } finally {
            Files.delete(mine);
        }
    }

    private static Path privateFolder(Path cache, String name) throws IOException {
        Path folder = cache.resolve(name);
        makePrivate(cache);
        makePrivate(folder);
        return folder;
    }

    /**
     * Creates a folder that only the user may enter, or makes one of theirs so.
     *
     * @param folder whose parent is there
     * @throws IOException if it is no folder, another user's, or cannot be written to
     */
    static void makePrivate(Path folder) throws IOException {
        if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            try {
                Files.createDirectory(folder, PosixFilePermissions.asFileAttribute(PRIVATE));
            } catch (FileAlreadyExistsException fasterProcess) {
                // What is there now is checked like any other folder.
            }
        }
        PosixFileAttributes is = attributes(folder);
        if (!is.isDirectory()) {
            throw new IOException(folder + " must be a folder, but is none");
        }
        if (!onlyWritableByOwner(is)) {
            // Fails unless the folder is the user's own. Files in it are checked by their owner and content when used.
            Files.setPosixFilePermissions(folder, PRIVATE);
        }
        Path mine = Files.createTempFile(folder, NAME, ".tmp");
        try {
            UserPrincipal user = Files.getOwner(mine, LinkOption.NOFOLLOW_LINKS);
            PosixFileAttributes now = attributes(folder);
            if (!now.isDirectory() || !now.owner().equals(user) || !onlyWritableByOwner(now)) {
                throw new IOException(
                        folder + " must be a folder of " + user + " that nobody else may write to, but is of "
                                + now.owner() + ", " + PosixFilePermissions.toString(now.permissions()));
            }
        } finally {
            Files.delete(mine);
        }
    }

    /** The user who runs this process, or null where the system does not tell. */
    static UserPrincipal user() {
        try {
            return Files.getOwner(Path.of("/proc/self"));
        } catch (IOException noLinux) {
            return null;
        }
    }

    /** Whether a path is a folder of that user that nobody else may write to. */
    static boolean isPrivate(Path folder, UserPrincipal user) {
        try {
            PosixFileAttributes is = attributes(folder);
            return is.isDirectory() && is.owner().equals(user) && onlyWritableByOwner(is);
        } catch (IOException notThere) {
            return false;
        }
    }

    static boolean onlyWritableByOwner(PosixFileAttributes is) {
        return !is.permissions().contains(PosixFilePermission.GROUP_WRITE)
                && !is.permissions().contains(PosixFilePermission.OTHERS_WRITE);
    }

    static PosixFileAttributes attributes(Path path) throws IOException {
        return Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    }
}
