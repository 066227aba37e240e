package dev.infonce.bench;

import dev.infonce.bench.contest.FmaPeak;
import dev.infonce.bench.report.Machine;
import dev.infonce.cli.CommandRunner;
import dev.infonce.cli.CommonOptions;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import org.openjdk.jmh.runner.RunnerException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code infonce bench}. */
@Command(
        name = "infonce bench",
        sortOptions = false,
        description = {
            "Measures this library through its Java API: losses by size, type and device, the cost of a small call, memory by N,",
            "what all cores gain over one, and 16-bit rows beside 32-bit ones; with --peers also beside TensorFlow-Java and DJL's",
            "PyTorch. Prints tables, and writes results.json and a page of charts. Nothing else should run on the machine",
            "meanwhile."
        },
        footer = {
            "Further words: 'infonce bench native' runs Google Benchmark on the kernels, 'infonce bench java' takes JMH's own",
            "options, and 'infonce bench --device cuda --help' is about a GPU.",
            "Exit code: 0 done, 1 failure or below a floor of --check, 2 wrong usage."
        })
public final class BenchCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Mixin
    private CommonOptions common;

    /** A part of a run. */
    enum Part {
        SUITE,
        CALLS,
        MEMORY,
        SCALING,
        DTYPES,
        PEERS
    }

    @Option(names = "--quick", description = "Fewer and smaller sizes, shorter rounds.")
    private boolean quick;

    @Option(
            names = "--peers",
            description =
                    "Also beside TensorFlow-Java and DJL's PyTorch, whose natives are fetched from Maven Central.")
    private boolean peers;

    @Option(
            names = "--device",
            paramLabel = "NAME",
            description = "Only this device: java or cpu; may be repeated (default: both). For cuda see below.")
    private List<String> devices = List.of("cpu", "java");

    @Option(
            names = "--only",
            paramLabel = "PART",
            description = "Only this part: suite, calls, memory, scaling, dtypes or peers; may be repeated.")
    private Set<String> only = Set.of();

    @Option(
            names = "--check",
            description =
                    "Instead of all this: fails if the cpu device is slower than it was, measured by the FMA peak.")
    private boolean check;

    @Option(names = "--out", paramLabel = "DIR", description = "Folder of the results (default: build/bench).")
    private Path folder = Path.of("build", "bench");

    @Option(names = "--peak-program", hidden = true)
    private Path peakProgram;

    @Option(names = "--peers-classpath", hidden = true)
    private String peersClasspath;

    @Option(names = "--jemalloc", hidden = true)
    private String jemalloc;

    @Option(names = "--compiler", hidden = true, defaultValue = "unknown")
    private String compiler;

    @Option(names = "--commit", hidden = true, defaultValue = "unknown")
    private String commit;

    private BenchCommand() {}

    /** Runs the command and exits with 0 (done), 1 (failure) or 2 (wrong usage). */
    public static void main(String[] arguments) {
        CommandRunner.runAndExit(new BenchCommand(), arguments);
    }

    static BenchCommand create() {
        return new BenchCommand();
    }

    @Override
    public Integer call() throws IOException, RunnerException {
        devices.stream()
                .filter(name -> !List.of("cpu", "java").contains(name))
                .findFirst()
                .ifPresent(name -> {
                    throw new ParameterException(
                            spec.commandLine(), "--device must be java or cpu, but is '" + name + "'");
                });
        Set<Part> parts = parts();
        PrintStream out = System.out;
        Files.createDirectories(folder);
        Path log = folder.resolve("engines.log");
        Files.writeString(log, "");
        if (check) {
            if (peakProgram == null) {
                throw new ParameterException(
                        spec.commandLine(), "--check needs the native library, which is switched off");
            }
            return RegressionGate.check(out, peakProgram, log) ? CommandRunner.OK : CommandRunner.FAILURE;
        }
        Machine machine = Machine.here(compiler, commit);
        out.println(machine.processor() + ", " + machine.cores() + " cores, JDK " + machine.jdk() + ", " + compiler
                + ", commit " + commit);
        FmaPeak peak = new FmaPeak(peakProgram, machine.cores());
        BenchRun run = new BenchRun(out, machine, commandLine(), peak, folder);
        Suite suite = new Suite(out, peak, quick);
        if (parts.contains(Part.SUITE)) {
            run.speeds(suite.speeds(devices));
        }
        if (parts.contains(Part.CALLS)) {
            run.calls(suite.calls());
        }
        if (parts.contains(Part.MEMORY)) {
            MemoryTable.measure(out, log, quick, run::memory);
        }
        if (parts.contains(Part.SCALING)) {
            new ScalingTable(out, peakProgram, log, quick).measure(devices, run::scaling);
        }
        if (parts.contains(Part.DTYPES)) {
            DTypeTable.measure(out, log, quick, run::dtypes);
        }
        if (parts.contains(Part.PEERS)) {
            new Peers(out, peak, log, quick, peersClasspath, jemalloc)
                    .compare(Peers.matches(quick, devices), run::comparison);
        }
        run.print();
        return CommandRunner.OK;
    }

    private Set<Part> parts() {
        Set<Part> parts = EnumSet.noneOf(Part.class);
        for (String name : only) {
            try {
                parts.add(Part.valueOf(name.toUpperCase(Locale.ROOT)));
            } catch (IllegalArgumentException e) {
                throw new ParameterException(
                        spec.commandLine(),
                        "--only must be suite, calls, memory, scaling, dtypes or peers, but is '" + name + "'",
                        e);
            }
        }
        if (parts.isEmpty()) {
            parts = EnumSet.of(Part.SUITE, Part.CALLS, Part.MEMORY, Part.SCALING, Part.DTYPES);
            if (peers) {
                parts.add(Part.PEERS);
            }
        }
        if (parts.contains(Part.PEERS) && peersClasspath == null) {
            throw new ParameterException(spec.commandLine(), "--only peers needs --peers");
        }
        if (!devices.contains("cpu")) {
            parts.remove(Part.CALLS);
            parts.remove(Part.MEMORY);
            parts.remove(Part.DTYPES);
        }
        return parts;
    }

    private String commandLine() {
        List<String> words = new ArrayList<>(List.of("./infonce", "bench"));
        if (quick) {
            words.add("--quick");
        }
        if (peers) {
            words.add("--peers");
        }
        only.forEach(part -> words.addAll(List.of("--only", part)));
        if (devices.size() == 1) {
            words.addAll(List.of("--device", devices.getFirst()));
        }
        return String.join(" ", words);
    }
}
