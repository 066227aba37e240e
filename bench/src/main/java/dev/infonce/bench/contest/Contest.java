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
    private static final int TRIAL_ROUNDS = 2;

    private final FmaPeak peak;
    private final Path log;
    private final int rounds;
    private final double secondsARound;

    /** The log takes what the processes say beside their answers. */
    public Contest(FmaPeak peak, Path log, int rounds, double secondsARound) {
        this.peak = peak;
        this.log = log;
        this.rounds = rounds;
        this.secondsARound = secondsARound;
    }

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
    }

    /** One call of one engine, without any before it. */
    public static Standing once(Problem problem, Engine engine, Path log) throws IOException {
        try (ContenderProcess process =
                new ContenderProcess(engine, engine.variants().getFirst(), problem, log)) {
            double[] milliseconds = process.milliseconds(0);
            return new Standing(
                    engine, process.description(), milliseconds, process.peakBytes(), process.scratchBytes());
        }
    }

    /** The variant of an engine that is fastest, each in a process of its own. */
    public String fastestVariant(Engine engine, Problem problem) throws IOException {
        if (engine.variants().size() == 1) {
            return engine.variants().getFirst();
        }
        String fastest = null;
        double least = Double.POSITIVE_INFINITY;
        for (String variant : engine.variants()) {
            try (ContenderProcess process = new ContenderProcess(engine, variant, problem, log)) {
                process.milliseconds(secondsARound);
                double best = Double.POSITIVE_INFINITY;
                for (int round = 0; round < TRIAL_ROUNDS; round++) {
                    best = Math.min(best, StatUtils.min(process.milliseconds(secondsARound)));
                }
                if (best < least) {
                    least = best;
                    fastest = variant;
                }
            }
        }
        return fastest;
    }

    /**
     * Compares the gradients of all engines with those of the first, then takes turns.
     *
     * @throws IOException if a process ends early, or results differ
     */
    public List<Standing> run(Problem problem, List<Engine> engines, List<String> variants) throws IOException {
        List<ContenderProcess> processes = new ArrayList<>();
        try {
            for (int i = 0; i < engines.size(); i++) {
                processes.add(new ContenderProcess(engines.get(i), variants.get(i), problem, log));
            }
            if (processes.size() > 1) {
                agree(problem, processes);
            }
            List<List<Double>> medians = new ArrayList<>();
            for (ContenderProcess process : processes) {
                medians.add(new ArrayList<>());
                for (int round = 0; round < WARM_UP_ROUNDS; round++) {
                    process.milliseconds(secondsARound);
                }
            }
            for (int round = 0; round < rounds; round++) {
                peak.measure();
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
                        engines.get(i), process.description(), ofRounds, process.peakBytes(), process.scratchBytes()));
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
