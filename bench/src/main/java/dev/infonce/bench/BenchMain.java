package dev.infonce.bench;

import dev.infonce.Device;
import dev.infonce.DeviceReport;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Runs the benchmark on every device that is there, and prints GFLOP/s beside the times. */
public final class BenchMain {
    private BenchMain() {}

    /** Takes no arguments. */
    public static void main(String[] arguments) throws RunnerException {
        List<String> rows = new ArrayList<>();
        for (DeviceReport device : Device.report()) {
            if (!device.available()) {
                System.out.println("device " + device.name() + " is left out: " + device.reason());
                continue;
            }
            System.out.println("device " + device.name() + ": " + device.description());
            for (RunResult result : new Runner(options(device.name())).run()) {
                rows.add(row(result));
            }
        }
        System.out.printf("%n%-8s %-16s %6s %5s %12s %9s %10s%n", "device", "call", "n", "dim", "ms", "+-", "GFLOP/s");
        rows.forEach(System.out::println);
    }

    private static Options options(String device) {
        return new OptionsBuilder()
                .include(LossBenchmark.class.getName() + "\\..*")
                .param("device", device)
                .param("n", "256", "1024", "4096")
                .verbosity(VerboseMode.SILENT)
                .shouldFailOnError(true)
                .build();
    }

    static String row(RunResult result) {
        String call = result.getPrimaryResult().getLabel();
        int n = Integer.parseInt(result.getParams().getParam("n"));
        int dim = Integer.parseInt(result.getParams().getParam("dim"));
        double milliseconds = result.getPrimaryResult().getScore();
        return String.format(
                Locale.ROOT,
                "%-8s %-16s %6d %5d %12.4f %9.4f %10.2f",
                result.getParams().getParam("device"),
                call,
                n,
                dim,
                milliseconds,
                result.getPrimaryResult().getScoreError(),
                LossBenchmark.flops(call, n, dim) / milliseconds * 1e-6);
    }
}
