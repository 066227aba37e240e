package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Distance;
import dev.infonce.InfoNceException;
import dev.infonce.Labels;
import dev.infonce.Metrics;
import dev.infonce.Mining;
import dev.infonce.Plan;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.Status;
import dev.infonce.Triplet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Triplets mined in a batch, and pairs that labels find there: what labels, ties and sizes there may be, and what other libraries publish. */
class MinedTest extends DeviceSuite {
    private static final long SEED = 91;

    /** What distances are promised to be off by: 2^-40 of themselves, with room. */
    private static final double ERROR = 1e-10;

    private static final int[] SIZES = {1, 2, 3, 17, 130};

    static Stream<ContrastiveLoss> triplets() {
        return Arrays.stream(Distance.values()).flatMap(distance -> Cases.mined(0.3, distance).stream());
    }

    static Stream<ContrastiveLoss> losses() {
        return Stream.concat(triplets(), Arrays.stream(Similarity.values()).flatMap(s -> Cases.pairs(10, s).stream()));
    }

    static Stream<Mining> minings() {
        return Arrays.stream(Mining.values()).filter(mining -> mining != Mining.NONE);
    }

    /** Who is alike: by the row, a label. */
    private enum Pattern {
        ALL_EQUAL(row -> 7),
        ALL_DIFFERENT(row -> 1000 - row),
        ALL_NEGATIVE(row -> -1 - row % 2),
        PAIRS(row -> row / 2),
        SOME_NEGATIVE(row -> row % 3 == 1 ? -5 : row % 4),
        UNBALANCED(row -> row % 16 == 2 ? Integer.MAX_VALUE : 0),
        FEW(row -> row * row % 5);

        private final IntUnaryOperator label;

        Pattern(IntUnaryOperator label) {
            this.label = label;
        }

