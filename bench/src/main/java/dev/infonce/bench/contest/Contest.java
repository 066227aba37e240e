package dev.infonce.bench.contest;

import dev.infonce.bench.Problem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.math3.stat.StatUtils;

/** Engines on one problem, each in its own process, in turns: what slows the machine down for a while slows all of them. */
public final class Contest {
    private static final int WARM_UP_ROUNDS = 2;

    private final Limits limits;
    private final Path log;
    private final int rounds;
    private final double secondsARound;

    /** The log takes what the processes say beside their answers. */
    public Contest(Limits limits, Path log, int rounds, double secondsARound) {
        this.limits = limits;
        this.log = log;
        this.rounds = rounds;
        this.secondsARound = secondsARound;
    }

    /** What the machine can do, measured at the start of every round. */
    public interface Limits {
        /** Measures once more. */
        void measure() throws IOException;
    }

    /** A process of a contest. */
    public record Entry(Engine engine, Problem problem) {}

    /**
     * What one engine did.
     *
     * @param roundMilliseconds the median of each round
     * @param peakBytes highest resident size of the process
     * @param scratchBytes above that before the first call
     */
    public record Standing(
            Engine engine, String description, double[] roundMilliseconds, long peakBytes, long scratchBytes) {
        /** Of the rounds. */
        public double median() {
            return StatUtils.percentile(roundMilliseconds, 50);
        }

        /** How many times as long as the other: the median over rounds. */
        public double ratioTo(Standing other) {
            return Ratios.median(roundMilliseconds, other.roundMilliseconds);
        }
    }

    /** One call of one engine, without any before it. */
    public static Standing once(Problem problem, Engine engine, Path log) throws IOException {
        try (ContenderProcess process = new ContenderProcess(engine, problem, log)) {
            double[] milliseconds = process.milliseconds(0);
            return new Standing(
                    engine, process.description(), milliseconds, process.peakBytes(), process.scratchBytes());
        }
    }

    /**
     * Compares the gradients of all engines with those of the first, then takes turns.
     *
     * @throws IOException if a process ends early, or results differ
     */
    public List<Standing> compare(Problem problem, List<Engine> engines) throws IOException {
        return turns(
                engines.stream().map(engine -> new Entry(engine, problem)).toList(),
                processes -> agree(problem, processes));
    }

    /**
     * Takes turns with problems that may differ, such as in the threads or the type, without comparing results.
     *
     * @throws IOException if a process ends early
     */
    public List<Standing> turns(List<Entry> entries) throws IOException {
        return turns(entries, _ -> {});
    }

    private interface Check {
        void check(List<ContenderProcess> processes) throws IOException;
    }

    private List<Standing> turns(List<Entry> entries, Check check) throws IOException {
        List<ContenderProcess> processes = new ArrayList<>();
        try {
            for (Entry entry : entries) {
                processes.add(new ContenderProcess(entry.engine(), entry.problem(), log));
            }
            check.check(processes);
            List<List<Double>> medians = new ArrayList<>();
            for (ContenderProcess process : processes) {
                medians.add(new ArrayList<>());
                for (int round = 0; round < WARM_UP_ROUNDS; round++) {
                    process.milliseconds(secondsARound);
                }
            }
            for (int round = 0; round < rounds; round++) {
                limits.measure();
                for (int i = 0; i < processes.size(); i++) {
                    medians.get(i).add(StatUtils.percentile(processes.get(i).milliseconds(secondsARound), 50));
                }
            }
            List<Standing> standings = new ArrayList<>();
            for (int i = 0; i < processes.size(); i++) {
                ContenderProcess process = processes.get(i);
                double[] ofRounds =
                        medians.get(i).stream().mapToDouble(Double::doubleValue).toArray();
                standings.add(new Standing(
                        entries.get(i).engine(),
                        process.description(),
                        ofRounds,
                        process.peakBytes(),
                        process.scratchBytes()));
            }
            return standings;
        } finally {
            processes.forEach(ContenderProcess::close);
        }
    }

    private static void agree(Problem problem, List<ContenderProcess> processes) throws IOException {
        Path folder = Files.createTempDirectory("infonce-bench");
        try {
            Path ours = folder.resolve("ours");
            Path theirs = folder.resolve("theirs");
            double ourLoss = processes.getFirst().write(ours);
            for (ContenderProcess process : processes.subList(1, processes.size())) {
                double loss = process.write(theirs);
                Agreement.check(problem, process.description(), ourLoss, ours, loss, theirs);
            }
        } finally {
            Files.deleteIfExists(folder.resolve("ours"));
            Files.deleteIfExists(folder.resolve("theirs"));
            Files.delete(folder);
        }
    }
}
