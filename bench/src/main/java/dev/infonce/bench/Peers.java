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
import org.apache.commons.math3.stat.StatUtils;

/** This library against TensorFlow-Java and DJL's PyTorch, each at its best. */
final class Peers {
    private static final double MIB = 1 << 20;
    private static final String PACKAGE = "dev.infonce.bench.peers.";

    private final PrintStream out;
    private final FmaPeak peak;
    private final Contest contest;
    private final Engine tensorFlow;
    private final Engine pyTorch;

    Peers(PrintStream out, FmaPeak peak, Path log, boolean quick, String classpath, String jemalloc) {
        this.out = out;
        this.peak = peak;
        this.contest = quick ? new Contest(peak, log, 3, 0.3) : new Contest(peak, log, 7, 1);
        this.tensorFlow = Engine.peer(
                "TensorFlow", PACKAGE + "TensorFlowContender", classpath, List.of("softmax", "exponentials"), jemalloc);
        this.pyTorch = Engine.peer(
                "PyTorch", PACKAGE + "PyTorchContender", classpath, List.of("log-softmax", "exponentials"), jemalloc);
    }

    /** A comparison to make; targets are null where nothing was promised. */
    record Match(String device, Loss loss, int n, int dim, Double overTensorFlow, Double overPyTorch) {}

    /** All of them, or those that are done soon. */
    static List<Match> matches(boolean quick, List<String> devices) {
        List<Match> matches = new ArrayList<>();
        if (devices.contains("cpu")) {
            matches.add(new Match("cpu", Loss.SYMMETRIC, 1024, 128, 3.5, 4.0));
            matches.add(new Match("cpu", Loss.SYMMETRIC, 4096, 128, 3.0, 4.0));
            if (!quick) {
                matches.add(new Match("cpu", Loss.SYMMETRIC, 4096, 512, 1.6, 2.5));
                matches.add(new Match("cpu", Loss.SYMMETRIC, 8192, 256, null, null));
                matches.add(new Match("cpu", Loss.SYMMETRIC, 16384, 256, 1.75, 2.5));
                matches.add(new Match("cpu", Loss.INFONCE, 4096, 128, null, null));
                matches.add(new Match("cpu", Loss.INFONCE, 8192, 256, null, null));
            }
        }
        if (devices.contains("java") && !quick) {
            matches.add(new Match("java", Loss.SYMMETRIC, 4096, 128, 1.0, null));
        }
        return matches;
    }

    /** Takes each comparison as soon as it is there: the whole takes long, and a run may be ended early. */
    interface Sink {
        void add(Comparison comparison) throws IOException;
    }

    void compare(List<Match> matches, Sink sink) throws IOException {
        try (Progress progress = new Progress(out, "peers", 2 * matches.size())) {
            for (Match match : matches) {
                sink.add(compare(progress, match, tensorFlow, match.overTensorFlow()));
                sink.add(compare(progress, match, pyTorch, match.overPyTorch()));
            }
        }
    }

    // One peer at a time: the processes of the largest problem take many gigabytes.
    private Comparison compare(Progress progress, Match match, Engine peer, Double target) throws IOException {
        int threads = Runtime.getRuntime().availableProcessors();
        Problem problem =
                new Problem(match.loss(), DType.FLOAT32, match.n(), match.dim(), Call.FORWARD_BACKWARD, threads);
        progress.next(match.device() + " and " + peer.name() + ": "
                + match.loss().word() + " " + match.n() + " x " + match.dim());
        Engine ours = Engine.infonce(match.device());
        List<Contest.Standing> standings = contest.run(
                problem, List.of(ours, peer), List.of(match.device(), contest.fastestVariant(peer, problem)));
        Side us = side(problem, standings.get(0));
        Side them = side(problem, standings.get(1));
        return new Comparison(
                match.loss().word(), match.n(), match.dim(), us, them, them.milliseconds() / us.milliseconds(), target);
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
