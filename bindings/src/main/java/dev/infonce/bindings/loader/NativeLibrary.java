package dev.infonce.bindings.loader;

import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.List;

/**
 * Finds and loads libinfonce.so, once for the class loader of this class, which the generated classes share: they look symbols
 * up among the libraries of their loader, so call {@link #load} before the first of them is used.
 *
 * <p>Where it looks, in this order:
 *
 * <ol>
 *   <li>the system property {@code infonce.library.path}, a file or a folder; if it is set, nothing else is tried;
 *   <li>the resource META-INF/native/linux-x86_64/libinfonce.so, unpacked into {@code $XDG_CACHE_HOME/infonce/native} (or
 *       {@code ~/.cache/infonce/native}), a folder of the user's own;
 *   <li>build/native of the source tree that this class was built in.
 * </ol>
 *
 * <p>{@code -Dinfonce.native=off} hides them all.
 */
public final class NativeLibrary {
    /** Names the library's file or folder. */
    public static final String PATH_PROPERTY = "infonce.library.path";

    /** Hides the library if it is "off". */
    public static final String SWITCH_PROPERTY = "infonce.native";

    private static final String FILE = "libinfonce.so";
    private static final String PLATFORM = "linux-x86_64";
    private static final String RESOURCE = "/META-INF/native/" + PLATFORM + "/" + FILE;
    private static final String REMEDY = "Set -D" + PATH_PROPERTY + "=FILE to a libinfonce.so that fits.";

    private static NativeLibrary loaded;
    private static NativeLibraryException failure;

    private final Path file;
    private final String origin;

    private NativeLibrary(Path file, String origin) {
        this.file = file;
        this.origin = origin;
    }

    /**
     * Loads the library, or says again how that went before.
     *
     * @return the library, of this ABI version
     * @throws NativeLibraryException if there is none that can be used
     */
    public static synchronized NativeLibrary load() {
        if (failure != null) {
            throw new NativeLibraryException(failure.getMessage(), failure);
        }
        if (loaded == null) {
            try {
                loaded = find();
            } catch (NativeLibraryException e) {
                failure = e;
                throw e;
            }
        }
        return loaded;
    }

    /**
     * Whether the user hides the library.
     *
     * @return true for -Dinfonce.native=off
     */
    public static boolean isSwitchedOff() {
        return "off".equals(System.getProperty(SWITCH_PROPERTY));
    }

    /**
     * The file that was loaded.
     *
     * @return an absolute path
     */
    public Path file() {
        return file;
    }

    /**
     * Where the file came from.
     *
     * @return such as "the jar"
     */
    public String origin() {
        return origin;
    }

    private static NativeLibrary find() {
        String wanted = System.getProperty(SWITCH_PROPERTY, "on");
        if (wanted.equals("off")) {
            throw new NativeLibraryException("the native library is switched off by -D" + SWITCH_PROPERTY + "=off");
        }
        if (!wanted.equals("on")) {
            throw new NativeLibraryException("-D" + SWITCH_PROPERTY + " must be on or off, but is '" + wanted + "'");
        }
        String path = System.getProperty(PATH_PROPERTY);
        if (path != null) {
            return fromProperty(path);
        }
        List<String> tried = new ArrayList<>();
        String platform = platform();
        if (!platform.equals(PLATFORM)) {
            tried.add("the jar has a library for " + PLATFORM + " only, and this is " + platform);
        } else {
            NativeLibrary library = fromResource(tried);
            if (library != null) {
                return library;
            }
        }
        NativeLibrary library = fromBuildFolder(tried);
        if (library != null) {
            return library;
        }
        throw new NativeLibraryException("no usable native library: " + String.join("; ", tried) + ". " + REMEDY);
    }

    private static NativeLibrary fromProperty(String path) {
        String what = "-D" + PATH_PROPERTY + "=" + path;
        Path file = Path.of(path).toAbsolutePath();
        if (Files.isDirectory(file)) {
            file = file.resolve(FILE);
        }
        if (!Files.isRegularFile(file)) {
            throw new NativeLibraryException(what + ": there is no file " + file + ". Nothing else was tried.");
        }
        try {
            LibraryOpener.open(file);
        } catch (LibraryOpener.Refused e) {
            throw new NativeLibraryException(what + ": " + e.getMessage() + ". Nothing else was tried.", e);
        }
        return new NativeLibrary(file, "-D" + PATH_PROPERTY);
    }

    private static NativeLibrary fromResource(List<String> tried) {
        Path file;
        try (InputStream resource = NativeLibrary.class.getResourceAsStream(RESOURCE)) {
            if (resource == null) {
                tried.add("the jar was built without " + RESOURCE.substring(1));
                return null;
            }
            file = LibraryCache.ofUser().unpack(resource.readAllBytes(), FILE);
        } catch (IOException e) {
            tried.add("the jar's library could not be unpacked: " + e);
            return null;
        }
        return opened(file, "the jar", tried);
    }

    private static NativeLibrary fromBuildFolder(List<String> tried) {
        Path root = sourceTree();
        if (root == null) {
            tried.add("this is not run from a source tree, which could have a build/native");
            return null;
        }
        Path file = root.resolve("build").resolve("native").resolve(FILE);
        if (!Files.isRegularFile(file)) {
            tried.add("there is no file " + file);
            return null;
        }
        return opened(file, "the build folder", tried);
    }

    private static NativeLibrary opened(Path file, String origin, List<String> tried) {
        try {
            LibraryOpener.open(file);
            return new NativeLibrary(file, origin);
        } catch (LibraryOpener.Refused e) {
            tried.add(origin + "'s library: " + e.getMessage());
            return null;
        }
    }

    /** The root of the source tree if these classes lie in bindings/target of one, else null. */
    private static Path sourceTree() {
        CodeSource source = NativeLibrary.class.getProtectionDomain().getCodeSource();
        if (source == null || !"file".equals(source.getLocation().getProtocol())) {
            return null;
        }
        Path classes;
        try {
            classes = Path.of(source.getLocation().toURI());
        } catch (URISyntaxException e) {
            return null;
        }
        Path target = classes.getParent();
        if (target == null || target.getParent() == null || !target.endsWith(Path.of("bindings", "target"))) {
            return null;
        }
        Path root = target.getParent().getParent();
        return root != null && Files.isRegularFile(root.resolve("native/include/infonce.h")) ? root : null;
    }

    private static String platform() {
        String system = System.getProperty("os.name").startsWith("Linux") ? "linux" : System.getProperty("os.name");
        String processor = System.getProperty("os.arch");
        return system + "-" + (processor.equals("amd64") ? "x86_64" : processor);
    }
}
