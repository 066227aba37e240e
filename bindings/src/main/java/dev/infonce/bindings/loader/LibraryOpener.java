package dev.infonce.bindings.loader;

import dev.infonce.bindings.infonce_h;
import java.io.Serial;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Optional;

/** Loads a file into the class loader of this class, after a look at its ABI version. */
final class LibraryOpener {
    private static final String VERSION_FUNCTION = "nce_abi_version";

    private LibraryOpener() {}

    /** Why a file was not loaded; the message names the file. */
    static final class Refused extends Exception {
        @Serial
        private static final long serialVersionUID = 1L;

        Refused(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /**
     * A refused library leaves no symbols behind, unless the JVM itself refused it. The first joins the class loader, and so does
     * the CPU's: the generated classes cannot be initialised, not even for a signature, before their symbols are found there.
     */
    static SymbolLookup open(LibraryKind kind, Path file) throws Refused {
        try (Arena arena = Arena.ofConfined()) {
            checkVersion(file, lookup(file, arena));
            if (kind == LibraryKind.CPU
                    || SymbolLookup.loaderLookup().find(VERSION_FUNCTION).isEmpty()) {
                load(file);
            }
            return lookup(file, Arena.global());
        } catch (IllegalCallerException e) {
            throw new Refused("native access is denied to infonce (--enable-native-access): " + e.getMessage(), e);
        }
    }

    @SuppressWarnings("restricted")
    private static SymbolLookup lookup(Path file, Arena arena) throws Refused {
        try {
            return SymbolLookup.libraryLookup(file, arena);
        } catch (IllegalArgumentException e) {
            // A lookup hides what dlopen said; the JVM's own loader tells.
            load(file);
            throw new Refused(file + " cannot be opened: " + e.getMessage(), e);
        }
    }

    @SuppressWarnings("restricted")
    private static void load(Path file) throws Refused {
        try {
            System.load(file.toString());
        } catch (UnsatisfiedLinkError e) {
            throw new Refused(file + " cannot be loaded: " + e.getMessage(), e);
        }
    }

    @SuppressWarnings("restricted")
    private static void checkVersion(Path file, SymbolLookup symbols) throws Refused {
        Optional<MemorySegment> function = symbols.find(VERSION_FUNCTION);
        if (function.isEmpty()) {
            throw new Refused(file + " is not libinfonce: it has no " + VERSION_FUNCTION, null);
        }
        int version;
        try {
            version = (int) Linker.nativeLinker()
                    .downcallHandle(function.get(), FunctionDescriptor.of(ValueLayout.JAVA_INT))
                    .invokeExact();
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(VERSION_FUNCTION + " cannot throw", e);
        }
        int expected = infonce_h.NCE_ABI_VERSION();
        if (version != expected) {
            throw new Refused(
                    file + " has ABI version " + version + ", but this version of infonce needs " + expected, null);
        }
    }
}
