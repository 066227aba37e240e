package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.Block;
import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.Exclude;
import dev.infonce.GradientResult;
import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.InfoNceException;
import dev.infonce.Losses;
import dev.infonce.Matrix;
import dev.infonce.Metrics;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Status;
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

/** Negatives of a row's own beside those of the batch. */
class OwnNegativesTooTest extends DeviceSuite {
    private static final long SEED = 171;
    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);
    private static final double TAU = 0.3;

    /** As in OracleTest. */
    private static final double BOUND = 1e-7;

    static Stream<ContrastiveLoss> losses() {
        return Stream.of(Similarity.values()).flatMap(s -> Cases.withOwnNegativesToo(s, TAU).stream());
    }

    private static InfoNce loss() {
        return InfoNce.withTemperature(TAU).withOwnNegativesToo();
    }

    /** With so many negatives of each row's own. */
    private static Case random(ContrastiveLoss loss, int n, int m, int own, int dim, DType dtype, double distance) {
        return Cases.awayFromLimits(
                distance,
                SEED,
                seed -> Cases.random(loss, n, m, dim, dtype, seed)
                        .withOwnNegatives(Cases.gaussian(new Random(~seed), n * own, dim), own));
    }

    private static Case random(ContrastiveLoss loss, int n, int m, int own, int dim, DType dtype) {
        return random(loss, n, m, own, dim, dtype, Cases.farFromLimits(dtype));
    }

    private void assertAsOracle(Case c, Result expected, PlanOptions options) {
        assertAsOracle(c, expected, options, SEED);
    }

    private void assertAsOracle(Case c) {
        assertAsOracle(c, Oracle.evaluate(c), PlanOptions.defaults());
    }

    private void loses(Case c, double expected) {
        assertLoss(c, expected, SEED);
    }

    private boolean isJava() {
        return deviceName.startsWith("java");
    }

    /** One of them and more than there are keys; of a tile and less, and of several; with no budget everything is computed again. */
    @ParameterizedTest
    @MethodSource("losses")
    void lossGradientsAndMetricsAreTheOracles(ContrastiveLoss loss) {
        Reduction[] reductions = Reduction.values();
        List<int[]> sizes =
                List.of(new int[][] {{1, 1, 1}, {1, 3, 4}, {13, 13, 20}, {16, 25, 1}, {97, 97, 2}, {101, 300, 3}});
        for (DType dtype : DTYPES) {
            for (int[] size : Devices.orSome(deviceName, sizes, loss.toString().length(), "own negatives")) {
                int n = size[0];
                int m = size[1];
                if (Devices.leavesOut(deviceName, n, m, 9, "own negatives")) {
                    continue;
                }
                ContrastiveLoss reduced = loss.withReduction(reductions[n % reductions.length]);
                Case c = n == 1 && m == 1
                        ? Cases.random(reduced, n, m, 9, dtype, SEED)
                        : random(reduced, n, m, size[2], 9, dtype);
                float[] upstream =
                        reduced.reduction() == Reduction.NONE ? Cases.weights(n, SEED + 1) : new float[] {-1.75f};
                Case weighted = c.withWeights(Cases.weights(n, SEED)).withUpstream(upstream);
                assertAsOracle(c);
                Result expected = Oracle.evaluate(weighted);
                assertAsOracle(weighted, expected, PlanOptions.defaults());
                assertAsOracle(weighted, expected, PlanOptions.defaults().withWorkspaceBudget(0));
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
            Case c = random(loss().withSimilarity(similarity), 17, 21, 3, 12, dtype);
            Result actual = Result.of(device, c, PlanOptions.defaults().withGradientDType(DType.FLOAT32));
            Tolerances tolerances = Tolerances.of(deviceName, c, DType.FLOAT32);
            Result expected = Oracle.evaluate(c);
            Compare.assertClose(actual, expected, tolerances, what(c, SEED));
            Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what(c, SEED));
        }
    }

    @ParameterizedTest
    @EnumSource
    void colderAndWarmerLossesAreTheOracles(Similarity similarity) {
        for (double tau : new double[] {1e-4, 0.01, 0.07, 1, 1e3}) {
            for (DType dtype : DTYPES) {
                if (tau < 0.01 && dtype == DType.FLOAT32) {
                    continue; // tolerances are for temperatures from 0.01 on
                }
                Case c = random(loss().withSimilarity(similarity), 15, 20, 4, 10, dtype);
                assertAsOracle(c.withTemperature(tau));
            }
        }
    }

    /** Strips of keys, of which the first has all positives. */
    @ParameterizedTest
    @CsvSource({"3, 48, 2, 5", "100, 1600, 3, 5", "1, 3000, 1, 70", "5, 1500, 300, 70"})
    void besideManyKeysTheyAreTheOracles(int n, int m, int own, int dim) {
        if (Devices.leavesOut(deviceName, n, m, dim, "many keys")) {
            return;
        }
        Exclude above = Exclude.aboveThreshold(Threshold.relative(0.5));
        for (DType dtype : DTYPES) {
            for (InfoNce loss : List.of(
                    loss(),
                    loss().withSimilarity(Similarity.DOT).excluding(above),
                    loss().across(Block.values()).excluding(Exclude.sameGroup()),
                    loss().withSimilarity(Similarity.NEGATIVE_EUCLIDEAN))) {
                Case c = random(loss, n, m, own, dim, dtype, Cases.farFromLimits(dtype) / 4);
                Result expected = Oracle.evaluate(c);
                assertAsOracle(c, expected, PlanOptions.defaults());
                assertAsOracle(c, expected, PlanOptions.defaults().withWorkspaceBudget(0));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreThoseOfTheLossByCentralDifferences(ContrastiveLoss loss) {
        Case c = random(loss, 4, 6, 2, 3, DType.FLOAT64, 0.01);
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

    /** m - 1 other keys and the row's own; with all blocks n - 1 pairs each more. */
    @Test
    void equalVectorsLoseTheLogarithmOfTheirNumber() {
        for (DType dtype : DTYPES) {
            for (int[] size : new int[][] {{1, 1, 1}, {1, 7, 2}, {5, 5, 9}, {97, 200, 3}, {10, 500, 1}}) {
                int n = size[0];
                int m = size[1];
                int own = size[2];
                Case c = Case.of(loss(), TAU, dtype, copies(n), copies(m)).withOwnNegatives(copies(n * own), own);
                int negatives = m - 1 + own;
                loses(c, Math.log(1 + negatives));
                if (negatives > 1) { // else its loss is a rounding of 0
                    loses(c.withLoss(loss().decoupled()), Math.log(negatives));
                }
                loses(c.withLoss(loss().across(Block.values())), Math.log(1 + negatives + 3.0 * (n - 1)));
                Metrics metrics = Result.of(device, c).metrics();
                assertThat(metrics.rowsWithoutNegatives()).isZero();
                Compare.relative(metrics.effectiveNegatives(), negatives, 1e-5, what(c, SEED));
                assertThat(metrics.effectiveNegatives()).isLessThanOrEqualTo(negatives);
                Compare.relative(metrics.top1Accuracy(), 1.0 / (1 + negatives), 1e-9, what(c, SEED));
            }
        }
    }

    private static double[][] copies(int rows) {
        double[][] x = new double[rows][];
        Arrays.fill(x, new double[] {0.5, -2, 1});
        return x;
    }

    /** With no key but the positive they are the negatives of a loss that has no others. */
    @ParameterizedTest
    @EnumSource
    void withoutOtherKeysTheyAreAllThatThereIs(Similarity similarity) {
        for (DType dtype : DTYPES) {
            InfoNce too = loss().withSimilarity(similarity);
            InfoNce alone =
                    InfoNce.withTemperature(TAU).withSimilarity(similarity).withOwnNegatives();
            Case c = random(too, 1, 1, 70, 9, dtype);
            Result expected = Result.of(device, c.withLoss(alone).withNegatives(c.negatives(), 70));
            Result actual = Result.of(device, c);
            Result withSizes = new Result(
                    expected.loss(),
                    expected.rowLosses(),
                    expected.dQueries(),
                    expected.dKeys(),
                    expected.dNegatives(),
                    expected.dTemperature(),
                    0,
                    null,
                    Oracle.evaluate(c).sizes());
            Compare.assertClose(actual, withSizes, Tolerances.of(deviceName, c).twice(), what(c, SEED));
        }
    }

    /** Another row's sums and gradients keep their bits. */
    @ParameterizedTest
    @EnumSource
    void aRowsOwnMoveItsLossAlone(Similarity similarity) {
        for (DType dtype : DTYPES) {
            InfoNce loss = loss().withSimilarity(similarity).withReduction(Reduction.NONE);
            Case c = random(loss, 100, 110, 3, 9, dtype);
            double[][] moved = c.negatives().clone();
            int row = 97;
            moved[row * 3 + 1] = c.keys()[4];
            Result before = Result.of(device, c);
            Result after = Result.of(device, c.withMatrices(c.queries(), c.keys(), moved));
            for (int i = 0; i < 100; i++) {
                if (i == row) {
                    assertThat(after.rowLosses()[i]).isNotEqualTo(before.rowLosses()[i]);
                    continue;
                }
                assertThat(after.rowLosses()[i]).as(what(c, SEED)).isEqualTo(before.rowLosses()[i]);
                assertThat(after.dQueries()[i]).as(what(c, SEED)).isEqualTo(before.dQueries()[i]);
                for (int k = 3 * i; k < 3 * i + 3; k++) {
                    assertThat(after.dNegatives()[k]).as(what(c, SEED)).isEqualTo(before.dNegatives()[k]);
                }
            }
        }
    }

    /** Their similarity has the bits of the positive's, so that they tie with it and a margin of 0 leaves them. */
    @ParameterizedTest
    @EnumSource
    void copiesOfThePositiveTieWithItAndStay(Similarity similarity) {
        int n = 50;
        int own = 3;
        Exclude above = Exclude.aboveThreshold(Threshold.absolute(0));
        for (DType dtype : DTYPES) {
            for (int dim : new int[] {1, 2, 7, 31, 33, 64, 65, 130, 300}) {
                if (Devices.leavesOut(deviceName, n, n, dim, "copies")) {
                    continue;
                }
                InfoNce loss = loss().withSimilarity(similarity).excluding(above);
                Case c = Cases.random(loss, n, n, dim, dtype, SEED);
                double[][] negatives = new double[n * own][];
                for (int k = 0; k < negatives.length; k++) {
                    negatives[k] = c.keys()[k / own];
                }
                for (Case of : List.of(
                        c.withOwnNegatives(negatives, own),
                        c.withOwnNegatives(negatives, own)
                                .withLoss(loss.excluding(Exclude.aboveThreshold(Threshold.relative(0)))))) {
                    Metrics metrics = Result.of(device, of).metrics();
                    assertThat(metrics.rowsWithoutNegatives())
                            .as(what(of, SEED))
                            .isZero();
                    if (dim > 2) { // else other keys tie
                        assertThat(metrics.top1Accuracy()).as(what(of, SEED)).isCloseTo(1.0 / (1 + own), within(1e-12));
                    }
                }
            }
        }
    }

    /** Similarities 2 (positive); 1 and 3 of the row's own: the second is above. */
    @Test
    void aThresholdLeavesThemOut() {
        double[][] query = {{1, 0}};
        double[][] key = {{2, 1}};
        double[][] negatives = {{1, 5}, {3, -1}};
        for (DType dtype : DTYPES) {
            InfoNce loss =
                    loss().withSimilarity(Similarity.DOT).excluding(Exclude.aboveThreshold(Threshold.absolute(0)));
            Case c = Case.of(loss, TAU, dtype, query, key).withOwnNegatives(negatives, 2);
            loses(c, Math.log1p(Math.exp(-1 / TAU)));
            Result result = Result.of(device, c);
            assertThat(result.dNegatives()[1]).containsOnly(0);
            assertThat(result.metrics().negativeSimilarity()).isEqualTo(1);
            assertThat(result.metrics().top1Accuracy()).isEqualTo(1);
            assertThat(result.metrics().effectiveNegatives()).isEqualTo(1);
            assertThat(result.metrics().rowsWithoutNegatives()).isZero();
            Case none = c.withLoss(loss.excluding(Exclude.aboveThreshold(Threshold.absolute(1.5))));
            loses(none, 0);
            assertThat(Result.of(device, none).metrics().rowsWithoutNegatives()).isEqualTo(1);
        }
    }

    /** All keys are of one group, so that a row has its own alone. */
    @Test
    void groupsLeaveThemIn() {
        int n = 40;
        int own = 3;
        for (DType dtype : DTYPES) {
            Case c = Case.of(loss().excluding(Exclude.sameGroup()), TAU, dtype, copies(n), copies(n + 2))
                    .withOwnNegatives(copies(n * own), own)
                    .withGroups(new int[n], new int[n + 2]);
            loses(c, Math.log(1 + own));
            Compare.relative(Result.of(device, c).metrics().effectiveNegatives(), own, 1e-5, what(c, SEED));
        }
    }

    @Test
    void qwen3IsTheOracle() {
        for (DType dtype : DTYPES) {
            for (double margin : new double[] {0.1, 0, -0.3}) {
                assertAsOracle(random(Losses.qwen3(TAU, margin), 40, 45, 3, 12, dtype));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void zeroRowsAreTheOracles(Similarity similarity) {
        for (DType dtype : DTYPES) {
            Case c = random(loss().withSimilarity(similarity), 99, 110, 2, 7, dtype);
            for (double[] row : List.of(c.queries()[3], c.keys()[4], c.negatives()[6], c.negatives()[197])) {
                Arrays.fill(row, 0);
            }
            System.arraycopy(c.queries()[8], 0, c.negatives()[16], 0, 7); // equal points have distance 0
            assertAsOracle(c);
        }
    }

    /** Logits beyond what float32 has exponentials of, of their own alone. */
    @Test
    void longOnesAreTheOracles() {
        for (DType dtype : DTYPES) {
            Case c = random(loss().withSimilarity(Similarity.DOT), 14, 20, 3, 10, dtype);
            double[][] negatives = Arrays.stream(c.negatives())
                    .map(row -> Arrays.stream(row).map(v -> 60 * v).toArray())
                    .toArray(double[][]::new);
            assertAsOracle(c.withMatrices(c.queries(), c.keys(), negatives));
        }
    }

    @Test
    void bitsDependNeitherOnThreadsNorOnBudgetsNorOnWhatIsAskedFor() {
        for (DType dtype : DTYPES) {
            for (int m : new int[] {129, 2100}) {
                if (Devices.leavesOut(deviceName, 129, m, 17, "bits")) {
                    continue;
                }
                Case c = random(loss().across(Block.QUERY_QUERY).excluding(Exclude.sameGroup()), 129, m, 5, 17, dtype);
                Result first = Result.of(device, c);
                for (int threads : Devices.isCuda(deviceName) ? new int[] {0} : new int[] {1, 2, 3, 8}) {
                    try (Device other = Devices.open(deviceName, threads)) {
                        String what = what(c, SEED) + ", threads " + threads;
                        Compare.assertSameBits(Result.of(other, c), first, what);
                    }
                }
                for (long budget : new long[] {0, 100_000}) {
                    PlanOptions options = PlanOptions.defaults().withWorkspaceBudget(budget);
                    Compare.assertSameBits(Result.of(device, c, options), first, what(c, SEED) + ", " + options);
                }
                parts(c, first);
            }
        }
    }

    /** The forward pass, the backward one, and one gradient of three, twice on one plan. */
    private void parts(Case c, Result all) {
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
            for (int call = 0; call < 2; call++) {
                Matrix dQueries = c.matrix(all.dQueries());
                Matrix dKeys = c.matrix(all.dKeys());
                Matrix dNegatives = c.matrix(all.dNegatives());
                GradientResult ofQueries = plan.forwardBackward(c.inputs(), new Gradients(dQueries, null, null));
                plan.forwardBackward(c.inputs(), new Gradients(null, dKeys, null));
                plan.forwardBackward(c.inputs(), new Gradients(null, null, dNegatives));
                assertThat(Result.rows(dQueries)).as(what(c, SEED)).isDeepEqualTo(all.dQueries());
                assertThat(Result.rows(dKeys)).as(what(c, SEED)).isDeepEqualTo(all.dKeys());
                assertThat(Result.rows(dNegatives)).as(what(c, SEED)).isDeepEqualTo(all.dNegatives());
                assertThat(ofQueries.dTemperature()).isEqualTo(all.dTemperature());
                assertThat(plan.forward(c.inputs()).loss()).isEqualTo(all.loss());
                assertThat(plan.forward(c.inputs()).metrics()).isEqualTo(all.metrics());
            }
        }
    }

    @Test
    void rowsThatAreNotFiniteAreRefusedByName() {
        for (DType dtype : DTYPES) {
            for (int m : new int[] {100, 1700}) {
                if (Devices.leavesOut(deviceName, 100, m, 5, "rows that are not finite")) {
                    continue;
                }
                Case c = random(loss(), 100, m, 2, 5, dtype);
                c.negatives()[199][2] = Double.NaN;
                c.negatives()[193][4] = Double.NEGATIVE_INFINITY;
                assertRefused(c, "negatives", "row 193");
            }
        }
    }

    @Test
    void similaritiesBeyondTheRangeAreRefused() {
        double[][] queries = {{0, 1}, {1e200, 1}};
        double[][] zeros = new double[2][2];
        double[][] negatives = {{0, 1}, {0, 2}, {0, 3}, {1e200, 1}};
        InfoNce dot = InfoNce.withTemperature(1).withSimilarity(Similarity.DOT).withOwnNegativesToo();
        assertRefused(Case.of(dot, 1, DType.FLOAT64, queries, zeros).withOwnNegatives(negatives, 2));
        negatives[3][0] = -1e200;
        assertRefused(Case.of(dot, 1, DType.FLOAT64, queries, zeros).withOwnNegatives(negatives, 2));
        InfoNce distance = dot.withSimilarity(Similarity.NEGATIVE_EUCLIDEAN);
        double[][] far = {{0, 1}, {1.5e308, 0}};
        double[][] opposite = {{0, 1}, {0, 2}, {-1.5e308, 0}, {0, 1}};
        assertRefused(Case.of(distance, 1, DType.FLOAT64, far, zeros).withOwnNegatives(opposite, 2));
    }

    /** A tiny row, whose inverse norm its gradient has; with few keys, and with strips of them. */
    @Test
    void gradientsThatOverflowAreRefused() {
        for (int m : new int[] {8, 300}) {
            Case c = random(loss(), 8, m, 2, 5, DType.FLOAT32);
            double[] row = c.negatives()[15];
            for (int d = 0; d < row.length; d++) {
                row[d] *= 1e-42;
            }
            assertRefused(c.withMatrices(c.queries(), c.keys(), c.negatives()));
        }
    }

    /** In Java with all outputs as they were. */
    private void assertRefused(Case c, String... says) {
        Matrix[] outputs = Stream.of(c.queries(), c.keys(), c.negatives())
                .map(like -> c.matrix(filled(like)))
                .toArray(Matrix[]::new);
        // metrics would have sums of their own that overflow
        PlanOptions options = PlanOptions.defaults().withoutMetrics();
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype(), options)) {
            assertThatThrownBy(
                            () -> plan.forwardBackward(c.inputs(), new Gradients(outputs[0], outputs[1], outputs[2])))
                    .as(what(c, SEED))
                    .isInstanceOfSatisfying(
                            InfoNceException.class, e -> assertThat(e.status()).isEqualTo(Status.NON_FINITE))
                    .satisfies(e -> List.of(says).forEach(word -> assertThat(e).hasMessageContaining(word)));
        }
        if (isJava()) {
            for (Matrix output : outputs) {
                assertThat(Arrays.stream(Result.rows(output)).flatMapToDouble(Arrays::stream))
                        .as(what(c, SEED))
                        .containsOnly(77.0);
            }
        }
    }

    private static double[][] filled(double[][] like) {
        double[][] rows = new double[like.length][like[0].length];
        for (double[] row : rows) {
            Arrays.fill(row, 77);
        }
        return rows;
    }

    @Test
    void negativesOfOtherSizesAreRefused() {
        Case c = random(loss(), 5, 6, 3, 4, DType.FLOAT32);
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
            assertThatThrownBy(() -> plan.forward(c.inputs().withNegatives(c.matrix(c.keys()))))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("negatives: must be 15 x 4");
            assertThatThrownBy(() -> plan.forward(c.inputs().withNegatives(null)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("negatives: InfoNce needs a 15 x 4 matrix");
        }
    }
}
