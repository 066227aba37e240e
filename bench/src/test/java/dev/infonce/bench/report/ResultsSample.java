package dev.infonce.bench.report;

import dev.infonce.bench.report.Results.CallCost;
import dev.infonce.bench.report.Results.Comparison;
import dev.infonce.bench.report.Results.DTypeRatio;
import dev.infonce.bench.report.Results.Limit;
import dev.infonce.bench.report.Results.MemoryPoint;
import dev.infonce.bench.report.Results.Scaling;
import dev.infonce.bench.report.Results.Side;
import dev.infonce.bench.report.Results.Speed;
import java.util.List;

/** A small run with one of everything, made up. */
final class ResultsSample {
    private ResultsSample() {}

    static Results results() {
        return results(
                new Machine("a <processor>", 2, List.of("L1d 48K"), 8, "Linux", "25", "g++ 12", "abc1234", "0.0"));
    }

    static Results results(Machine machine) {
        Side ours = new Side("cpu", "infonce on cpu", 50, 1, new double[] {49, 50, 51}, 200, 0.5, 100, 20);
        Side slow = new Side("PyTorch", "DJL with PyTorch", 250, 1, new double[] {250}, 40, 0.1, 1000, 900);
        Side fast = new Side("TensorFlow", "TensorFlow-Java", 100, 1, new double[] {100}, 100, 0.25, 500, 400);
        Limit fma = new Limit(200, 380, 1.9);
        Limit product = new Limit(180, 306, 1.7);
        return new Results(
                machine,
                "./infonce bench --peers",
                "2026-01-01T00:00:00Z",
                400,
                200,
                List.of(
                        new Speed("cpu", "symmetric", "FLOAT32", 1024, 128, "forward", 1, 0.1, 268, 0.67, 80),
                        new Speed(
                                "cpu", "triplet", "FLOAT32", 1024, 128, "forward", 1, 0.1, Double.NaN, Double.NaN, 80)),
                List.of(new CallCost("reusedOutputs", 5, 0.1, 0.001)),
                List.of(new MemoryPoint("cpu", 1024, 128, 5, 90, 0.01)),
                List.of(
                        new Scaling("cpu", "symmetric", 4096, 128, 2, 100, 62.5, 1.6, fma, product, 1.0),
                        new Scaling("java", "symmetric", 4096, 128, 2, 250, 200, 1.25, fma, product, 0.4),
                        new Scaling("java", "symmetric", 8192, 256, 2, 250, 200, 1.25, fma, product, null)),
                List.of(new DTypeRatio("cpu", "infonce", "forward", 4096, 128, 2, 30, 20, 1.5)),
                List.of(
                        new Comparison("symmetric", 4096, 128, "log-softmax", ours, slow, 5, 4.0, 0.4),
                        new Comparison("symmetric", 4096, 128, "exponentials", ours, fast, 2, 3.0, 1.04),
                        new Comparison("infonce", 4096, 128, "softmax", ours, fast, 2, null, null)));
    }
}
