package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
import dev.infonce.NtXent;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Status;
import dev.infonce.Threshold;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Further pairs among the negatives of a row: of two queries, of its key and queries, of two keys. */
class BlocksTest extends DeviceSuite {
    private static final long SEED = 151;
    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);
    private static final double TAU = 0.3;

    /** As in OracleTest. */
    private static final double BOUND = 1e-7;

    static Stream<ContrastiveLoss> losses() {
        return Stream.of(Similarity.values()).flatMap(s -> Cases.withBlocks(s, TAU).stream());
    }

    static Stream<Set<Block>> blocks() {
        return Cases.blocks().stream();
    }

    private static InfoNce across(Set<Block> blocks) {
        return InfoNce.withTemperature(TAU).across(blocks.toArray(Block[]::new));
    }

    private static Case random(ContrastiveLoss loss, int n, int m, int dim, DType dtype, double distance) {
        return Cases.awayFromLimits(distance, SEED, seed -> Cases.random(loss, n, m, dim, dtype, seed));
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

    /** Of a tile and less, and of several, with as many keys as queries and more, all computed again with no budget. */
    @ParameterizedTest
    @MethodSource("losses")
    void lossGradientsAndMetricsAreTheOracles(ContrastiveLoss loss) {
        Reduction[] reductions = Reduction.values();
        for (DType dtype : DTYPES) {
            for (int[] size : new int[][] {{1, 3}, {13, 13}, {16, 25}, {97, 97}, {101, 300}}) {
                int n = size[0];
                int m = size[1];
                if (Devices.leavesOut(deviceName, n, m, 9, "blocks")) {
                    continue;
                }
                ContrastiveLoss reduced = loss.withReduction(reductions[n % reductions.length]);
                Case c = random(reduced, n, m, 9, dtype, Cases.farFromLimits(dtype));
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
    @MethodSource("blocks")
    void colderAndWarmerLossesAreTheOracles(Set<Block> blocks) {
        for (Similarity similarity : Similarity.values()) {
            for (double tau : new double[] {1e-4, 0.01, 0.07, 1, 1e3}) {
                for (DType dtype : DTYPES) {
                    if (tau < 0.01 && dtype == DType.FLOAT32) {
                        continue; // tolerances are for temperatures from 0.01 on
                    }
                    Case c = Cases.random(across(blocks).withSimilarity(similarity), 15, 20, 10, dtype, SEED);
                    assertAsOracle(c.withTemperature(tau));
                }
            }
        }
    }

    /** Strips of keys, of which the first has all positives, one of them and several. */
    @ParameterizedTest
    @CsvSource({"3, 48, 5", "100, 1600, 5", "1, 3000, 70", "5, 1500, 800"})
    void manyKeysAreInTheSumsOfTheirRowsAlone(int n, int m, int dim) {
        if (Devices.leavesOut(deviceName, n, m, dim, "many keys")) {
            return;
        }
        Exclude above = Exclude.aboveThreshold(Threshold.relative(dim < 100 ? 0.5 : 0.95));
        int turn = 0;
        for (Set<Block> blocks : Cases.blocks()) {
            InfoNce loss = across(blocks);
            List<InfoNce> forms = List.of(
                    loss,
                    loss.withSimilarity(Similarity.DOT).excluding(above),
                    loss.excluding(Exclude.sameGroup()),
                    loss.withSimilarity(Similarity.NEGATIVE_EUCLIDEAN));
            for (DType dtype : DTYPES) {
                for (int form = 0; form < 2; form++) {
                    Case c = random(forms.get(turn++ % forms.size()), n, m, dim, dtype, Cases.farFromLimits(dtype) / 4);
                    Result expected = Oracle.evaluate(c);
                    assertAsOracle(c, expected, PlanOptions.defaults());
                    assertAsOracle(c, expected, PlanOptions.defaults().withWorkspaceBudget(0));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreThoseOfTheLossByCentralDifferences(ContrastiveLoss loss) {
        Case c = random(loss, 4, 6, 3, DType.FLOAT64, 0.01);
        try (Plan plan = device.plan(loss, c.shape(), c.dtype())) {
            Result numeric = CentralDifferences.of(
                    c, moved -> plan.forward(moved.inputs()).loss());
            Result exact = Result.of(plan.forwardBackward(c.inputs()));
            Compare.frobenius(exact.dQueries(), numeric.dQueries(), BOUND, what(c, SEED) + ": dQueries");
            Compare.frobenius(exact.dKeys(), numeric.dKeys(), BOUND, what(c, SEED) + ": dKeys");
            Compare.relative(exact.dTemperature(), numeric.dTemperature(), BOUND, what(c, SEED) + ": dTemperature");
        }
    }

    /** Of n - 1 pairs a block, and m - 1 keys. */
    @ParameterizedTest
    @MethodSource("blocks")
    void equalVectorsLoseTheLogarithmOfTheirNumber(Set<Block> blocks) {
        for (DType dtype : DTYPES) {
            for (int[] size : new int[][] {{1, 1}, {1, 7}, {5, 5}, {100, 100}, {97, 200}, {10, 500}}) {
                int n = size[0];
                int m = size[1];
                double[][] x = new double[m][];
                Arrays.fill(x, new double[] {0.5, -2, 1});
                Case c = Case.of(across(blocks), TAU, dtype, Arrays.copyOf(x, n), x);
                int negatives = m - 1 + blocks.size() * (n - 1);
                loses(c, Math.log(1 + negatives));
                assertThat(n != m || blocks.size() < 3 || negatives == 4 * n - 4)
                        .isTrue();
                Metrics metrics = Result.of(device, c).metrics();
                assertThat(metrics.rowsWithoutNegatives()).isEqualTo(m == 1 ? 1 : 0);
                if (negatives > 0) {
                    loses(c.withLoss(across(blocks).decoupled()), Math.log(negatives));
                    Compare.relative(metrics.effectiveNegatives(), negatives, 1e-5, what(c, SEED));
                    assertThat(metrics.effectiveNegatives()).isLessThanOrEqualTo(negatives);
                    Compare.relative(metrics.top1Accuracy(), 1.0 / m, 1e-9, what(c, SEED));
                } else {
                    assertThat(metrics.effectiveNegatives()).isNaN();
                }
            }
        }
    }

    /** Pairs of equal unit vectors, orthogonal to all others: every positive is 1, and every negative 0. */
    @ParameterizedTest
    @MethodSource("blocks")
    void orthonormalPairsHaveTheirClosedForm(Set<Block> blocks) {
        int n = 7;
        double[][] e = Cases.identity(n);
        double each = Math.exp(-1 / TAU);
        double sum = (1 + blocks.size()) * (n - 1) * each;
        double share = each / (1 + sum) / TAU / n;
        boolean ofBoth = blocks.contains(Block.KEY_QUERY);
        double byQueries = share * (1 + (ofBoth ? 1 : 0) + (blocks.contains(Block.QUERY_QUERY) ? 2 : 0));
        double byKeys = share * (1 + (ofBoth ? 1 : 0) + (blocks.contains(Block.KEY_KEY) ? 2 : 0));
        double byPositive = -sum / (1 + sum) / TAU / n;
        for (DType dtype : DTYPES) {
            Case c = Case.of(across(blocks).withSimilarity(Similarity.DOT), TAU, dtype, e, e);
            Tolerances tolerances = Tolerances.of(deviceName, c);
            loses(c, Math.log1p(sum));
            Result result = Result.of(device, c);
            Compare.relative(
                    result.dTemperature(), sum / (1 + sum) / (TAU * TAU), tolerances.dTemperature(), what(c, SEED));
            Compare.frobenius(result.dQueries(), matrix(n, byPositive, byQueries), tolerances.gradient(), what(c, 0));
            Compare.frobenius(result.dKeys(), matrix(n, byPositive, byKeys), tolerances.gradient(), what(c, 0));
            assertThat(result.metrics().top1Accuracy()).isEqualTo(1.0);
            assertThat(result.metrics().negativeSimilarity()).isZero();
        }
    }

    private static double[][] matrix(int n, double diagonal, double other) {
        double[][] matrix = new double[n][n];
        for (int i = 0; i < n; i++) {
            Arrays.fill(matrix[i], other);
            matrix[i][i] = diagonal;
        }
        return matrix;
    }

    /** The negatives of row i are those of rows i and n + i of one tower: e^l - 1 is the sum of theirs. */
    @ParameterizedTest
    @EnumSource
    void allBlocksAreTwoRowsOfNtXentInOne(Similarity similarity) {
        for (DType dtype : DTYPES) {
            InfoNce gte = Losses.gte(TAU).withSimilarity(similarity).withReduction(Reduction.NONE);
            Case c = Cases.random(gte, 97, 97, 9, dtype, SEED);
            NtXent tower =
                    NtXent.withTemperature(TAU).withSimilarity(similarity).withReduction(Reduction.NONE);
            double[] rows = Result.of(device, c).rowLosses();
            double[] views = Result.of(device, c.withLoss(tower)).rowLosses();
            for (int i = 0; i < rows.length; i++) {
                double expected = Math.log1p(Math.expm1(views[i]) + Math.expm1(views[rows.length + i]));
                double tolerance = 2 * Tolerances.of(deviceName, c).ofRowLoss(expected);
                Compare.relative(rows[i], expected, tolerance, what(c, SEED) + ", row " + i);
            }
        }
    }

    /** As many keys as queries: with KEY_QUERY the other side has the same negatives, and those of two keys are of two queries. */
    @ParameterizedTest
    @MethodSource("losses")
    void exchangedSidesHaveExchangedBlocks(ContrastiveLoss loss) {
        InfoNce given = (InfoNce) loss;
        if (!given.blocks().contains(Block.KEY_QUERY)) {
            return;
        }
        Block[] exchanged = given.blocks().stream()
                .map(block -> switch (block) {
                    case QUERY_QUERY -> Block.KEY_KEY;
                    case KEY_QUERY -> Block.KEY_QUERY;
                    case KEY_KEY -> Block.QUERY_QUERY;
                })
                .toArray(Block[]::new);
        for (DType dtype : DTYPES) {
            Case c = random(loss, 100, 100, 9, dtype, Cases.farFromLimits(dtype));
            Result one = Result.of(device, c);
            Result other = Result.of(
                    device,
                    c.withLoss(given.across(exchanged))
                            .withMatrices(c.keys(), c.queries(), null)
                            .withGroups(c.keyGroups(), c.groups()));
            Result expected = new Result(
                    one.loss(),
                    one.rowLosses(),
                    one.dKeys(),
                    one.dQueries(),
                    null,
                    one.dTemperature(),
                    0,
                    null,
                    Oracle.evaluate(c).sizes());
            Compare.assertClose(other, expected, Tolerances.of(deviceName, c).twice(), what(c, SEED));
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void permutedRowsArePermutedGradients(ContrastiveLoss loss) {
        int n = 100;
        int m = 120;
        int[] order = new Random(SEED).ints(0, n).distinct().limit(n).toArray();
        int[] keyOrder = IntStream.concat(
                        Arrays.stream(order),
                        new Random(SEED).ints(n, m).distinct().limit(m - n))
                .toArray();
        for (DType dtype : DTYPES) {
            Case c = random(loss.withReduction(Reduction.NONE), n, m, 9, dtype, Cases.farFromLimits(dtype));
            Case permuted = c.withMatrices(permuted(c.queries(), order), permuted(c.keys(), keyOrder), null)
                    .withGroups(permuted(c.groups(), order), permuted(c.keyGroups(), keyOrder));
            Result one = Result.of(device, c);
            Result expected = new Result(
                    one.loss(),
                    Arrays.stream(order).mapToDouble(i -> one.rowLosses()[i]).toArray(),
                    permuted(one.dQueries(), order),
                    permuted(one.dKeys(), keyOrder),
                    null,
                    one.dTemperature(),
                    0,
                    one.metrics(),
                    Oracle.evaluate(c).sizes());
            Tolerances two = Tolerances.of(deviceName, c).twice();
            Result actual = Result.of(device, permuted);
            Compare.assertClose(actual, expected, two, what(c, SEED));
            Compare.assertClose(actual.metrics(), expected.metrics(), two.metric(), what(c, SEED));
        }
    }

    private static double[][] permuted(double[][] rows, int... order) {
        return Arrays.stream(order).mapToObj(i -> rows[i]).toArray(double[][]::new);
    }

    private static int[] permuted(int[] numbers, int... order) {
        return numbers == null
                ? null
                : Arrays.stream(order).map(i -> numbers[i]).toArray();
    }

    @ParameterizedTest
    @MethodSource("blocks")
    void bitsDependNeitherOnThreadsNorOnBudgetsNorOnWhatIsAskedFor(Set<Block> blocks) {
        for (DType dtype : DTYPES) {
            for (int m : new int[] {129, 300, 2100}) {
                if (Devices.leavesOut(deviceName, 129, m, 17, "bits")) {
                    continue;
                }
                Case c = Cases.random(across(blocks).excluding(Exclude.sameGroup()), 129, m, 17, dtype, SEED);
                Result first = Result.of(device, c);
                for (int threads : Devices.isCuda(deviceName) ? new int[] {0} : new int[] {1, 2, 3, 8}) {
                    try (Device other = Devices.open(deviceName, threads)) {
                        String what = what(c, SEED) + ", threads " + threads;
                        Compare.assertSameBits(Result.of(other, c), first, what);
                    }
                }
                for (long budget : new long[] {0, 100_000, 400_000}) {
                    PlanOptions options = PlanOptions.defaults().withWorkspaceBudget(budget);
                    Compare.assertSameBits(Result.of(device, c, options), first, what(c, SEED) + ", " + options);
                }
                parts(c, first);
            }
        }
    }

    /** The forward pass, the backward one, and one gradient of two, twice on one plan. */
    private void parts(Case c, Result all) {
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
            for (int call = 0; call < 2; call++) {
                Matrix dQueries =
                        Matrix.zeros(c.dtype(), c.shape().n(), c.shape().dim());
                Matrix dKeys = Matrix.zeros(c.dtype(), c.shape().m(), c.shape().dim());
                GradientResult ofQueries = plan.forwardBackward(c.inputs(), new Gradients(dQueries, null, null));
                plan.forwardBackward(c.inputs(), new Gradients(null, dKeys, null));
                assertThat(Result.rows(dQueries)).as(what(c, SEED)).isDeepEqualTo(all.dQueries());
                assertThat(Result.rows(dKeys)).as(what(c, SEED)).isDeepEqualTo(all.dKeys());
                assertThat(ofQueries.dTemperature()).isEqualTo(all.dTemperature());
                assertThat(plan.forward(c.inputs()).loss()).isEqualTo(all.loss());
                assertThat(plan.forward(c.inputs()).metrics()).isEqualTo(all.metrics());
                Result backward = Result.of(plan.backward(c.inputs()));
                assertThat(backward.dQueries()).isDeepEqualTo(all.dQueries());
                assertThat(backward.dKeys()).isDeepEqualTo(all.dKeys());
            }
        }
    }

    /** Groups below 0 and a limit that nothing exceeds are as none. */
    @ParameterizedTest
    @MethodSource("blocks")
    void groupsAndLimitsThatLeaveOutNothingChangeNoBit(Set<Block> blocks) {
        for (DType dtype : DTYPES) {
            for (Similarity similarity : Similarity.values()) {
                InfoNce loss = across(blocks).withSimilarity(similarity);
                Case c = Cases.random(loss, 130, 150, 7, dtype, SEED);
                int[] none = new int[150];
                Arrays.fill(none, -3);
                Case alone = c.withLoss(loss.excluding(Exclude.sameGroup())).withGroups(Arrays.copyOf(none, 130), none);
                Case below = c.withLoss(loss.excluding(Exclude.aboveThreshold(Threshold.absolute(-1e100))));
                Result expected = Result.of(device, c);
                for (Case of : List.of(alone, below)) {
                    Result actual = Result.of(device, of);
                    String what = what(of, SEED);
                    Compare.assertSameBits(withoutMetrics(actual), withoutMetrics(expected), what);
                    Compare.assertClose(
                            actual.metrics(),
                            expected.metrics(),
                            Tolerances.of(deviceName, c).metric(),
                            what);
                }
            }
        }
    }

    private static Result withoutMetrics(Result result) {
        return new Result(
                result.loss(),
                result.rowLosses(),
                result.dQueries(),
                result.dKeys(),
                null,
                result.dTemperature(),
                0,
                null,
                result.sizes());
    }

    /** Of four queries two are of a group, and of the keys two others: what is left is counted by hand. */
    @Test
    void groupsOfQueriesAndOfKeysAreApart() {
        double[][] x = new double[4][];
        Arrays.fill(x, new double[] {1, 2});
        int[] groups = {7, 7, -1, -1};
        int[] keyGroups = {-1, 7, 7, -1};
        // keys that are left of 3, and other queries, queries of the key, and keys, that are left of 3 each
        int[][] left = {{1, 2, 3, 3}, {2, 2, 2, 2}, {3, 3, 1, 2}, {3, 3, 3, 3}};
        for (Set<Block> blocks : Cases.blocks()) {
            InfoNce loss = across(blocks).excluding(Exclude.sameGroup()).withReduction(Reduction.NONE);
            for (DType dtype : DTYPES) {
                Case c = Case.of(loss, TAU, dtype, x, x).withGroups(groups, keyGroups);
                Result result = Result.of(device, c);
                double effective = 0;
                for (int i = 0; i < 4; i++) {
                    int negatives = left[i][0];
                    for (Block block : blocks) {
                        negatives += left[i][1 + block.ordinal()];
                    }
                    double expected = Math.log1p(negatives);
                    effective += negatives / 4.0;
                    Compare.relative(
                            result.rowLosses()[i],
                            expected,
                            Tolerances.of(deviceName, c).ofRowLoss(expected),
                            what(c, i));
                }
                Compare.relative(result.metrics().effectiveNegatives(), effective, 1e-5, what(c, SEED));
                if (deviceName.startsWith("java")) { // others hold the mean below one without groups
                    assertThat(result.metrics().effectiveNegatives()).isLessThanOrEqualTo(effective);
                }
            }
        }
    }

    /** The queries have similarity 3, which is above the limit 2 of the first and below the limit 4 of the second. */
    @Test
    void aPairOfQueriesMayCountInOneOfTheirRowsAlone() {
        double[][] queries = {{1, 0, 1}, {3, 0, 0}};
        double[][] keys = {{0, -1, 2}, {4.0 / 3, 1, -2}};
        // similarities of queries and keys: 2 and -2/3; 0 and 4; of keys -5
        for (DType dtype : DTYPES) {
            InfoNce loss = InfoNce.withTemperature(2)
                    .withSimilarity(Similarity.DOT)
                    .excluding(Exclude.aboveThreshold(Threshold.absolute(0)));
            for (Set<Block> blocks : Cases.blocks()) {
                Case c = Case.of(loss.across(blocks.toArray(Block[]::new)), 2, dtype, queries, keys);
                double first = Math.exp((-2.0 / 3 - 2) / 2);
                double second = Math.exp((0.0 - 4) / 2);
                for (Block block : blocks) {
                    switch (block) {
                        case QUERY_QUERY -> second += Math.exp((3.0 - 4) / 2);
                        case KEY_QUERY -> {
                            first += Math.exp((0.0 - 2) / 2);
                            second += Math.exp((-2.0 / 3 - 4) / 2);
                        }
                        case KEY_KEY -> {
                            first += Math.exp((-5.0 - 2) / 2);
                            second += Math.exp((-5.0 - 4) / 2);
                        }
                    }
                }
                loses(c, (Math.log1p(first) + Math.log1p(second)) / 2);
                assertAsOracle(c);
            }
        }
    }

    /** A row whose keys are all left out has a loss by its blocks, and counts as one without negatives. */
    @Test
    void rowsWithoutNegativesAreThoseWithoutOtherKeys() {
        double[][] queries = {{1, 0}, {0, 1}};
        double[][] keys = {{1, 0.5}, {3, 2}};
        InfoNce loss = InfoNce.withTemperature(TAU)
                .withSimilarity(Similarity.DOT)
                .excluding(Exclude.aboveThreshold(Threshold.absolute(0)))
                .across(Block.QUERY_QUERY);
        for (DType dtype : DTYPES) {
            Case c = Case.of(loss, TAU, dtype, queries, keys);
            loses(c, (Math.log1p(Math.exp(-1 / TAU)) + Math.log1p(Math.exp(-2 / TAU) + Math.exp(-1.5 / TAU))) / 2);
            Metrics metrics = Result.of(device, c).metrics();
            assertThat(metrics.rowsWithoutNegatives()).isEqualTo(1);
            assertThat(metrics.negativeSimilarity()).isEqualTo(0.5);
            assertAsOracle(c);
        }
    }

    @ParameterizedTest
    @MethodSource("blocks")
    void zeroRowsAreTheOracles(Set<Block> blocks) {
        for (Similarity similarity : Similarity.values()) {
            for (DType dtype : DTYPES) {
                Case c = Cases.random(across(blocks).withSimilarity(similarity), 99, 110, 7, dtype, SEED);
                for (double[] row : List.of(c.queries()[3], c.queries()[97], c.keys()[3], c.keys()[5], c.keys()[105])) {
                    Arrays.fill(row, 0);
                }
                System.arraycopy(c.queries()[8], 0, c.queries()[9], 0, 7); // equal points have distance 0
                System.arraycopy(c.keys()[8], 0, c.keys()[98], 0, 7);
                assertAsOracle(c);
            }
        }
    }

    /** Logits of queries and keys are small, and those of the longer rows among themselves beyond what float32 has exponentials of. */
    @ParameterizedTest
    @MethodSource("blocks")
    void longRowsThatMeetShortOnesAreTheOracles(Set<Block> blocks) {
        for (DType dtype : DTYPES) {
            for (double size : new double[] {0.03, 30}) {
                Case c = Cases.random(across(blocks).withSimilarity(Similarity.DOT), 14, 20, 10, dtype, SEED);
                assertAsOracle(c.withMatrices(times(size, c.queries()), times(1 / size, c.keys()), null));
            }
        }
    }

    private static double[][] times(double factor, double[][] rows) {
        return Arrays.stream(rows)
                .map(row -> Arrays.stream(row).map(v -> factor * v).toArray())
                .toArray(double[][]::new);
    }

    /** Two queries, or two of the first keys, whose product is beyond float64, while those of queries and keys are 0. */
    @Test
    void similaritiesOfABlockThatOverflowAreRefused() {
        double[][] zeros = new double[3][2];
        double[][] large = {{0, 1}, {1e200, 1}, {-1e200, 1}};
        double[][] largeAfter = {{0, 1}, {1e200, 1}, {0, 2}, {1e200, 1}};
        for (Block block : Block.values()) {
            InfoNce loss =
                    InfoNce.withTemperature(1).withSimilarity(Similarity.DOT).across(block);
            assertRefused(Case.of(loss, 1, DType.FLOAT64, large, zeros), block == Block.QUERY_QUERY);
            assertRefused(Case.of(loss, 1, DType.FLOAT64, zeros, large), block == Block.KEY_KEY);
            assertRefused(Case.of(loss, 1, DType.FLOAT64, zeros, largeAfter), false);
        }
        double[][] both = {{1.5e308, 0}, {-1.5e308, 0}};
        InfoNce distance = InfoNce.withTemperature(1).withSimilarity(Similarity.NEGATIVE_EUCLIDEAN);
        double[][] zero = new double[2][2];
        assertRefused(Case.of(distance.across(Block.QUERY_QUERY), 1, DType.FLOAT64, both, zero), true);
        assertRefused(Case.of(distance.across(Block.KEY_KEY), 1, DType.FLOAT64, zero, both), true);
        if (deviceName.startsWith("java")) { // others may refuse them for a sum of such distances
            assertRefused(Case.of(distance.across(Block.KEY_QUERY), 1, DType.FLOAT64, both, zero), false);
            assertRefused(Case.of(distance.across(Block.KEY_KEY), 1, DType.FLOAT64, new double[1][2], both), false);
        }
    }

    /** One tiny row in each matrix, whose inverse norm a gradient has; with few keys, and with strips of them. */
    @Test
    void gradientsThatOverflowAreRefused() {
        for (Set<Block> blocks : Cases.blocks()) {
            for (int m : new int[] {8, 300}) {
                for (boolean ofQueries : new boolean[] {true, false}) {
                    Case c = Cases.random(across(blocks), 8, m, 5, DType.FLOAT32, SEED);
                    double[] row = ofQueries ? c.queries()[7] : c.keys()[7];
                    for (int d = 0; d < row.length; d++) {
                        row[d] *= 1e-42;
                    }
                    assertRefused(c.withMatrices(c.queries(), c.keys(), null), true);
                }
            }
        }
    }

    @Test
    void rowsThatAreNotFiniteAreRefused() {
        for (Set<Block> blocks : Cases.blocks()) {
            for (DType dtype : DTYPES) {
                Case c = Cases.random(across(blocks), 8, 10, 5, dtype, SEED);
                c.keys()[9][2] = Double.NaN;
                assertRefused(c, true);
                Case other = Cases.random(across(blocks), 8, 10, 5, dtype, SEED);
                other.queries()[0][2] = Double.POSITIVE_INFINITY;
                assertRefused(other, true);
            }
        }
    }

    /** With all outputs as they were, but for gradients that the native library has begun to write when they overflow. */
    private void assertRefused(Case c, boolean refused) {
        Matrix dQueries = filled(c.queries(), c);
        Matrix dKeys = filled(c.keys(), c);
        double[][] queriesBefore = Result.rows(dQueries);
        double[][] keysBefore = Result.rows(dKeys);
        String what = what(c, SEED);
        // metrics would have sums of their own that overflow
        PlanOptions options = PlanOptions.defaults().withoutMetrics();
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype(), options)) {
            Gradients out = new Gradients(dQueries, dKeys, null);
            if (!refused) {
                assertThat(plan.forwardBackward(c.inputs(), out).loss())
                        .as(what)
                        .isFinite();
                return;
            }
            assertThatThrownBy(() -> plan.forwardBackward(c.inputs(), out))
                    .as(what)
                    .isInstanceOfSatisfying(
                            InfoNceException.class, e -> assertThat(e.status()).isEqualTo(Status.NON_FINITE));
        }
        if (deviceName.startsWith("java")) {
            assertThat(Result.rows(dQueries)).as(what).isDeepEqualTo(queriesBefore);
            assertThat(Result.rows(dKeys)).as(what).isDeepEqualTo(keysBefore);
        }
    }

    private static Matrix filled(double[][] like, Case c) {
        double[][] rows = new double[like.length][like[0].length];
        for (double[] row : rows) {
            Arrays.fill(row, 77);
        }
        return c.matrix(rows);
    }

    /**
     * What sentence-transformers' formula gives for MultipleNegativesRankingLoss(directions=("query_to_doc", "query_to_query",
     * "doc_to_query", "doc_to_doc"), scale=10), which counts the positive twice: ln(2 + u), u being the sum over the negatives. So
     * ours is ln(1 + u), and weights (1 + u) / (2 + u) make its gradients those, but for roundings of weights to float32.
     */
    @Test
    void sentenceTransformersCountsThePositiveOnceMore() {
        double[] theirs = {
            14.291927441651112,
            4.2955281591643395,
            3.061512322858449,
            6.1779374442791655,
            14.801532012861571,
            3.349663655735422
        };
        double[] sums = Arrays.stream(theirs).map(l -> Math.exp(l) - 2).toArray();
        float[] weights = new float[sums.length];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) ((1 + sums[i]) / (2 + sums[i]) / sums.length);
        }
        InfoNce rows = Losses.gte(0.1).withReduction(Reduction.NONE);
        double[] ours = Result.of(device, Case.of(rows, 0.1, DType.FLOAT64, GaussianPairs.QUERIES, GaussianPairs.KEYS))
                .rowLosses();
        for (int i = 0; i < ours.length; i++) {
            Compare.relative(ours[i], Math.log1p(sums[i]), 1e-9, deviceName + ", row " + i);
        }
        Case weighted = Case.of(
                        Losses.gte(0.1).withReduction(Reduction.SUM),
                        0.1,
                        DType.FLOAT64,
                        GaussianPairs.QUERIES,
                        GaussianPairs.KEYS)
                .withWeights(weights);
        Result result = Result.of(device, weighted);
        Compare.frobenius(result.dQueries(), D_QUERIES, 1e-6, deviceName + ": dQueries");
        Compare.frobenius(result.dKeys(), D_KEYS, 1e-6, deviceName + ": dKeys");
        Compare.relative(result.dTemperature(), -67.9967235052045, 1e-6, deviceName + ": dTemperature");
    }

    private static final double[][] D_QUERIES = {
        {0.7539597349702993, 1.0632356862451138, -1.0542153513993002, -1.7013703900103698, -0.21068335669219068},
        {-0.5964270877626938, 0.5501571025009573, -0.2743403011540566, -0.35051011641864827, -0.38650290429406764},
        {-0.7053460042701758, -0.3456073735665838, 0.11430834027822122, 0.6801913814617542, -0.41254150447607607},
        {1.247136546932979, 1.3482235485096128, 0.21313411646176933, 0.8406444662755289, 2.35783644920806},
        {0.25824872099340823, 0.320997281379614, -0.7924789068743228, -0.3055309634256327, 0.30772885901469343},
        {-0.08573185798061231, -0.24042340160580755, 0.5607229920816253, 0.06593544961186258, 0.44009239697571156}
    };
    private static final double[][] D_KEYS = {
        {-0.2171297145061033, 0.3355716984930069, 0.1655178740476206, -0.5404840389373625, 0.07960402062105122},
        {0.2433689577528733, -0.393987338573384, 0.05020650262621144, 0.3738685115228896, -0.6085147553467722},
        {0.09030312321522986, -0.18080965380863634, 0.12816629819072586, -0.27988352272073785, 0.12155480302189967},
        {0.4787041131463266, -0.44099897066465493, 0.3597792564073685, 0.7039771578215281, -0.27785533892317565},
        {0.07072611597500006, -0.25676405412492387, -0.18157864760675332, -0.33047790778121605, 0.28896911208324483},
        {-0.5231725805934754, -0.80595183194765, -0.16697694189505424, 0.19689317524345834, -0.49728991615121393}
    };
}
