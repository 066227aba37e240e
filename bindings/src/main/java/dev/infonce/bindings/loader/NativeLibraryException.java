package dev.infonce.bindings.loader;

import java.io.Serial;

/** The native library cannot be used; the message lists all that was tried and what to do. */
public final class NativeLibraryException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    NativeLibraryException(String message) {
        super(message);
    }

    NativeLibraryException(String message, Throwable cause) {
        super(message, cause);
    }
}
