package dev.infonce.bench;

import dev.infonce.DType;
import dev.infonce.bench.contest.Contest;
import dev.infonce.bench.contest.Engine;
import dev.infonce.bench.report.Results.MemoryPoint;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;

/** The memory of symmetric InfoNCE, forward and backward, at N = M = 2^10, 2^11, ..., a process each. */
final class MemoryTable {
    private static final int DIM = 128;
    private static final int SMALLEST = 10;
    private static final int LARGEST = 17;
    private static final int LARGEST_QUICK = 14;
    private static final double MIB = 1 << 20;

    private MemoryTable() {}

    static void measure(PrintStream out, Path log, boolean quick, Sink<MemoryPoint> sink) throws IOException {
        int largest = quick ? LARGEST_QUICK : LARGEST;
        int threads = Runtime.getRuntime().availableProcessors();
        try (Progress progress = new Progress(out, "memory", largest - SMALLEST + 1)) {
            for (int power = SMALLEST; power <= largest; power++) {
                int n = 1 << power;
                progress.next("memory of " + n + " x " + DIM);
                Problem problem = new Problem(Loss.SYMMETRIC, DType.FLOAT32, n, DIM, Call.FORWARD_BACKWARD, threads);
                Contest.Standing standing = Contest.once(problem, Engine.infonce("cpu"), log);
                sink.add(new MemoryPoint(
                        "cpu",
                        n,
                        DIM,
                        standing.scratchBytes() / MIB,
                        standing.peakBytes() / MIB,
                        standing.median() / 1000));
            }
        }
    }
}
