package dev.infonce.bench;

import com.google.gson.Gson;
import dev.infonce.DType;
import dev.infonce.bench.contest.Contest;
import dev.infonce.bench.contest.Engine;
import dev.infonce.bench.contest.FmaPeak;
import dev.infonce.bench.report.Table;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.commons.math3.stat.StatUtils;

/**
 * Whether the cpu device is as fast as it was: useful operations of one thread as a share of the FMA peak that one thread
 * reaches in the same seconds, against floors.json. Other load can only lower a share, so the best of three tries counts.
 */
final class RegressionGate {
    private static final int TRIES = 3;
    private static final int ROUNDS = 5;
    private static final double SECONDS = 0.5;

    private RegressionGate() {}

    /** The share of the peak that a call must reach; about a tenth below what was measured. */
    record Floor(String loss, Call call, int n, int dim, double share) {
        boolean isReachedBy(double measured) {
            return measured >= share;
        }
    }

    static List<Floor> floors() throws IOException {
        try (Reader json = new InputStreamReader(
                RegressionGate.class.getResourceAsStream("floors.json"), StandardCharsets.UTF_8)) {
            return List.of(new Gson().fromJson(json, Floor[].class));
        }
    }

    /** Prints a table; false if any floor is missed. */
    static boolean check(PrintStream out, Path peakProgram, Path log) throws IOException {
        List<Floor> floors = floors();
        List<List<String>> rows = new ArrayList<>();
        boolean passed = true;
        try (Progress progress = new Progress(out, "check", floors.size())) {
            for (Floor floor : floors) {
                progress.next(floor.loss() + " " + floor.call().word() + " " + floor.n() + " x " + floor.dim());
                double share = 0;
                for (int i = 0; i < TRIES && !floor.isReachedBy(share); i++) {
                    share = Math.max(share, share(floor, peakProgram, log));
                }
                boolean reached = floor.isReachedBy(share);
                passed &= reached;
                rows.add(List.of(
                        floor.loss(),
                        floor.call().word(),
                        reached ? "reached" : "BELOW",
                        Integer.toString(floor.n()),
                        Integer.toString(floor.dim()),
                        String.format(Locale.ROOT, "%.3f", share),
                        String.format(Locale.ROOT, "%.3f", floor.share())));
            }
        }
        out.println(new Table(
                        "Share of the FMA peak, one thread, float32",
                        passed ? "Every floor is reached." : "The cpu device is slower than it was.",
                        List.of("loss", "call", "verdict", "N", "D", "share", "floor"),
                        3,
                        rows)
                .text());
        return passed;
    }

    private static double share(Floor floor, Path peakProgram, Path log) throws IOException {
        FmaPeak peak = new FmaPeak(peakProgram, 1);
        Problem problem = new Problem(Loss.named(floor.loss()), DType.FLOAT32, floor.n(), floor.dim(), floor.call(), 1);
        Contest.Standing standing = new Contest(peak::measure, log, ROUNDS, SECONDS)
                .turns(List.of(new Contest.Entry(Engine.infonce("cpu"), problem)))
                .getFirst();
        return problem.gigaflops(StatUtils.min(standing.roundMilliseconds())) / peak.gigaflops(DType.FLOAT32);
    }
}
