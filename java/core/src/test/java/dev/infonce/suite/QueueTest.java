package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.infonce.Block;
import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.Exclude;
import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.InfoNceException;
import dev.infonce.Labels;
import dev.infonce.Matrix;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Status;
import dev.infonce.SupCon;
import dev.infonce.Threshold;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A queue of further keys, which have no gradient; and positives that lie anywhere among keys and queue. */
class QueueTest extends DeviceSuite {
    private static final long SEED = 173;
    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);
    private static final double TAU = 0.3;

    /** As in OracleTest. */
    private static final double BOUND = 1e-7;

    static Stream<ContrastiveLoss> losses() {
        return Stream.of(Similarity.values()).flatMap(s -> Cases.ofQueues(s, TAU).stream());
    }

    private static InfoNce loss() {
        return InfoNce.withTemperature(TAU);
    }

    private static Case random(ContrastiveLoss loss, int n, int m, int queue, int dim, DType dtype, double distance) {
        return Cases.awayFromLimits(
                distance, SEED, seed -> Cases.withQueue(Cases.random(loss, n, m, dim, dtype, seed), queue, seed));
    }

    private static Case random(ContrastiveLoss loss, int n, int m, int queue, int dim, DType dtype) {
        return random(loss, n, m, queue, dim, dtype, Cases.farFromLimits(dtype));
    }

    private void assertAsOracle(Case c) {
        assertAsOracleForEachBudget(c, SEED);
    }

    private boolean isJava() {
        return deviceName.startsWith("java");
    }

    /** Shorter and longer than the keys are; of a tile and less, and of several. */
    @ParameterizedTest
    @MethodSource("losses")
    void lossGradientsAndMetricsAreTheOracles(ContrastiveLoss loss) {
        Reduction[] reductions = Reduction.values();
        List<int[]> sizes = List.of(new int[][] {{2, 3, 1}, {13, 13, 20}, {97, 97, 90}, {101, 110, 150}});
        for (DType dtype : DTYPES) {
            for (int[] size : Devices.orSome(deviceName, sizes, loss.toString().length(), "queues")) {
                int n = size[0];
                int m = size[1];
                boolean ofOtherType = n > 50 && (n == 97) != (dtype == DType.FLOAT32);
                if (ofOtherType || Devices.leavesOut(deviceName, n, m + size[2], 9, "queues")) {
                    continue;
                }
                ContrastiveLoss reduced = loss.withReduction(reductions[n % reductions.length]);
                double distance = n > 50 ? Cases.farFromLimits(dtype) / 4 : Cases.farFromLimits(dtype);
                Case c = random(reduced, n, m, size[2], 9, dtype, distance);
                float[] upstream =
                        reduced.reduction() == Reduction.NONE ? Cases.weights(n, SEED + 1) : new float[] {-1.75f};
                assertAsOracle(c.withWeights(Cases.weights(n, SEED)).withUpstream(upstream));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void typesOf16BitsAreTheOracles(Similarity similarity) {
        if (isJava()) {
            return; // it has none
        }
        for (DType dtype : List.of(DType.FLOAT16, DType.BFLOAT16)) {
            Case c = random(loss().withSimilarity(similarity), 17, 21, 30, 12, dtype);
            Result actual = Result.of(device, c, PlanOptions.defaults().withGradientDType(DType.FLOAT32));
            Tolerances tolerances = Tolerances.of(deviceName, c, DType.FLOAT32);
            Result expected = Oracle.evaluate(c);
            Compare.assertClose(actual, expected, tolerances, what(c, SEED));
            Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what(c, SEED));
        }
    }

    /** Strips of columns: the first has all positives, one has keys and queue, others have no gradient. */
    @ParameterizedTest
    @CsvSource({"3, 5, 60, 5", "20, 100, 400, 5", "3, 300, 900, 1000"})
    void ofManyRowsTheyAreTheOracles(int n, int m, int queue, int dim) {
        if (Devices.leavesOut(deviceName, n, m + queue, dim, "long queues")) {
            return;
        }
        Exclude above = Exclude.aboveThreshold(Threshold.relative(1)); // half of all, whatever the width
        for (DType dtype : DTYPES) {
            for (InfoNce loss : List.of(
                    loss(),
                    loss().withSimilarity(Similarity.DOT).withKeyOffsets().excluding(above),
                    loss().across(Block.values()).withOwnNegativesToo().excluding(Exclude.sameGroup()),
                    loss().withSimilarity(Similarity.NEGATIVE_EUCLIDEAN).withKeyOffsets())) {
                assertAsOracle(random(loss, n, m, queue, dim, dtype, Cases.farFromLimits(dtype) / 4));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreThoseOfTheLossByCentralDifferences(ContrastiveLoss loss) {
        Case c = random(loss, 4, 6, 3, 3, DType.FLOAT64, 0.005);
        try (Plan plan = device.plan(loss, c.shape(), c.dtype())) {
            Result numeric = CentralDifferences.of(
                    c, moved -> plan.forward(moved.inputs()).loss());
            Result exact = Result.of(plan.forwardBackward(c.inputs()));
            Compare.frobenius(exact.dQueries(), numeric.dQueries(), BOUND, what(c, SEED) + ": dQueries");
            Compare.frobenius(exact.dKeys(), numeric.dKeys(), BOUND, what(c, SEED) + ": dKeys");
            Compare.frobenius(exact.dNegatives(), numeric.dNegatives(), BOUND, what(c, SEED) + ": dNegatives");
            Compare.relative(exact.dTemperature(), numeric.dTemperature(), BOUND, what(c, SEED) + ": dTemperature");
        }
    }

    /** As many of the queue's rows, moved to the end of the keys. */
    private static Case movedToKeys(Case c, int count) {
        double[][] keys = Stream.concat(Arrays.stream(c.keys()), Arrays.stream(c.queue(), 0, count))
                .toArray(double[][]::new);
        Case moved = Case.of(c.loss(), c.temperature(), c.dtype(), c.queries(), keys)
                .withQueue(Arrays.copyOfRange(c.queue(), count, c.queue().length))
                .withLabels(c.labels(), c.keyLabels())
                .withGroups(c.groups(), c.keyGroups())
                .withKeyOffsets(c.keyOffsets());
        return c.negatives() == null
                ? moved
                : moved.withOwnNegatives(c.negatives(), (int) c.shape().ownNegatives());
    }

    private static Result withDKeys(Result result, double[][] dKeys) {
        return new Result(
                result.loss(),
                result.rowLosses(),
                result.dQueries(),
                dKeys,
                result.dNegatives(),
                result.dTemperature(),
                0,
                result.metrics(),
                result.sizes());
    }

    @ParameterizedTest
    @MethodSource("losses")
    void theyAreToLossesAsFurtherKeysToTheBit(ContrastiveLoss loss) {
        for (DType dtype : DTYPES) {
            for (int[] size : new int[][] {{7, 9, 6}, {97, 101, 120}, {5, 30, 300}}) {
                if (Devices.leavesOut(deviceName, size[0], size[1] + size[2], 9, "further keys")) {
                    continue;
                }
                Case c = random(loss, size[0], size[1], size[2], 9, dtype, 0);
                Result queued = Result.of(device, c);
                for (int moved : new int[] {size[2] / 2, size[2]}) {
                    Result keys = Result.of(device, movedToKeys(c, moved));
                    Result first = withDKeys(keys, Arrays.copyOf(keys.dKeys(), size[1]));
                    // On CUDA gradients of keys are cut into shares by the keys alone, and shares are added up.
                    Result same = Devices.isCuda(deviceName) ? withDKeys(queued, first.dKeys()) : queued;
                    Compare.assertSameBits(same, first, what(c, SEED) + ", " + moved + " as keys");
                }
            }
        }
    }

    @Test
    void equalVectorsLoseTheLogarithmOfTheirNumber() {
        for (DType dtype : DTYPES) {
            for (int[] size : new int[][] {{1, 1, 1}, {1, 7, 2}, {5, 5, 90}, {97, 200, 300}, {10, 20, 500}}) {
                Case c = Case.of(loss(), TAU, dtype, copies(size[0]), copies(size[1]))
                        .withQueue(copies(size[2]));
                int all = size[1] + size[2];
                assertLoss(c, Math.log(all), SEED);
                Compare.relative(Result.of(device, c).metrics().effectiveNegatives(), all - 1, 1e-5, what(c, SEED));
                SupCon several = SupCon.withTemperature(TAU).ofTwoTowers();
                int[] labels = new int[all];
                Arrays.fill(labels, size[1], all, 1); // of which the queue has the positives
                int[] ofQueries = new int[size[0]];
                Arrays.fill(ofQueries, 1);
                assertLoss(c.withLoss(several).withLabels(ofQueries, labels), Math.log(all), SEED);
            }
        }
    }

    private static double[][] copies(int rows) {
        double[][] x = new double[rows][];
        Arrays.fill(x, new double[] {0.5, -2, 1});
        return x;
    }

    /** Query i's key is any, in the queue too, and some queries have none: as InfoNCE of the others with its keys in their order. */
    @ParameterizedTest
    @EnumSource
    void positivesAnywhereAreThoseOfInfoNceInOrder(Similarity similarity) {
        int n = 40;
        int m = 30;
        int queue = 35;
        for (DType dtype : DTYPES) {
            Case c = random(loss().withSimilarity(similarity), n, n, queue, 9, dtype);
            double[][] keys = Arrays.copyOf(c.keys(), m);
            double[][] all =
                    Stream.concat(Arrays.stream(keys), Arrays.stream(c.queue())).toArray(double[][]::new);
            int[] order = new Random(SEED)
                    .ints(0, all.length)
                    .distinct()
                    .limit(all.length)
                    .toArray();
            int[] positives = Arrays.copyOf(order, n);
            Arrays.fill(positives, n - 3, n, -1);
            Labels.OfTowers labels = Labels.ofPositives(positives, all.length);
            Case anywhere = Case.of(
                            SupCon.withTemperature(TAU)
                                    .withSimilarity(similarity)
                                    .ofTwoTowers(),
                            TAU,
                            dtype,
                            c.queries(),
                            keys)
                    .withQueue(c.queue())
                    .withLabels(labels.queries(), labels.keys());
            assertAsOracle(anywhere);
            double[][] ordered = Arrays.stream(order).mapToObj(j -> all[j]).toArray(double[][]::new);
            Case inOrder =
                    Case.of(loss().withSimilarity(similarity), TAU, dtype, Arrays.copyOf(c.queries(), n - 3), ordered);
            Result found = Result.of(device, anywhere);
            Result expected = Result.of(device, inOrder);
            Tolerances twice = Tolerances.of(deviceName, c).twice();
            String what = what(anywhere, SEED);
            Compare.relative(found.loss(), expected.loss(), twice.ofLoss(expected.loss()), what);
            Compare.frobenius(
                    Arrays.copyOf(found.dQueries(), n - 3), expected.dQueries(), twice.gradient(), what + ": dQueries");
            assertThat(Arrays.stream(found.dQueries(), n - 3, n).flatMapToDouble(Arrays::stream))
                    .containsOnly(0.0);
            double[][] ofKeys = new double[m][];
            for (int j = 0; j < all.length; j++) {
                if (order[j] < m) {
                    ofKeys[order[j]] = expected.dKeys()[j];
                }
            }
            Compare.frobenius(found.dKeys(), ofKeys, twice.gradient(), what + ": dKeys");
            assertThat(found.metrics().rowsWithoutPositives()).isEqualTo(3);
        }
    }

    /** With rows of zeros in it, which are counted. */
    @Test
    void prefixesOfAMatryoshkaSeeTheirOwnOfIt() {
        for (DType dtype : DTYPES) {
            for (InfoNce loss : List.of(loss(), loss().withKeyOffsets().withOwnNegativesToo())) {
                Case c = random(loss.matryoshka(2, 5, 8).withWeights(0.5, 1, 0.25), 13, 15, 20, 9, dtype);
                Arrays.fill(c.queue()[4], 0);
                Arrays.fill(c.queue()[6], 0, 8, 0);
                Result expected = Oracle.evaluate(c);
                Tolerances tolerances = Tolerances.of(deviceName, c).twice();
                Result actual = Result.of(device, c);
                Compare.assertClose(actual, expected, tolerances, what(c, SEED));
                Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what(c, SEED));
                assertThat(actual.metrics().zeroRows()).isEqualTo(2);
            }
        }
    }

    @Test
    void bitsDependNeitherOnThreadsNorOnBudgetsNorOnWhatIsAskedFor() {
        for (DType dtype : DTYPES) {
            for (int queue : new int[] {70, 2000}) {
                if (Devices.leavesOut(deviceName, 120, queue, 17, "bits")) {
                    continue;
                }
                Case c = random(loss().withKeyOffsets().excluding(Exclude.sameGroup()), 120, 130, queue, 17, dtype);
                Result all = Result.of(device, c);
                for (int threads : Devices.isCuda(deviceName) ? new int[] {0} : new int[] {1, 3, 8}) {
                    try (Device other = Devices.open(deviceName, threads)) {
                        Compare.assertSameBits(Result.of(other, c), all, what(c, SEED) + ", threads " + threads);
                    }
                }
                PlanOptions none = PlanOptions.defaults().withWorkspaceBudget(0);
                Compare.assertSameBits(Result.of(device, c, none), all, what(c, SEED) + ", " + none);
                try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
                    Matrix dQueries = c.matrix(all.dQueries());
                    Matrix dKeys = c.matrix(all.dKeys());
                    plan.forwardBackward(c.inputs(), new Gradients(dQueries, null, null));
                    plan.forwardBackward(c.inputs(), new Gradients(null, dKeys, null));
                    assertThat(Result.rows(dQueries)).as(what(c, SEED)).isDeepEqualTo(all.dQueries());
                    assertThat(Result.rows(dKeys)).as(what(c, SEED)).isDeepEqualTo(all.dKeys());
                    assertThat(plan.forward(c.inputs()).loss()).isEqualTo(all.loss());
                }
            }
        }
    }

    @Test
    void rowsThatAreNotFiniteAreRefusedByName() {
        for (DType dtype : DTYPES) {
            for (ContrastiveLoss loss :
                    List.of(loss(), SupCon.withTemperature(TAU).ofTwoTowers())) {
                for (int queue : new int[] {40, 1700}) {
                    if (Devices.leavesOut(deviceName, 100, queue, 5, "rows that are not finite")) {
                        continue;
                    }
                    Case c = random(loss, 100, 101, queue, 5, dtype);
                    c.queue()[39][2] = Double.NaN;
                    c.queue()[33][4] = Double.NEGATIVE_INFINITY;
                    Matrix dQueries = c.matrix(c.queries());
                    try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
                        assertThatThrownBy(() -> plan.forwardBackward(c.inputs(), new Gradients(dQueries, null, null)))
                                .as(what(c, SEED))
                                .isInstanceOfSatisfying(
                                        InfoNceException.class,
                                        e -> assertThat(e.status()).isEqualTo(Status.NON_FINITE))
                                .hasMessageContaining("queue")
                                .hasMessageContaining("row 33");
                    }
                    assertThat(Result.rows(dQueries)).isDeepEqualTo(c.queries());
                }
            }
        }
    }

    /** Its gradient by such a row, whose inverse norm it would have, is beyond float32, and nobody asks for it. */
    @Test
    void tinyRowsAreTaken() {
        for (int queue : new int[] {8, 300}) {
            Case c = random(loss(), 8, 9, queue, 5, DType.FLOAT32);
            double[] row = c.queue()[7];
            for (int d = 0; d < row.length; d++) {
                row[d] *= 1e-42;
            }
            Case tiny = c.withQueue(c.queue());
            if (isJava()) {
                assertAsOracle(tiny);
            }
        }
    }
}
