package dev.infonce.bench;

import dev.infonce.DType;
import dev.infonce.bench.contest.Contest;
import dev.infonce.bench.contest.Contest.Standing;
import dev.infonce.bench.contest.Engine;
import dev.infonce.bench.report.Results.DTypeRatio;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** The cpu device on bfloat16 rows and on float32 rows, in turns, on one thread and on all. */
final class DTypeTable {
    private static final String DEVICE = "cpu";

    private DTypeTable() {}

    /** What takes turns. */
    record Case(Loss loss, Call call, int n, int dim) {}

    /** All of them, or those that are done soon. */
    static List<Case> cases(boolean quick) {
        List<Case> cases = new ArrayList<>();
        for (Loss loss : quick ? List.of(Loss.SYMMETRIC) : List.of(Loss.SYMMETRIC, Loss.INFONCE)) {
            for (Call call : Call.values()) {
                cases.add(new Case(loss, call, 4096, 128));
                if (!quick) {
                    cases.add(new Case(loss, call, 4096, 256));
                    cases.add(new Case(loss, call, 8192, 256));
                }
            }
        }
        return cases;
    }

    static void measure(PrintStream out, Path log, boolean quick, Sink<DTypeRatio> sink) throws IOException {
        List<Case> cases = cases(quick);
        Contest contest = quick ? new Contest(() -> {}, log, 3, 0.3) : new Contest(() -> {}, log, 7, 1);
        int[] threads = IntStream.of(1, Runtime.getRuntime().availableProcessors())
                .distinct()
                .toArray();
        try (Progress progress = new Progress(out, "dtypes", cases.size())) {
            for (Case some : cases) {
                progress.next("types of " + some.loss().word() + " "
                        + some.call().word() + " " + some.n() + " x " + some.dim());
                List<Contest.Entry> entries = new ArrayList<>();
                for (int count : threads) {
                    entries.add(entry(some, DType.FLOAT32, count));
                    entries.add(entry(some, DType.BFLOAT16, count));
                }
                List<Standing> standings = contest.turns(entries);
                for (int i = 0; i < threads.length; i++) {
                    sink.add(ratio(some, threads[i], standings.get(2 * i), standings.get(2 * i + 1)));
                }
            }
        }
    }

    private static Contest.Entry entry(Case some, DType dtype, int threads) {
        return new Contest.Entry(
                Engine.infonce(DEVICE), new Problem(some.loss(), dtype, some.n(), some.dim(), some.call(), threads));
    }

    private static DTypeRatio ratio(Case some, int threads, Standing float32, Standing bfloat16) {
        return new DTypeRatio(
                DEVICE,
                some.loss().word(),
                some.call().word(),
                some.n(),
                some.dim(),
                threads,
                float32.median(),
                bfloat16.median(),
                float32.ratioTo(bfloat16));
    }
}
