package dev.infonce.cli.npy;

import java.io.IOException;

/** A file that is not a .npy file this program reads. The message names the file, what was found and what is allowed. */
public final class NpyException extends IOException {
    private static final long serialVersionUID = 1L;

    NpyException(String message) {
        super(message);
    }
}
