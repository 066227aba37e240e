package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.Distance;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The same call gives the same bits. */
class RepeatabilityTest extends DeviceSuite {
    private static final long SEED = 71;

    static List<ContrastiveLoss> losses() {
        return Cases.all(0.07);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void bitsDependNeitherOnTheRunNorOnTheNumberOfThreads(ContrastiveLoss loss) {
        int repeats = Devices.orSmaller(deviceName, 2, 1, "repeated runs");
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            Case c = Cases.random(loss, 129, 140, 33, dtype, SEED);
            Result first = Result.of(device, c);
            for (int run = 0; run < repeats; run++) {
                Compare.assertSameBits(Result.of(device, c), first, what(c, SEED) + ", run " + run);
            }
            for (int threads : Devices.isCuda(deviceName) ? new int[] {0} : new int[] {1, 2, 3, 8}) {
                try (Device other = Devices.open(deviceName, threads)) {
                    Compare.assertSameBits(Result.of(other, c), first, what(c, SEED) + ", threads " + threads);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void forwardBackwardAndBothAgreeToTheBit(ContrastiveLoss loss) {
        Case c = Cases.random(loss, 70, 90, 20, DType.FLOAT32, SEED);
        for (long budget : new long[] {-1, 0}) {
            PlanOptions options = PlanOptions.defaults().withWorkspaceBudget(budget);
            try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype(), options)) {
                Result both = Result.of(device, c);
                var forward = plan.forward(c.inputs());
                Result backward = Result.of(plan.backward(c.inputs()));
                Result expected = new Result(
                        forward.loss(),
                        forward.rowLosses(),
                        backward.dQueries(),
                        backward.dKeys(),
                        backward.dNegatives(),
                        backward.dTemperature(),
                        backward.dBias(),
                        forward.metrics(),
                        Result.Sizes.NONE);
                Compare.assertSameBits(both, expected, what(c, SEED) + ", budget " + budget);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void bitsDoNotDependOnHowManyTilesAreKept(ContrastiveLoss loss) {
        Case c = Cases.random(loss, 230, 250, 20, DType.FLOAT32, SEED);
        if (Devices.leavesOut(deviceName, 230, 250, 20, "budgets")) {
            return;
        }
        Result all = Result.of(device, c);
        for (long budget : new long[] {0, 100_000, 200_000}) {
            Result some = Result.of(device, c, PlanOptions.defaults().withWorkspaceBudget(budget));
            Compare.assertSameBits(some, all, what(c, SEED) + ", budget " + budget);
        }
    }

    @Test
    void onePlanServesEightThreadsWithTheBitsOfOne() throws Exception {
        int threads = 8;
        int callsEach = Devices.orSmaller(deviceName, 10, 3, "calls of each of eight threads");
        for (ContrastiveLoss loss : List.of(
                Cases.all(0.07).get(1),
                Cases.all(0.07).get(3),
                Cases.all(0.07).get(4),
                Cases.mined(0.3, Distance.COSINE).getLast(),
                Cases.all(0.07).getLast())) {
            List<Case> cases = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                cases.add(Cases.random(loss, 100, 140, 24, DType.FLOAT32, SEED + i));
            }
            Case shape = cases.getFirst();
            try (Plan plan = device.plan(loss, shape.shape(), shape.dtype());
                    ExecutorService pool = Executors.newFixedThreadPool(threads)) {
                List<Result> expected = cases.stream()
                        .map(c -> Result.of(plan.forwardBackward(c.inputs())))
                        .toList();
                CyclicBarrier start = new CyclicBarrier(threads);
                List<Future<List<Result>>> running = new ArrayList<>();
                for (Case c : cases) {
                    Callable<List<Result>> calls = () -> {
                        start.await();
                        List<Result> results = new ArrayList<>();
                        for (int call = 0; call < callsEach; call++) {
                            results.add(Result.of(plan.forwardBackward(c.inputs())));
                        }
                        return results;
                    };
                    running.add(pool.submit(calls));
                }
                for (int i = 0; i < threads; i++) {
                    for (Result result : running.get(i).get()) {
                        Compare.assertSameBits(result, expected.get(i), what(cases.get(i), SEED + i) + ", thread " + i);
                    }
                }
            }
        }
    }
}
