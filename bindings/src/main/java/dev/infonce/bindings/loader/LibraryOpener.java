package dev.infonce.bindings.loader;

import dev.infonce.bindings.infonce_h;
import java.io.IOException;
import java.io.Serial;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Optional;

/** Loads a file into the class loader of this class, after a look at its ABI version. */
final class LibraryOpener {
    private static final String VERSION_FUNCTION = "nce_abi_version";
    // System V ABI, "Object Files"; numbers in the byte order of the platforms that there are libraries for.
    private static final int ELF_MAGIC = 0x464c457f;
    private static final byte ELF_64_BITS = 2;
    private static final int ELF_HEADER_BYTES = 64;
    private static final int ELF_SEGMENT_BYTES = 56;

    private LibraryOpener() {}

    /** Why a file was not loaded; the message names the file. */
    static final class Refused extends Exception {
        @Serial
        private static final long serialVersionUID = 1L;

        // What glibc's dlopen says of a file system mounted with noexec.
        private static final String NO_EXEC = "failed to map segment";

        Refused(String message, Throwable cause) {
            super(message, cause);
        }

        /** Whether the file system, and not the file, is the reason. */
        boolean mayBeUsedElsewhere() {
            return getMessage().contains(NO_EXEC);
        }
    }

    /**
     * A refused library leaves no symbols behind, unless the JVM itself refused it. The first joins the class loader, and so does
     * the CPU's: the generated classes cannot be initialised, not even for a signature, before their symbols are found there.
     */
    static SymbolLookup open(LibraryKind kind, Path file) throws Refused {
        checkWhole(file);
        try (Arena arena = Arena.ofConfined()) {
            checkVersion(file, lookup(file, arena));
            if (kind == LibraryKind.CPU
                    || SymbolLookup.loaderLookup().find(VERSION_FUNCTION).isEmpty()) {
                load(file);
            }
            return lookup(file, Arena.global());
        } catch (IllegalCallerException e) {
            // No other file would fare better.
            throw new NativeLibraryException(
                    "native access is denied to infonce; start Java with --enable-native-access=" + module() + " ("
                            + e.getMessage() + ")",
                    e);
        }
    }

    private static String module() {
        Module module = LibraryOpener.class.getModule();
        return module.isNamed() ? module.getName() : "ALL-UNNAMED";
    }

    /**
     * Refuses a 64-bit ELF file that ends before its segments and section headers do, as a copy that was cut off: mapping it
     * would succeed, and reading it would kill the process. Other files are left to dlopen, which says what is wrong.
     */
    private static void checkWhole(Path file) throws Refused {
        try (FileChannel channel = FileChannel.open(file)) {
            long size = channel.size();
            ByteBuffer header = bytes(channel, 0, ELF_HEADER_BYTES);
            if (header.remaining() < ELF_HEADER_BYTES
                    || header.getInt(0) != ELF_MAGIC
                    || header.get(4) != ELF_64_BITS) {
                return;
            }
            long needed =
                    header.getLong(0x28) + (long) Short.toUnsignedInt(header.getShort(0x3A)) * header.getShort(0x3C);
            long segments = header.getLong(0x20);
            int segmentBytes = Short.toUnsignedInt(header.getShort(0x36));
            for (int i = 0; i < Short.toUnsignedInt(header.getShort(0x38)); i++) {
                ByteBuffer segment = bytes(channel, segments + (long) i * segmentBytes, ELF_SEGMENT_BYTES);
                if (segment.remaining() == ELF_SEGMENT_BYTES) {
                    needed = Math.max(needed, segment.getLong(0x08) + segment.getLong(0x20));
                }
            }
            if (needed > size) {
                throw new Refused(file + " is cut off: it has " + size + " bytes of " + needed, null);
            }
        } catch (IOException e) {
            throw new Refused(file + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** So many bytes from an offset on, or as many as there are. */
    private static ByteBuffer bytes(FileChannel channel, long offset, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
        while (offset >= 0 && bytes.hasRemaining() && channel.read(bytes, offset + bytes.position()) > 0) {}
        return bytes.flip();
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
