package dev.infonce.bench;

import dev.infonce.DType;
import dev.infonce.bench.contest.FmaPeak;
import dev.infonce.bench.report.Results.CallCost;
import dev.infonce.bench.report.Results.Speed;
import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import org.openjdk.jmh.util.Statistics;

/** Runs the JMH benchmarks, one forked JVM a row, with the peak of multiply-adds measured between them. */
final class Suite {
    private static final int ITERATIONS = 5;
    private static final int QUICK_ITERATIONS = 3;
    private static final int NATIVE_WARM_UPS = 2;
    private static final long QUICK_MILLIS = 300;
    private static final String HEAP_BYTES = "gc.alloc.rate.norm";

    private final PrintStream out;
    private final FmaPeak peak;
    private final boolean quick;

    Suite(PrintStream out, FmaPeak peak, boolean quick) {
        this.out = out;
        this.peak = peak;
        this.quick = quick;
    }

    /** One fork. */
    record Point(String device, Loss loss, DType dtype, int n, int dim) {}

    /** Losses, sizes and types that tell most, for one device. */
    static List<Point> points(String device, boolean quick) {
        boolean fast = !device.equals("java");
        Set<Point> points = new LinkedHashSet<>();
        for (int n :
                quick ? new int[] {256, 1024} : fast ? new int[] {256, 1024, 4096, 16384} : new int[] {256, 1024}) {
            points.add(new Point(device, Loss.SYMMETRIC, DType.FLOAT32, n, 128));
            points.add(new Point(device, Loss.INFONCE, DType.FLOAT32, n, 128));
        }
        if (fast) {
            for (int dim : quick ? new int[] {64, 256} : new int[] {32, 64, 256, 512, 1024}) {
                points.add(new Point(device, Loss.SYMMETRIC, DType.FLOAT32, quick ? 1024 : 4096, dim));
            }
        }
        if (fast) {
            for (Loss loss : new Loss[] {Loss.SYMMETRIC, Loss.INFONCE}) {
                for (DType dtype : new DType[] {DType.FLOAT32, DType.BFLOAT16}) {
                    points.add(new Point(device, loss, dtype, quick ? 1024 : 4096, 128));
                    if (!quick) {
                        points.add(new Point(device, loss, dtype, 4096, 256));
                        points.add(new Point(device, loss, dtype, 8192, 256));
                    }
                }
            }
        }
        int n = quick || !fast ? 1024 : 4096;
        points.add(new Point(device, Loss.SYMMETRIC, DType.FLOAT64, n, 128));
        for (Loss loss : new Loss[] {Loss.NT_XENT, Loss.NT_LOGISTIC, Loss.TRIPLET}) {
            points.add(new Point(device, loss, DType.FLOAT32, n, 128));
        }
        return List.copyOf(points);
    }

    /** Every point of the devices. */
    List<Speed> speeds(List<String> devices) throws RunnerException, IOException {
        List<Point> points = devices.stream()
                .flatMap(device -> points(device, quick).stream())
                .toList();
        List<RunResult> results = new ArrayList<>();
        try (Progress progress = new Progress(out, "suite", points.size())) {
            for (Point point : points) {
                progress.next(point.device() + " " + point.loss().word() + " " + point.dtype() + " " + point.n() + " x "
                        + point.dim());
                peak.measure();
                results.addAll(new Runner(warmedUp(point)
                                .param("device", point.device())
                                .param("loss", point.loss().word())
                                .param("dtype", point.dtype().name())
                                .param("n", Integer.toString(point.n()))
                                .param("dim", Integer.toString(point.dim()))
                                .addProfiler(PeakMemoryProfiler.class)
                                .build())
                        .run());
            }
        }
        return results.stream().map(this::speed).toList();
    }

    /** The cost of small calls. */
    List<CallCost> calls() throws RunnerException {
        try (Progress progress = new Progress(out, "calls", 1)) {
            progress.next("small calls through Java");
            Collection<RunResult> results = new Runner(options(CallBenchmark.class)
                            .addProfiler(GCProfiler.class)
                            .build())
                    .run();
            return results.stream().map(Suite::callCost).toList();
        }
    }

    /** Device java needs the whole warm-up of the benchmark, native code little. */
    private ChainedOptionsBuilder warmedUp(Point point) {
        ChainedOptionsBuilder options = options(LossBenchmark.class);
        if (point.device().equals("java")) {
            return options.warmupTime(TimeValue.seconds(1));
        }
        return options.warmupIterations(NATIVE_WARM_UPS);
    }

    private ChainedOptionsBuilder options(Class<?> benchmark) {
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include(benchmark.getName() + "\\..*")
                .verbosity(VerboseMode.SILENT)
                .shouldFailOnError(true)
                .measurementIterations(quick ? QUICK_ITERATIONS : ITERATIONS);
        if (quick) {
            options.warmupTime(TimeValue.milliseconds(QUICK_MILLIS))
                    .measurementTime(TimeValue.milliseconds(QUICK_MILLIS));
        }
        return options;
    }

    private Speed speed(RunResult result) {
        Call call = result.getPrimaryResult().getLabel().equals("forward") ? Call.FORWARD : Call.FORWARD_BACKWARD;
        Problem problem = new Problem(
                Loss.named(result.getParams().getParam("loss")),
                DType.valueOf(result.getParams().getParam("dtype")),
                Integer.parseInt(result.getParams().getParam("n")),
                Integer.parseInt(result.getParams().getParam("dim")),
                call,
                Runtime.getRuntime().availableProcessors());
        Statistics times = result.getPrimaryResult().getStatistics();
        double milliseconds = times.getPercentile(50);
        double gigaflops = problem.gigaflops(milliseconds);
        return new Speed(
                result.getParams().getParam("device"),
                problem.loss().word(),
                problem.dtype().name(),
                problem.n(),
                problem.dim(),
                call.word(),
                milliseconds,
                spread(times),
                gigaflops,
                gigaflops / peak.gigaflops(problem.dtype()),
                secondary(result, PeakMemoryProfiler.LABEL));
    }

    private static CallCost callCost(RunResult result) {
        Statistics times = result.getPrimaryResult().getStatistics();
        return new CallCost(
                result.getPrimaryResult().getLabel(),
                times.getPercentile(50),
                spread(times),
                secondary(result, HEAP_BYTES));
    }

    private static double spread(Statistics times) {
        return (times.getPercentile(75) - times.getPercentile(25)) / 2;
    }

    // JMH puts a dot before the names of its own profilers' results.
    private static double secondary(RunResult result, String label) {
        return result.getSecondaryResults().values().stream()
                .filter(value -> value.getLabel().endsWith(label))
                .mapToDouble(value -> value.getScore())
                .findFirst()
                .orElse(Double.NaN);
    }
}
