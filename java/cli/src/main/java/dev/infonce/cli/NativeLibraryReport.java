package dev.infonce.cli;

import dev.infonce.bindings.infonce_h;
import dev.infonce.bindings.loader.LibraryKind;
import dev.infonce.bindings.loader.NativeLibrary;
import dev.infonce.bindings.loader.NativeLibraryException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** What is known about the native libraries on this machine. */
final class NativeLibraryReport {
    private NativeLibraryReport() {}

    /** Lines of name and text, in order. */
    static Map<String, String> lines() {
        Map<String, String> lines = new LinkedHashMap<>();
        boolean any = false;
        for (LibraryKind kind : LibraryKind.values()) {
            String name = kind.name().toLowerCase(Locale.ROOT);
            try {
                NativeLibrary library = NativeLibrary.load(kind);
                lines.put(name, library.file() + " (from " + library.origin() + ")");
                any = true;
            } catch (NativeLibraryException e) {
                lines.put(name, "not loaded: " + e.getMessage());
            }
        }
        if (any) {
            lines.put("version", infonce_h.nce_version().getString(0));
            lines.put("interface", "version " + infonce_h.nce_abi_version() + ", as this program's");
        }
        return lines;
    }
}
