package dev.infonce;

import java.io.Serial;
import java.util.Objects;

/**
 * A failure that only a device could tell. What can be told from the arguments alone is an {@link IllegalArgumentException},
 * and a closed plan, device or arena an {@link IllegalStateException}. Outputs of the failed call are untouched,
 * but where {@link Status#NON_FINITE} tells of a gradient.
 */
public final class InfoNceException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    /** Why the call failed. */
    private final Status status;

    /**
     * Makes a failure.
     *
     * @param status why
     * @param message which argument, what was given and what is allowed
     */
    public InfoNceException(Status status, String message) {
        this(status, message, null);
    }

    /**
     * Makes a failure that another one caused.
     *
     * @param status why
     * @param message which argument, what was given and what is allowed
     * @param cause the other one, or null
     */
    public InfoNceException(Status status, String message, Throwable cause) {
        super(message, cause);
        this.status = Objects.requireNonNull(status, "status");
    }

    /**
     * Why the call failed.
     *
     * @return never {@link Status#OK}
     */
    public Status status() {
        return status;
    }
}
