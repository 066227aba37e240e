package dev.infonce.djl.simclr;

import java.io.PrintStream;
import java.util.EnumMap;
import java.util.Map;
import org.jline.utils.Signals;

/**
 * Ctrl-C, and SIGTERM, by which batch systems and containers end a process: the first asks the training loop to end after its
 * step, the second ends the process at once with the signal's exit code.
 */
final class StopSignal implements AutoCloseable {
    /** The signals, with the exit code that shells give a process that one has ended. */
    private enum Kind {
        INT("Ctrl-C", 130),
        TERM("SIGTERM", 143);

        private final String shown;
        private final int exitCode;

        Kind(String shown, int exitCode) {
            this.shown = shown;
            this.exitCode = exitCode;
        }
    }

    private final Map<Kind, Object> previous = new EnumMap<>(Kind.class);
    private volatile boolean isRequested;

    /** Takes the signals until closed; {@code log} says what the first led to. */
    StopSignal(PrintStream log) {
        for (Kind kind : Kind.values()) {
            previous.put(kind, Signals.register(kind.name(), () -> onSignal(kind, log)));
        }
    }

    /** Whether the loop should end. */
    boolean isRequested() {
        return isRequested;
    }

    private void onSignal(Kind kind, PrintStream log) {
        if (isRequested) {
            Runtime.getRuntime().halt(kind.exitCode);
        }
        isRequested = true;
        log.println();
        log.println(kind.shown
                + ": ending with what was learned so far (checkpoint, evaluation, report); once more aborts");
    }

    @Override
    public void close() {
        previous.forEach((kind, handler) -> Signals.unregister(kind.name(), handler));
    }
}
