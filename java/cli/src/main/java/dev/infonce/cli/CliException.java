package dev.infonce.cli;

/** A failure that the user can do something about: printed as one line, exit code {@value CommandRunner#FAILURE}. */
public final class CliException extends Exception {
    private static final long serialVersionUID = 1L;

    /** The message names the file or option, what was found and what is allowed. */
    public CliException(String message) {
        super(message);
    }

    /** With what caused it, which --verbose shows. */
    CliException(String message, Throwable cause) {
        super(message, cause);
    }
}
