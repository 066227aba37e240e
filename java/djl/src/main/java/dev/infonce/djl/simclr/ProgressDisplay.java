package dev.infonce.djl.simclr;

import java.io.Console;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Shows how training goes: a bar on a terminal, else a plain line every few seconds. */
final class ProgressDisplay implements AutoCloseable {
    private static final long LINE_NANOS = Duration.ofSeconds(5).toNanos();
    private static final int TERMINAL_WIDTH = 110;
    private static final int UPDATE_MILLIS = 250;

    private final PrintStream out;
    private final Recipe recipe;
    private final ProgressBar bar;
    private final long startNanos = System.nanoTime();
    private final int firstStep;
    private long lastLineNanos;

    /** A display that starts after {@code stepsDone} of the recipe's steps. */
    ProgressDisplay(PrintStream out, Recipe recipe, int stepsDone) {
        this.out = out;
        this.recipe = recipe;
        firstStep = stepsDone;
        bar = isTerminal() ? bar(stepsDone) : null;
    }

    private ProgressBar bar(int stepsDone) {
        return new ProgressBarBuilder()
                .setTaskName("training")
                .setInitialMax((long) recipe.steps() * recipe.batch())
                .startsFrom((long) stepsDone * recipe.batch(), Duration.ZERO)
                .setUnit(" images", 1)
                .setStyle(ProgressBarStyle.UNICODE_BLOCK)
                .setUpdateIntervalMillis(UPDATE_MILLIS)
                .setMaxRenderedLength(TERMINAL_WIDTH)
                .hideEta()
                .setConsumer(new ConsoleProgressBarConsumer(out, TERMINAL_WIDTH))
                .build();
    }

    /** Shows a step. */
    void show(CurvePoint point) {
        long now = System.nanoTime();
        int done = point.step() - firstStep;
        double seconds = (now - startNanos) / 1e9;
        double rate = done * (double) recipe.batch() / seconds;
        long left = Math.round(seconds / done * (recipe.steps() - point.step()));
        String text = String.format(
                Locale.ROOT,
                "loss %.3f  partner found %.1f %%  %.0f images/s  %s left",
                point.loss(),
                100 * point.top1(),
                rate,
                duration(left));
        if (bar != null) {
            bar.setExtraMessage(" " + text);
            bar.stepTo((long) point.step() * recipe.batch());
        } else if (done == 1 || now - lastLineNanos >= LINE_NANOS || point.step() == recipe.steps()) {
            lastLineNanos = now;
            out.println("step " + point.step() + "/" + recipe.steps() + "  " + text);
        }
    }

    private static String duration(long seconds) {
        return seconds < 60 ? seconds + " s" : seconds / 60 + " min " + seconds % 60 + " s";
    }

    private static boolean isTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
