package dev.infonce.bench.report;

import dev.infonce.bench.report.Results.Comparison;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Results as tables, in the order in which they are measured. */
public final class Tables {
    private Tables() {}

    /** Those that have rows. */
    public static List<Table> of(Results results) {
        List<Table> tables = new ArrayList<>();
        if (!results.speeds().isEmpty()) {
            tables.add(speeds(results));
        }
        if (!results.calls().isEmpty()) {
            tables.add(calls(results));
        }
        if (!results.memory().isEmpty()) {
            tables.add(memory(results));
        }
        if (!results.scaling().isEmpty()) {
            tables.add(scaling(results));
        }
        if (!results.dtypes().isEmpty()) {
            tables.add(dtypes(results));
        }
        if (!results.comparisons().isEmpty()) {
            tables.add(ratios(results));
            tables.add(sides(results));
        }
        return tables;
    }

    /** The suite. */
    static Table speeds(Results results) {
        return new Table(
                "Speed of this library",
                "GFLOP/s count 2 N M D operations a unit: forward is one unit, forward+backward three, whatever is computed"
                        + " twice. Share is of the FMA peak: " + decimals(results.fmaPeak32(), 0)
                        + " GFLOP/s in float32 and for 16-bit types, "
                        + decimals(results.fmaPeak64(), 0) + " in float64, all cores.",
                List.of("device", "loss", "type", "call", "N", "D", "ms", "+-", "GFLOP/s", "share", "peak MiB"),
                4,
                results.speeds().stream()
                        .map(s -> List.of(
                                s.device(),
                                s.loss(),
                                s.dtype().toLowerCase(Locale.ROOT),
                                s.call(),
                                Integer.toString(s.n()),
                                Integer.toString(s.dim()),
                                digits(s.milliseconds()),
                                digits(s.spread()),
                                decimals(s.gigaflops(), 1),
                                percent(s.share()),
                                decimals(s.peakMiB(), 0)))
                        .toList());
    }

    /** The cost of small calls. */
    static Table calls(Results results) {
        return new Table(
                "A call through Java",
                "Forward and backward of 32 x 64 with metrics on one thread, and of 1 x 1: cpu device, inputs and gradients in"
                        + " its memory. Heap: bytes that a call leaves to the garbage collector.",
                List.of("call", "us", "+-", "heap B"),
                1,
                results.calls().stream()
                        .map(c -> List.of(
                                c.call(),
                                decimals(c.microseconds(), 2),
                                decimals(c.spread(), 2),
                                decimals(c.heapBytes(), 3)))
                        .toList());
    }

    /** Memory by N. */
    static Table memory(Results results) {
        return new Table(
                "Memory of symmetric InfoNCE, forward+backward, float32",
                "Scratch: the process's highest resident size above what was there, inputs and gradients included, before the"
                        + " call. The matrix of similarities alone would take what the last column says.",
                List.of("device", "N = M", "D", "scratch MiB", "peak MiB", "s", "matrix MiB"),
                1,
                results.memory().stream()
                        .map(m -> List.of(
                                m.engine(),
                                Integer.toString(m.n()),
                                Integer.toString(m.dim()),
                                decimals(m.scratchMiB(), 1),
                                decimals(m.peakMiB(), 0),
                                digits(m.seconds()),
                                decimals(m.n() * (double) m.n() * Float.BYTES / (1 << 20), 0)))
                        .toList());
    }

    /** What all threads gain over one. */
    static Table scaling(Results results) {
        return new Table(
                "Scaling of forward+backward, float32, from one thread to all",
                "In turns with what the machine itself gains: fused multiply-adds in registers, and products of tiles alone"
                        + " (GEMM). Of native: the cpu device's time on one thread over this device's.",
                List.of(
                        "device",
                        "loss",
                        "N",
                        "D",
                        "threads",
                        "one ms",
                        "all ms",
                        "gain",
                        "FMA gain",
                        "GEMM gain",
                        "of native"),
                2,
                results.scaling().stream()
                        .map(s -> List.of(
                                s.device(),
                                s.loss(),
                                Integer.toString(s.n()),
                                Integer.toString(s.dim()),
                                Integer.toString(s.threads()),
                                digits(s.oneThreadMilliseconds()),
                                digits(s.allThreadsMilliseconds()),
                                decimals(s.ratio(), 2),
                                decimals(s.fma().ratio(), 2),
                                decimals(s.product().ratio(), 2),
                                s.nativeShare() == null ? "" : percent(s.nativeShare())))
                        .toList());
    }

