package dev.infonce.bench;

import dev.infonce.DType;
import dev.infonce.bench.contest.Contest;
import dev.infonce.bench.contest.Contest.Standing;
import dev.infonce.bench.contest.Engine;
import dev.infonce.bench.contest.FmaPeak;
import dev.infonce.bench.contest.FmaPeak.Rates;
import dev.infonce.bench.contest.Ratios;
import dev.infonce.bench.report.Results.Limit;
import dev.infonce.bench.report.Results.Scaling;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.apache.commons.math3.stat.StatUtils;

/** What all cores gain over one, in turns, beside what the machine itself gains in the same rounds. */
final class ScalingTable {
    private final PrintStream out;
    private final Path peakProgram;
    private final Path log;
    private final boolean quick;
    private final int threads = Runtime.getRuntime().availableProcessors();

    /** Without a program for the machine's rates these are NaN. */
    ScalingTable(PrintStream out, Path peakProgram, Path log, boolean quick) {
        this.out = out;
        this.peakProgram = peakProgram;
        this.log = log;
        this.quick = quick;
    }

    private record Size(int n, int dim) {}

    /** A row a device and size; all devices take turns, so that their times on one thread can be compared. */
    void measure(List<String> devices, Sink<Scaling> sink) throws IOException {
        List<Size> sizes = quick
                ? List.of(new Size(4096, 128))
                : List.of(new Size(4096, 128), new Size(4096, 512), new Size(8192, 256));
        try (Progress progress = new Progress(out, "scaling", sizes.size())) {
            for (Size size : sizes) {
                progress.next("scaling of " + size.n() + " x " + size.dim());
                for (Scaling row : rows(size, devices)) {
                    sink.add(row);
                }
            }
        }
    }

    private List<Scaling> rows(Size size, List<String> devices) throws IOException {
        List<Contest.Entry> entries = new ArrayList<>();
        for (String device : devices) {
            entries.add(new Contest.Entry(Engine.infonce(device), problem(size, 1)));
            entries.add(new Contest.Entry(Engine.infonce(device), problem(size, threads)));
        }
        FmaPeak one = new FmaPeak(peakProgram, 1);
        FmaPeak all = new FmaPeak(peakProgram, threads);
        Contest.Limits limits = () -> {
            one.measure();
            all.measure();
        };
        Contest contest = quick ? new Contest(limits, log, 3, 0.3) : new Contest(limits, log, 7, 1);
        List<Standing> standings = contest.turns(entries);
        int cpu = devices.indexOf("cpu");
        List<Scaling> rows = new ArrayList<>();
        for (int i = 0; i < devices.size(); i++) {
            Standing onOne = standings.get(2 * i);
            Standing onAll = standings.get(2 * i + 1);
            rows.add(new Scaling(
                    devices.get(i),
                    Loss.SYMMETRIC.word(),
                    size.n(),
                    size.dim(),
                    threads,
                    onOne.median(),
                    onAll.median(),
                    onOne.ratioTo(onAll),
                    limit(one, all, Rates::float32),
                    limit(one, all, Rates::product),
                    cpu < 0 ? null : (Double) standings.get(2 * cpu).ratioTo(onOne)));
        }
        return rows;
    }

    private static Problem problem(Size size, int threads) {
        return new Problem(Loss.SYMMETRIC, DType.FLOAT32, size.n(), size.dim(), Call.FORWARD_BACKWARD, threads);
    }

    private static Limit limit(FmaPeak one, FmaPeak all, ToDoubleFunction<Rates> rate) {
        double[] ofOne = one.each(rate);
        double[] ofAll = all.each(rate);
        return new Limit(StatUtils.percentile(ofOne, 50), StatUtils.percentile(ofAll, 50), Ratios.median(ofAll, ofOne));
    }
}
