package dev.infonce.cli;

import dev.infonce.bindings.infonce_h;
import dev.infonce.bindings.loader.NativeLibrary;
import dev.infonce.bindings.loader.NativeLibraryException;
import java.util.LinkedHashMap;
import java.util.Map;

/** What is known about libinfonce.so on this machine. */
final class NativeLibraryReport {
    private NativeLibraryReport() {}

    /** Lines of name and text, in order. */
    static Map<String, String> lines() {
        Map<String, String> lines = new LinkedHashMap<>();
        try {
            NativeLibrary library = NativeLibrary.load();
            lines.put("file", library.file() + " (from " + library.origin() + ")");
            lines.put("version", infonce_h.nce_version().getString(0));
            lines.put(
                    "interface",
                    "version " + infonce_h.nce_abi_version() + ", this program's is " + infonce_h.NCE_ABI_VERSION());
        } catch (NativeLibraryException e) {
            lines.put("not loaded", e.getMessage());
        }
        return lines;
    }
}
