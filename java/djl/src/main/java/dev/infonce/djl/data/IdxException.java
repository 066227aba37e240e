package dev.infonce.djl.data;

import java.io.IOException;
import java.nio.file.Path;

/** An IDX file that is not what it should be; the message names the file, what was found and what is allowed. */
public final class IdxException extends IOException {
    private static final long serialVersionUID = 1L;

    IdxException(Path file, String problem) {
        super(file + ": " + problem);
    }
}
