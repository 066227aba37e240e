package dev.infonce.bindings.loader;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.SymbolLookup;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Finds and loads the libraries of {@link LibraryKind}, each once. The symbols of each are found by {@link #symbols()}. The
 * functions of the generated classes are those of any library that was loaded before their first use, so that beside constants,
 * layouts and descriptors only what all libraries answer alike is to be used of them.
 *
 * <p>Where it looks, in this order:
 *
 * <ol>
 *   <li>the system property {@code infonce.library.path}, a folder, or the CPU library's file with the others beside it; if it
 *       is set, nothing else is tried;
 *   <li>the resource META-INF/native/linux-x86_64 with the file's name, unpacked into the folder "native" of {@link UserCache};
 *   <li>build/native and build/device of the source tree that this class was built in.
 * </ol>
 *
 * <p>{@code -Dinfonce.native=off} hides them all.
 */
public final class NativeLibrary {
    /** Names the library's file or folder. */
    public static final String PATH_PROPERTY = "infonce.library.path";

    /** Hides the library if it is "off". */
    public static final String SWITCH_PROPERTY = "infonce.native";

    private static final String PLATFORM = "linux-x86_64";
    private static final String RESOURCES = "/META-INF/native/" + PLATFORM + "/";
    private static final String JAR = "the jar";
    private static final String CACHE = "native";
    private static final List<String> BUILD_FOLDERS = List.of("native", "device");

    private static final Map<LibraryKind, NativeLibrary> LOADED = new EnumMap<>(LibraryKind.class);
    private static final Map<LibraryKind, NativeLibraryException> FAILURES = new EnumMap<>(LibraryKind.class);

    private final Path file;
    private final String origin;
    private final SymbolLookup symbols;

    private NativeLibrary(Path file, String origin, SymbolLookup symbols) {
        this.file = file;
        this.origin = origin;
        this.symbols = symbols;
    }

    /**
     * Loads the CPU library, or says again how that went before.
     *
     * @return the library, of this ABI version
     * @throws NativeLibraryException if there is none that can be used
     */
    public static NativeLibrary load() {
        return load(LibraryKind.CPU);
    }

    /**
     * Loads a library, or says again how that went before.
     *
     * @param kind which
     * @return the library, of this ABI version
     * @throws NativeLibraryException if there is none that can be used
     */
    public static synchronized NativeLibrary load(LibraryKind kind) {
        NativeLibraryException failure = FAILURES.get(kind);
        if (failure != null) {
            throw new NativeLibraryException(failure.getMessage(), failure);
        }
        NativeLibrary library = LOADED.get(kind);
        if (library == null) {
            try {
                library = find(kind);
            } catch (NativeLibraryException e) {
                FAILURES.put(kind, e);
                throw e;
            } catch (RuntimeException | LinkageError e) {
                // Whatever a platform comes up with is a reason to do without the library, not to fail.
                NativeLibraryException unforeseen =
                        new NativeLibraryException("no usable " + kind.fileName() + ": " + e + ". " + remedy(kind), e);
                FAILURES.put(kind, unforeseen);
                throw unforeseen;
            }
            LOADED.put(kind, library);
        }
        return library;
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

    /**
     * What the library exports.
     *
     * @return a lookup that never ends
     */
    public SymbolLookup symbols() {
        return symbols;
    }

    /**
     * What a user can do where no library is found.
     *
     * @param kind which is missing
     * @return a sentence
     */
    public static String remedy(LibraryKind kind) {
        return "Set -D" + PATH_PROPERTY + "=FOLDER to one with a " + kind.fileName() + " that fits.";
    }

    private static NativeLibrary find(LibraryKind kind) {
        String wanted = System.getProperty(SWITCH_PROPERTY, "on");
        if (wanted.equals("off")) {
            throw new NativeLibraryException("the native library is switched off by -D" + SWITCH_PROPERTY + "=off");
        }
        if (!wanted.equals("on")) {
            throw new NativeLibraryException("-D" + SWITCH_PROPERTY + " must be on or off, but is '" + wanted + "'");
        }
        String path = System.getProperty(PATH_PROPERTY);
        if (path != null) {
            return fromProperty(kind, path);
        }
        List<String> tried = new ArrayList<>();
        String platform = platform();
        if (!platform.equals(PLATFORM)) {
            tried.add("the jar has libraries for " + PLATFORM + " only, and this is " + platform);
        } else {
            NativeLibrary library = fromResource(kind, tried);
            if (library != null) {
                return library;
            }
        }
        NativeLibrary library = fromBuildFolder(kind, tried);
        if (library != null) {
            return library;
        }
        throw new NativeLibraryException(
                "no usable " + kind.fileName() + ": " + String.join("; ", tried) + ". " + remedy(kind));
    }

    private static NativeLibrary fromProperty(LibraryKind kind, String path) {
        String what = "-D" + PATH_PROPERTY + "=" + path;
        Path file;
        try {
            file = Path.of(path).toAbsolutePath();
        } catch (InvalidPathException e) {
            throw new NativeLibraryException(what + ": " + UserCache.notAPath(path) + ". Nothing else was tried.", e);
        }
        if (Files.isDirectory(file)) {
            file = file.resolve(kind.fileName());
        } else if (kind != LibraryKind.CPU) {
            file = file.resolveSibling(kind.fileName());
        }
        if (!Files.isRegularFile(file)) {
            throw new NativeLibraryException(what + ": there is no file " + file + ". Nothing else was tried.");
        }
        try {
            return new NativeLibrary(file, "-D" + PATH_PROPERTY, LibraryOpener.open(kind, file));
        } catch (LibraryOpener.Refused e) {
            throw new NativeLibraryException(what + ": " + e.getMessage() + ". Nothing else was tried.", e);
        }
    }

    private static NativeLibrary fromResource(LibraryKind kind, List<String> tried) {
        String resourceName = RESOURCES + kind.fileName();
        try (InputStream resource = NativeLibrary.class.getResourceAsStream(resourceName)) {
            if (resource == null) {
                tried.add("the jar was built without " + resourceName.substring(1));
                return null;
            }
            byte[] content = resource.readAllBytes();
            Path file = unpacked(content, kind.fileName());
            try {
                return new NativeLibrary(file, JAR, LibraryOpener.open(kind, file));
            } catch (LibraryOpener.Refused e) {
                tried.add(JAR + "'s library: " + e.getMessage());
                if (!e.mayBeUsedElsewhere()) {
                    return null;
                }
            }
            file = new LibraryCache(UserCache.temporaryFolder(CACHE)).unpack(content, kind.fileName());
            return opened(kind, file, JAR, tried);
        } catch (IOException e) {
            tried.add("the jar's library could not be unpacked: " + e);
            return null;
        }
    }

    private static Path unpacked(byte[] content, String name) throws IOException {
        Path place = UserCache.firstPlace(CACHE);
        Path file = place == null ? null : new LibraryCache(place).find(content, name);
        return file == null ? new LibraryCache(UserCache.folder(CACHE)).unpack(content, name) : file;
    }

    private static NativeLibrary fromBuildFolder(LibraryKind kind, List<String> tried) {
        Path root = sourceTree();
        if (root == null) {
            tried.add("this is not run from a source tree, which could have a build/native");
            return null;
        }
        for (String folder : BUILD_FOLDERS) {
            Path file = root.resolve("build").resolve(folder).resolve(kind.fileName());
            if (Files.isRegularFile(file)) {
                return opened(kind, file, "the build folder", tried);
            }
            tried.add("there is no file " + file);
        }
        return null;
    }

    private static NativeLibrary opened(LibraryKind kind, Path file, String origin, List<String> tried) {
        try {
            return new NativeLibrary(file, origin, LibraryOpener.open(kind, file));
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
        } catch (URISyntaxException | InvalidPathException e) {
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