        int[] labels(int rows) {
            return IntStream.range(0, rows).map(label).toArray();
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void everySizeAndPatternOfLabelsIsTheOracles(ContrastiveLoss loss) {
        int turn = 0;
        int compared = 0;
        for (int size : SIZES) {
            int n = size > 17 ? Devices.orSmaller(deviceName, size, 40, "rows of mined triplets") : size;
            for (Pattern pattern : Pattern.values()) {
                turn++;
                Reduction reduction = Reduction.values()[turn % 3];
                DType dtype = turn % 2 == 0 ? DType.FLOAT64 : DType.FLOAT32;
                int[] labels = pattern.labels(n);
                double[][] rows = clustered(new Random(SEED + turn), labels, 3 + turn % 9);
                Case c = Case.of(loss.withReduction(reduction), Double.NaN, dtype, rows, null)
                        .withLabels(labels);
                compared += assertAsOracle(c, pattern.toString()) ? 1 : 0;
            }
        }
        assertThat(compared).as("cases in which roundings decide nothing").isGreaterThan(turn * 3 / 4);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void everyReductionWeightAndUpstreamGradientIsTheOracles(ContrastiveLoss loss) {
        int n = 17;
        int compared = 0;
        for (Reduction reduction : Reduction.values()) {
            int[] labels = Pattern.SOME_NEGATIVE.labels(n);
            double[][] rows = clustered(new Random(SEED), labels, 6);
            Case c = Case.of(loss.withReduction(reduction), Double.NaN, DType.FLOAT64, rows, null)
                    .withLabels(labels);
            List<Case> variants = new ArrayList<>(List.of(
                    c,
                    c.withWeights(Cases.weights(n, SEED)),
                    c.withWeights(new float[n]),
                    c.withWeights(Cases.weights(n, SEED)).withUpstream(-1.75f)));
            if (reduction == Reduction.NONE) {
                float[] upstream = Cases.weights(n, SEED + 1);
                upstream[0] = -0.5f;
                variants.add(c.withUpstream(upstream).withWeights(Cases.weights(n, SEED)));
            }
            for (Case variant : variants) {
                compared += assertAsOracle(variant, reduction.toString()) ? 1 : 0;
            }
        }
        assertThat(compared).isEqualTo(13);
    }

    private boolean assertAsOracle(Case c, String pattern) {
        TowerOracle oracle = TowerOracle.of(c);
        Result actual = Result.of(device, c);
        if (oracle.isAmbiguous(ERROR)) {
            return false;
        }
        Result expected = oracle.evaluate(5);
        String what = what(c, SEED) + ", " + pattern;
        Compare.assertClose(actual, expected, Tolerances.of(deviceName, c), what);
        Compare.assertClose(
                actual.metrics(),
                expected.metrics(),
                Tolerances.of(deviceName, c).metric(),
                what);
        return true;
    }

    /** Each around the point of its label, but for unlabelled ones, and so near that margins matter. */
    private static double[][] clustered(Random random, int[] labels, int dim) {
        int[] few =
                Arrays.stream(labels).map(label -> label < 0 ? -1 : label % 9).toArray();
        return Cases.clustered(random, Cases.gaussian(random, labels.length, dim), few);
    }

    /** Points at whole numbers on a line: all distances are exact, and many are equal. The smaller index wins. */
    @ParameterizedTest
    @MethodSource("minings")
    void exactTiesGoToTheSmallerIndex(Mining mining) {
        int moving = 0;
        for (boolean soft : new boolean[] {false, true}) {
            for (Distance distance : List.of(Distance.EUCLIDEAN, Distance.SQUARED_EUCLIDEAN)) {
                for (double margin : new double[] {0, 2, 8}) { // x = 0 is common then, and costs nothing
                    for (int seed = 0; seed < 5; seed++) {
                        Random random = new Random(SEED + seed);
                        int n = 24;
                        double[][] rows = new double[n][];
                        for (int i = 0; i < n; i++) {
                            rows[i] = new double[] {random.nextInt(9) - 4};
                        }
                        Triplet loss = new Triplet(margin, distance, mining, soft, Reduction.MEAN);
                        Case c = Case.of(loss, Double.NaN, DType.FLOAT32, rows, null)
                                .withLabels(random.ints(n, -1, 4).toArray());
                        Result expected = Oracle.evaluate(c);
                        moving += Compare.largest(expected.dQueries()) > 0 ? 1 : 0;
                        Compare.assertClose(
                                Result.of(device, c),
                                expected,
                                Tolerances.of(deviceName, c),
                                what(c, SEED + seed) + ", margin " + margin);
                    }
                }
            }
        }
        assertThat(moving).as("cases with a gradient").isGreaterThan(30);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void equalPointsAndZeroRowsHaveTheGradientThatIsDocumented(ContrastiveLoss loss) {
        int[] labels = {0, 0, 1, 1, 0, 2, -1, 2};
        double[] one = {1, 2, -1};
        double[] zero = {0, 0, 0};
        double[] other = {0.5, -1, 3};
        double[][] equal = Stream.generate(() -> one).limit(8).toArray(double[][]::new);
        double[][] zeros = Stream.generate(() -> zero).limit(8).toArray(double[][]::new);
        double[][] mixed = {one, one, zero, zero, zero, other, one, other};
        for (double[][] rows : List.of(equal, zeros, mixed)) {
            Case c = Case.of(loss, Double.NaN, DType.FLOAT64, rows, null).withLabels(labels);
            assertThat(TowerOracle.of(c).isAmbiguous(0))
                    .as("ties of rows that differ, %s", c)
                    .isEqualTo(rows == mixed && hasCosine(c));
            Result expected = Oracle.evaluate(c);
            Result actual = Result.of(device, c);
            Compare.assertClose(actual, expected, Tolerances.of(deviceName, c), what(c, SEED));
            assertThat(actual.metrics().zeroRows()).isEqualTo(expected.metrics().zeroRows());
        }
    }

    private static boolean hasCosine(Case c) {
        return c.loss().components().containsValue(Distance.COSINE)
                || c.loss().components().containsValue(Similarity.COSINE);
    }

    /** Renumbered labels are the same labels: not a bit changes. */
    @ParameterizedTest
    @MethodSource("losses")
    void namesOfLabelsDoNotMatter(ContrastiveLoss loss) {
        int n = 40;
        int[] labels = Pattern.SOME_NEGATIVE.labels(n);
        Case c = Case.of(loss, Double.NaN, DType.FLOAT32, clustered(new Random(SEED), labels, 5), null)
                .withLabels(labels);
        int[] renamed = Arrays.stream(labels)
                .map(label -> label < 0 ? Integer.MIN_VALUE : Integer.MAX_VALUE - 3 * label)
                .toArray();
        Compare.assertSameBits(
                Result.of(device, c.withLabels(renamed)), Result.of(device, c), what(c, SEED) + ", renamed");
        Object[] names = Arrays.stream(labels)
                .mapToObj(label -> label < 0 ? null : "name " + label)
                .toArray();
        Compare.assertSameBits(
                Result.of(device, c.withLabels(Labels.of(names))), Result.of(device, c), what(c, SEED) + ", named");
    }

    @ParameterizedTest
    @MethodSource("losses")
    void permutedRowsArePermutedGradients(ContrastiveLoss loss) {
        int n = 33;
        int[] labels = Pattern.SOME_NEGATIVE.labels(n);
        double[][] rows = clustered(new Random(SEED), labels, 6);
        for (Reduction reduction : Reduction.values()) {
            Case c = Case.of(loss.withReduction(reduction), Double.NaN, DType.FLOAT64, rows, null)
                    .withLabels(labels);
            int[] order = IntStream.range(0, n).map(i -> (i * 14 + 5) % n).toArray();
            Case permuted = c.withMatrices(
                            Arrays.stream(order).mapToObj(i -> rows[i]).toArray(double[][]::new), null, null)
                    .withLabels(Arrays.stream(order).map(i -> labels[i]).toArray());
            Result one = Result.of(device, c);
            Result expected = new Result(
                    one.loss(),
                    reduction == Reduction.NONE
                            ? Arrays.stream(order)
                                    .mapToDouble(i -> one.rowLosses()[i])
                                    .toArray()
                            : one.rowLosses(),
                    Arrays.stream(order).mapToObj(i -> one.dQueries()[i]).toArray(double[][]::new),
                    null,
                    null,
                    0,
                    0,
                    one.metrics(),
                    Result.Sizes.NONE);
            assertThat(Compare.largest(one.dQueries())).isPositive();
            Compare.assertClose(
                    Result.of(device, permuted),
                    expected,
                    Tolerances.of(deviceName, c).twice(),
                    what(c, SEED));
        }
    }

    /** A step of 1e-3 moves distances by 2e-3 at most: where no selection hangs on that, the loss is smooth. */
    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreThoseOfTheLossByCentralDifferences(ContrastiveLoss loss) {
        int compared = 0;
        for (int seed = 0; compared < 2 && seed < 400; seed++) {
            int[] labels = {0, 0, 1, 1, -1, 0};
            Case c = Case.of(loss, Double.NaN, DType.FLOAT64, clustered(new Random(SEED + seed), labels, 3), null)
                    .withLabels(labels);
            if (TowerOracle.of(c).isAmbiguous(0.01)) {
                continue;
            }
            try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
                Result exact = Result.of(plan.forwardBackward(c.inputs()));
                if (Compare.largest(exact.dQueries()) == 0) {
                    continue;
                }
                Result numeric = CentralDifferences.of(
                        c, moved -> plan.forward(moved.inputs()).loss());
                Compare.frobenius(exact.dQueries(), numeric.dQueries(), 1e-6, what(c, SEED + seed));
                compared++;
            }
        }
        assertThat(compared).isEqualTo(2);
    }

    /**
     * PML, tests/miners/test_batch_hard_miner.py: points 0 ... 8 with labels 0 0 1 1 0 2 1 1 1 have the triplets below, of which
     * the fifth may have the negative 3 or 5.
     */
    @Test
    void batchHardFindsTheTripletsThatPytorchMetricLearningPublishes() {
        int[] a = {0, 1, 2, 3, 4, 6, 7, 8};
        int[] p = {4, 4, 8, 8, 0, 2, 2, 2};
        int[] n = {2, 2, 1, 4, 3, 5, 5, 5};
        double[][] rows = IntStream.range(0, 9).mapToObj(i -> new double[] {i}).toArray(double[][]::new);
        double[] losses = new double[9];
        double[][] gradient = new double[9][1];
        for (int i = 0; i < a.length; i++) {
            losses[a[i]] = Math.abs(a[i] - p[i]) - Math.abs(a[i] - n[i]) + 1;
            gradient[a[i]][0] += Math.signum(a[i] - p[i]) - Math.signum(a[i] - n[i]);
            gradient[p[i]][0] -= Math.signum(a[i] - p[i]);
            gradient[n[i]][0] += Math.signum(a[i] - n[i]);
        }
        Triplet loss = Triplet.withMargin(1).mining(Mining.BATCH_HARD);
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            Case c = Case.of(loss.withReduction(Reduction.NONE), Double.NaN, dtype, rows, null)
                    .withLabels(0, 0, 1, 1, 0, 2, 1, 1, 1);
            Result result = Result.of(device, c);
            assertThat(result.rowLosses()).containsExactly(losses, within(1e-5));
            Compare.frobenius(result.dQueries(), gradient, 1e-5, what(c, 0));
            assertThat(Result.of(device, c.withLoss(loss)).loss()).isCloseTo(4.125, within(1e-5));
        }
    }

    /** tf-similarity, tests/losses/test_triplet_loss.py, test_mining: means over all six rows, all of which count. */
    @ParameterizedTest
    @EnumSource(names = {"BATCH_EASY", "BATCH_HARD"})
    void losesOfSixPointsAreThoseOfTensorflowSimilarity(Mining mining) {
        double[][] rows = {{1, 0}, {1, 0}, {0, 1}, {0, 1}, {0, 1}, {1, 0}};
        Triplet loss = Triplet.withMargin(1).withDistance(Distance.COSINE).mining(mining);
        Case c = Case.of(loss, Double.NaN, DType.FLOAT32, rows, null).withLabels(0, 0, 0, 1, 1, 1);
        assertThat(Result.of(device, c).loss()).isCloseTo(mining == Mining.BATCH_EASY ? 1 / 3.0 : 2.0, within(1e-5));
    }

    /** The same file, test_semi_hard_mining: one positive for each row. The digits are those that it gives. */
    @Test
    void semiHardRowsAreThoseOfTensorflowSimilarity() {
        double[][] rows = {{1, 0}, {0.5, 0.8660254}, {0, 1}, {0.01010049, 0.999949}};
        Triplet loss = Triplet.withMargin(1)
                .withDistance(Distance.COSINE)
                .mining(Mining.SEMI_HARD)
                .withReduction(Reduction.NONE);
        Case c = Case.of(loss, Double.NaN, DType.FLOAT32, rows, null).withLabels(0, 0, 1, 1);
        assertThat(Result.of(device, c).rowLosses())
                .containsExactly(new double[] {0.510, 1.366, 0.866, 0.871}, within(1e-3));
    }

    /** The same file: 32 classes of two unit vectors each, all right, and a soft margin, or one of 1.1. */
    @Test
    void perfectEmbeddingsHaveTheLossOfTensorflowSimilarity() {
        double[][] rows = Stream.concat(Arrays.stream(Cases.identity(32)), Arrays.stream(Cases.identity(32)))
                .toArray(double[][]::new);
        int[] labels = IntStream.range(0, 64).map(i -> i % 32).toArray();
        Triplet loss = Triplet.withMargin(1.1).withDistance(Distance.COSINE).mining(Mining.SEMI_HARD);
        Case c = Case.of(loss, Double.NaN, DType.FLOAT32, rows, null).withLabels(labels);
        assertThat(Result.of(device, c).loss()).isCloseTo(0.1, within(1e-5));
        Triplet soft = Triplet.withMargin(0)
                .withDistance(Distance.COSINE)
                .mining(Mining.SEMI_HARD)
                .withSoftMargin();
        assertThat(Result.of(device, c.withLoss(soft)).loss()).isCloseTo(0.31326169, within(1e-5));
    }

    /** Of points 0, 1 (alike), 3 and 4 (alike): every number by hand. */
    @Test
    void countsOfAllTripletsAreOfThoseThatCost() {
        double[][] rows = {{0}, {1}, {3}, {4}};
        Triplet loss = Triplet.withMargin(1.5).mining(Mining.BATCH_ALL);
        // x of anchor 0: 1 - 3 + 1.5, 1 - 4 + 1.5; of 1: 1 - 2 + 1.5, 1 - 3 + 1.5; of 2 and 3 as of 1 and 0
        Case c = Case.of(loss, Double.NaN, DType.FLOAT64, rows, null).withLabels(3, 3, 0, 0);
        Result result = Result.of(device, c);
        assertThat(result.loss()).isCloseTo(0.5, within(1e-9)); // two cost 0.5 each
        Metrics metrics = result.metrics();
        assertThat(metrics.positiveSimilarity()).isCloseTo(-1, within(1e-9));
        assertThat(metrics.negativeSimilarity()).isCloseTo(-(3 + 4 + 2 + 3) / 4.0, within(1e-9));
        assertThat(metrics.top1Accuracy()).isEqualTo(1);
        assertThat(metrics.effectiveNegatives()).isNaN();
        Case soft = c.withLoss(loss.withSoftMargin());
        double[] x = {-0.5, -1.5, 0.5, -0.5};
        double mean = Arrays.stream(x).map(v -> Math.log1p(Math.exp(v))).sum() / 4;
        assertThat(Result.of(device, soft).loss()).isCloseTo(mean, within(1e-9));
    }

    @ParameterizedTest
    @MethodSource("triplets")
    void rowsAtTheEndsOfFloat64(ContrastiveLoss loss) {
        int[] labels = Pattern.FEW.labels(12);
        double[][] rows = clustered(new Random(SEED), labels, 4);
        for (double size : new double[] {1e-150, 1e-300, 1e140, 1e160}) {
            double[][] scaled = Arrays.stream(rows)
                    .map(row -> Arrays.stream(row).map(v -> v * size).toArray())
                    .toArray(double[][]::new);
            Case c = Case.of(loss, Double.NaN, DType.FLOAT64, scaled, null).withLabels(labels);
            boolean overflows = size == 1e160 && loss.components().containsValue(Distance.SQUARED_EUCLIDEAN);
            if (overflows) {
                assertThatThrownBy(() -> Result.of(device, c))
                        .isInstanceOfSatisfying(
                                InfoNceException.class,
                                e -> assertThat(e.status()).isEqualTo(Status.NON_FINITE));
            } else if (!vanishes(loss, size)) {
                Compare.assertClose(
                        Result.of(device, c), Oracle.evaluate(c), Tolerances.of(deviceName, c), what(c, SEED));
            }
        }
    }

    /** Squares of 1e-300 are 0, and so are all distances: every choice is a tie that the oracle's arithmetic breaks as well. */
    private static boolean vanishes(ContrastiveLoss loss, double size) {
        return size < 1e-200 && loss.components().containsValue(Distance.SQUARED_EUCLIDEAN);
    }

    /** Of 65536 rows a matrix of distances would have 16 GiB in float32. */
    @Test
    void aWorkspaceHoldsNoMatrixOfDistances() {
        long n = 1 << 16;
        long dim = 4;
        for (Mining mining : minings().toList()) {
            try (Plan plan = device.plan(Triplet.withMargin(1).mining(mining), Shape.tower(n, dim), DType.FLOAT32)) {
                assertThat(plan.workspaceBytes()).as("%s", mining).isLessThan((64L << 20) + n * (dim + 4) * 64);
            }
        }
    }

    @Test
    void aRowThatIsNotFiniteIsNamedAndNothingIsWritten() {
        Case like = Case.of(
                        Triplet.withMargin(1).mining(Mining.BATCH_ALL),
                        Double.NaN,
                        DType.FLOAT32,
                        new double[][] {{1, 2}, {3, 4}, {5, Double.NaN}},
                        null)
                .withLabels(0, 0, 1);
        FuzzMemory memory = new FuzzMemory(SEED, like, DType.FLOAT32);
        try (Plan plan = device.plan(like.loss(), like.shape(), like.dtype())) {
            assertThatThrownBy(() -> plan.forwardBackward(memory.inputs(), memory.gradients()))
                    .isInstanceOfSatisfying(
                            InfoNceException.class, e -> assertThat(e.status()).isEqualTo(Status.NON_FINITE))
                    .hasMessageContaining("queries")
                    .hasMessageContaining("row 2");
        }
        memory.checkUntouched(what(like, SEED));
    }
}