    /** 16-bit rows beside 32-bit ones. */
    static Table dtypes(Results results) {
        return new Table(
                "16-bit against 32-bit",
                "Rows and gradients of both types in turns. Ratio: time of float32 over that of bfloat16.",
                List.of("device", "loss", "call", "N", "D", "threads", "float32 ms", "bfloat16 ms", "ratio"),
                3,
                results.dtypes().stream()
                        .map(d -> List.of(
                                d.device(),
                                d.loss(),
                                d.call(),
                                Integer.toString(d.n()),
                                Integer.toString(d.dim()),
                                Integer.toString(d.threads()),
                                digits(d.float32Milliseconds()),
                                digits(d.bfloat16Milliseconds()),
                                decimals(d.ratio(), 2)))
                        .toList());
    }

    /** The ratios, and what was promised of them. */
    static Table ratios(Results results) {
        long missed =
                results.comparisons().stream().filter(Comparison::isMissed).count();
        return new Table(
                "Peers' time over ours, forward+backward, float32, cosine",
                (missed == 0
                                ? "Every target is reached."
                                : missed + (missed == 1 ? " target is MISSED." : " targets are MISSED."))
                        + " Needs: the share of the FMA peak at which the target is reached; above 100 % no program can.",
                List.of(
                        "loss", "device", "peer", "variant", "verdict", "N", "D", "ours ms", "peer ms", "ratio",
                        "target", "needs"),
                5,
                results.comparisons().stream().map(Tables::ratio).toList());
    }

    private static List<String> ratio(Comparison c) {
        return List.of(
                c.loss(),
                c.ours().engine(),
                c.peer().engine(),
                c.variant(),
                c.target() == null ? "" : c.isMissed() ? "MISSED" : "reached",
                Integer.toString(c.n()),
                Integer.toString(c.dim()),
                digits(c.ours().milliseconds()),
                digits(c.peer().milliseconds()),
                decimals(c.ratio(), 2),
                c.target() == null ? "" : decimals(c.target(), 2),
                c.neededShare() == null ? "" : percent(c.neededShare()));
    }

    /** Each side of each comparison. */
    static Table sides(Results results) {
        List<List<String>> rows = new ArrayList<>();
        for (Comparison c : results.comparisons()) {
            for (Results.Side side : List.of(c.ours(), c.peer())) {
                rows.add(List.of(
                        c.loss(),
                        side.description(),
                        Integer.toString(c.n()),
                        Integer.toString(c.dim()),
                        digits(side.milliseconds()),
                        digits(side.spread()),
                        decimals(side.gigaflops(), 0),
                        percent(side.share()),
                        decimals(side.peakMiB(), 0),
                        decimals(side.scratchMiB(), 0)));
            }
        }
        return new Table(
                "Each side: its settings, speed and memory",
                "Medians of rounds in turns, +- half the distance of the quartiles; GFLOP/s of useful work, three units.",
                List.of("loss", "engine", "N", "D", "ms", "+-", "GFLOP/s", "share", "peak MiB", "scratch MiB"),
                2,
                rows);
    }

    /** Four digits. */
    static String digits(double value) {
        if (!Double.isFinite(value)) {
            return "-";
        }
        int decimals = value >= 1000 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : value >= 1 ? 3 : 4;
        return decimals(value, decimals);
    }

    private static String decimals(double value, int decimals) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%." + decimals + "f", value) : "-";
    }

    private static String percent(double share) {
        return Double.isFinite(share) ? decimals(100 * share, 0) + " %" : "-";
    }
}
