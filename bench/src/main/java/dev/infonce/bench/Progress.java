package dev.infonce.bench;

import java.io.Console;
import java.io.PrintStream;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Shows what is being measured: a bar on a terminal, else a line each. */
final class Progress implements AutoCloseable {
    private static final int TERMINAL_WIDTH = 110;

    private final PrintStream out;
    private final int steps;
    private final ProgressBar bar;
    private int done;

    Progress(PrintStream out, String task, int steps) {
        this.out = out;
        this.steps = steps;
        Console console = System.console();
        bar = console == null || !console.isTerminal()
                ? null
                : new ProgressBarBuilder()
                        .setTaskName(task)
                        .setInitialMax(steps)
                        .setStyle(ProgressBarStyle.UNICODE_BLOCK)
                        .setMaxRenderedLength(TERMINAL_WIDTH)
                        .setConsumer(new ConsoleProgressBarConsumer(out, TERMINAL_WIDTH))
                        .build();
    }

    /** The next of the steps begins. */
    void next(String what) {
        if (bar != null) {
            bar.stepTo(done);
            bar.setExtraMessage(" " + what);
        } else {
            out.println("[" + (done + 1) + "/" + steps + "] " + what);
        }
        done++;
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.stepTo(steps);
            bar.close();
        }
    }
}
