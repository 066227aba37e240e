package dev.infonce.djl.simclr;

import java.io.PrintStream;
import org.jline.utils.Signals;

/** Ctrl-C: the first asks the training loop to end after its step, the second ends the process at once with 130. */
final class StopSignal implements AutoCloseable {
    private static final String NAME = "INT";
    private static final int ABORTED = 130;

    private final Object previous;
    private volatile boolean isRequested;

    /** Takes the signal until closed; {@code log} says what the first Ctrl-C led to. */
    StopSignal(PrintStream log) {
        previous = Signals.register(NAME, () -> onSignal(log));
    }

    /** Whether the loop should end. */
    boolean isRequested() {
        return isRequested;
    }

    private void onSignal(PrintStream log) {
        if (isRequested) {
            Runtime.getRuntime().halt(ABORTED);
        }
        isRequested = true;
        log.println();
        log.println("Ctrl-C: ending with what was learned so far (checkpoint, evaluation, report); once more aborts");
    }

    @Override
    public void close() {
        Signals.unregister(NAME, previous);
    }
}
