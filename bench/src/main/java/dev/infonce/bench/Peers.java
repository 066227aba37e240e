package dev.infonce.bench;

import dev.infonce.DType;
import dev.infonce.bench.contest.Contest;
import dev.infonce.bench.contest.Engine;
import dev.infonce.bench.contest.FmaPeak;
import dev.infonce.bench.report.Results.Comparison;
import dev.infonce.bench.report.Results.Side;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.commons.math3.stat.StatUtils;

/** This library against TensorFlow-Java and DJL's PyTorch, each in every way in which it may go about the loss. */
final class Peers {
    private static final double MIB = 1 << 20;
    // What the tiles of 16384 x 16384 take, and the rest of the workspace: a third of what the peers take at least.
    private static final int BUDGET_OF_A_WHOLE_MATRIX = 1280;
    private static final String PACKAGE = "dev.infonce.bench.peers.";

    private final PrintStream out;
    private final FmaPeak peak;
    private final Contest contest;
    private final List<Engine> tensorFlow;
    private final List<Engine> pyTorch;
    private final List<Engine> pyTorchAsWritten;

    Peers(PrintStream out, FmaPeak peak, Path log, boolean quick, String classpath, String jemalloc) {
        this.out = out;
        this.peak = peak;
        this.contest = quick ? new Contest(peak::measure, log, 3, 0.3) : new Contest(peak::measure, log, 7, 1);
        this.tensorFlow = Stream.of("softmax", "exponentials")
                .map(variant ->
                        Engine.peer("TensorFlow", PACKAGE + "TensorFlowContender", classpath, variant, jemalloc))
                .toList();
        this.pyTorch = Stream.of("log-softmax", "exponentials")
                .map(variant -> pyTorch(classpath, variant, jemalloc))
                .toList();
        this.pyTorchAsWritten = List.of(pyTorch(classpath, "as written", jemalloc));
    }

    /** Of losses that have no second way to be written, PyTorch's users' own. */
    private List<Engine> peers(Match match) {
        return switch (match.loss()) {
            case INFONCE, SYMMETRIC ->
                Stream.concat(tensorFlow.stream(), pyTorch.stream()).toList();
            case SUPCON, SIGLIP, BATCH_HARD -> pyTorchAsWritten;
            case NT_XENT, NT_LOGISTIC, TRIPLET ->
                throw new IllegalArgumentException("no peer of " + match.loss().word());
        };
    }

    /** A comparison to make; targets are null where nothing was promised. */
    record Match(Engine ours, Loss loss, int n, int dim, Double overTensorFlow, Double overPyTorch) {}

    /** All of them, or those that are done soon. */
    static List<Match> matches(boolean quick, List<String> devices) {
        List<Match> matches = new ArrayList<>();
        if (devices.contains("cpu")) {
            Engine cpu = Engine.infonce("cpu");
            matches.add(new Match(cpu, Loss.SYMMETRIC, 1024, 128, 3.5, 4.0));
            matches.add(new Match(cpu, Loss.SYMMETRIC, 4096, 128, 3.0, 4.0));
            for (Loss loss : new Loss[] {Loss.SUPCON, Loss.SIGLIP, Loss.BATCH_HARD}) {
                matches.add(new Match(cpu, loss, 4096, 128, null, 3.0));
            }
            if (!quick) {
                matches.add(new Match(cpu, Loss.SYMMETRIC, 4096, 512, 1.6, 2.5));
                matches.add(new Match(cpu, Loss.SYMMETRIC, 8192, 256, null, null));
                matches.add(new Match(cpu, Loss.SYMMETRIC, 16384, 256, 1.75, 2.5));
                matches.add(new Match(
                        Engine.infonce("cpu", BUDGET_OF_A_WHOLE_MATRIX), Loss.SYMMETRIC, 16384, 256, 1.75, 2.5));
                matches.add(new Match(cpu, Loss.INFONCE, 4096, 128, null, null));
                matches.add(new Match(cpu, Loss.INFONCE, 8192, 256, null, null));
            }
        }
        if (devices.contains("java") && !quick) {
            matches.add(new Match(Engine.infonce("java"), Loss.SYMMETRIC, 4096, 128, 1.0, null));
        }
        return matches;
    }

    void compare(List<Match> matches, Sink<Comparison> sink) throws IOException {
        int steps = matches.stream().mapToInt(match -> peers(match).size()).sum();
        try (Progress progress = new Progress(out, "peers", steps)) {
            for (Match match : matches) {
                for (Engine peer : peers(match)) {
                    sink.add(compare(
                            progress,
                            match,
                            peer,
                            tensorFlow.contains(peer) ? match.overTensorFlow() : match.overPyTorch()));
                }
            }
        }
    }

    // One peer at a time: the processes of the largest problem take many gigabytes.
    private Comparison compare(Progress progress, Match match, Engine peer, Double target) throws IOException {
        int threads = Runtime.getRuntime().availableProcessors();
        Problem problem =
                new Problem(match.loss(), DType.FLOAT32, match.n(), match.dim(), Call.FORWARD_BACKWARD, threads);
        progress.next(match.ours().name() + " and " + peer.name() + " (" + peer.variant() + "): "
                + match.loss().word() + " " + match.n() + " x " + match.dim());
        List<Contest.Standing> standings = contest.compare(problem, List.of(match.ours(), peer));
        Side us = side(problem, standings.get(0));
        Side them = side(problem, standings.get(1));
        return new Comparison(
                match.loss().word(),
                match.n(),
                match.dim(),
                peer.variant(),
                us,
                them,
                them.milliseconds() / us.milliseconds(),
                target,
                neededShare(problem, them.milliseconds(), target, peak.gigaflops(problem.dtype())));
    }

    private static Engine pyTorch(String classpath, String variant, String jemalloc) {
        return Engine.peer("PyTorch", PACKAGE + "PyTorchContender", classpath, variant, jemalloc);
    }

    /** The share of the peak at which this library reaches the target; null without one. */
    static Double neededShare(Problem problem, double peerMilliseconds, Double target, double peakGigaflops) {
        return target == null ? null : (Double) (problem.gigaflops(peerMilliseconds / target) / peakGigaflops);
    }

    private Side side(Problem problem, Contest.Standing standing) {
        double milliseconds = standing.median();
        double[] rounds = standing.roundMilliseconds();
        double spread = (StatUtils.percentile(rounds, 75) - StatUtils.percentile(rounds, 25)) / 2;
        double gigaflops = problem.gigaflops(milliseconds);
        return new Side(
                standing.engine().name(),
                standing.description(),
                milliseconds,
                spread,
                rounds,
                gigaflops,
                gigaflops / peak.gigaflops(problem.dtype()),
                standing.peakBytes() / MIB,
                standing.scratchBytes() / MIB);
    }
}
