package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.Circle;
import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.InfoNceException;
import dev.infonce.Metrics;
import dev.infonce.MultiSimilarity;
import dev.infonce.Plan;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.Status;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Multi-similarity and circle: closed forms, others' values, and scales from one end to the other. What patterns of labels do is in
 * {@link MinedTest}, as they are found as those of mined triplets are.
 */
class WeighedPairsTest extends DeviceSuite {
    private static final long SEED = 97;

    /** Of float64: closed forms and published values have as many digits, and sums of a few terms lose none of these. */
    private static final double DIGITS = 1e-12;

    /** Angles of 0, 20, 40, 60 and 80 degrees, as pytorch-metric-learning's tests have them. */
    private static final double[][] ANGLES = {
        {1.0, 0.0},
        {0.9396926207859084, 0.3420201433256687},
        {0.766044443118978, 0.6427876096865393},
        {0.5000000000000001, 0.8660254037844386},
        {0.17364817766693041, 0.984807753012208}
    };

    static Stream<ContrastiveLoss> losses() {
        return Arrays.stream(Similarity.values()).flatMap(s -> Cases.pairs(20, s).stream());
    }

    private static Case of(ContrastiveLoss loss, double[][] rows, int... labels) {
        return Case.of(loss, Double.NaN, DType.FLOAT64, rows, null).withLabels(labels);
    }

    private static double softplus(double x) {
        return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
    }

    /** Of a row whose positives have one similarity, and its negatives another. */
    private static double multiSimilarity(MultiSimilarity loss, int positives, double p, int negatives, double n) {
        double a = loss.positiveScale();
        double b = loss.negativeScale();
        return (positives == 0 ? 0 : softplus(Math.log(positives) - a * (p - loss.base())) / a)
                + (negatives == 0 ? 0 : softplus(Math.log(negatives) + b * (n - loss.base())) / b);
    }

    private static double circle(Circle loss, int positives, double p, int negatives, double n) {
        double m = loss.margin();
        double ofPositives = -Math.max(0, 1 + m - p) * (p - 1 + m);
        double ofNegatives = Math.max(0, n + m) * (n - m);
        return softplus(Math.log(positives) + Math.log(negatives) + loss.scale() * (ofPositives + ofNegatives));
    }

    /** All rows are one: every similarity is 1, and no direction is better than another. */
    @ParameterizedTest
    @ValueSource(doubles = {1e-3, 1, 50, 1e4})
    void equalRowsHaveTheirClosedForm(double scale) {
        double[][] rows = Stream.generate(() -> new double[] {3, 0, 4}).limit(7).toArray(double[][]::new);
        int[] labels = {0, 0, 0, 0, 1, 1, 1};
        MultiSimilarity many = MultiSimilarity.withScales(scale, scale / 2).withBase(0.3);
        hasRows(of(many, rows, labels), i -> multiSimilarity(many, i < 4 ? 3 : 2, 1, i < 4 ? 3 : 4, 1));
        Circle round = Circle.withMarginAndScale(0.4, scale);
        hasRows(of(round, rows, labels), i -> circle(round, i < 4 ? 3 : 2, 1, i < 4 ? 3 : 4, 1));
        for (ContrastiveLoss loss : List.of(many, round)) {
            assertThat(Compare.largest(Result.of(device, of(loss, rows, labels)).dQueries()))
                    .isLessThan(scale * 1e-14);
        }
    }

    /** Three classes of two unit vectors each, all right: similarities are 1 and 0; and all wrong, where they are 0 and 1, or 0. */
    @ParameterizedTest
    @ValueSource(doubles = {1e-3, 1, 50, 1e4})
    void orthonormalRowsHaveTheirClosedForm(double scale) {
        double[][] rows = Stream.concat(Arrays.stream(Cases.identity(3)), Arrays.stream(Cases.identity(3)))
                .toArray(double[][]::new);
        int[] right = {5, 6, 7, 5, 6, 7};
        MultiSimilarity many = MultiSimilarity.withScales(scale / 2, scale);
        hasRows(of(many, rows, right), i -> multiSimilarity(many, 1, 1, 4, 0));
        double[][] unlike = Cases.identity(6);
        hasRows(of(many, unlike, 0, 0, 0, 1, 1, 1), i -> multiSimilarity(many, 2, 0, 3, 0));
        for (double margin : new double[] {0, 0.01, 0.25, 1}) {
            Circle round = Circle.withMarginAndScale(margin, scale);
            hasRows(of(round, rows, right), i -> circle(round, 1, 1, 4, 0));
            hasRows(of(round, unlike, 0, 0, 0, 1, 1, 1), i -> circle(round, 2, 0, 3, 0));
        }
    }

    /** On a line, of points that are all 2 from each other's class, and 1 from their own: Euclidean distances by hand. */
    @Test
    void distancesOnALineHaveTheirClosedForm() {
        double[][] rows = {{0}, {1}, {-2}};
        MultiSimilarity many = MultiSimilarity.withScales(3, 5)
                .withBase(-1.5)
                .withSimilarity(Similarity.NEGATIVE_EUCLIDEAN)
                .withReduction(Reduction.NONE);
        Result result = Result.of(device, of(many, rows, 4, 4, 9));
        double[] expected = {
            multiSimilarity(many, 1, -1, 1, -2),
            multiSimilarity(many, 1, -1, 1, -3),
            (Math.log(1 + Math.exp(5 * -0.5) + Math.exp(5 * -1.5))) / 5
        };
        assertThat(result.rowLosses()).containsExactly(expected, within(DIGITS));
        Circle round = Circle.withMarginAndScale(0.5, 2)
                .withSimilarity(Similarity.NEGATIVE_SQUARED_EUCLIDEAN)
                .withReduction(Reduction.NONE);
        Result of = Result.of(device, of(round, rows, 4, 4, 9));
        // negatives are beyond -m, where they cost nothing and have no gradient; positives have 1 - s = 1 + 1
        double each = softplus(2 * (2 + 0.5) * (2 - 0.5));
        assertThat(of.rowLosses()).containsExactly(new double[] {each, each, 0}, within(DIGITS));
        double slope =
                2 * 2 * 2 * (1 - Math.exp(-each)) * -2; // by the first point, of one row: g 2 (1 - s) sigma 2 (x - y)
        assertThat(of.dQueries()[0][0]).isCloseTo(2 * slope, within(1e-11));
        assertThat(of.dQueries()[2][0]).isZero();
    }

    private interface ByRow {
        double at(int row);
    }

    /** Losses of rows, their mean and their sum. */
    private void hasRows(Case c, ByRow expected) {
        int n = c.rows();
        double[] losses = IntStream.range(0, n).mapToDouble(expected::at).toArray();
        Result rows = Result.of(device, c.withLoss(c.loss().withReduction(Reduction.NONE)));
        for (int i = 0; i < n; i++) {
            Compare.relative(rows.rowLosses()[i], losses[i], DIGITS, what(c, SEED) + ", row " + i);
        }
        double sum = DoubleStream.of(losses).sum();
        Compare.relative(
                Result.of(device, c.withLoss(c.loss().withReduction(Reduction.SUM)))
                        .loss(),
                sum,
                DIGITS,
                what(c, SEED));
        Compare.relative(Result.of(device, c).loss(), sum / n, DIGITS, what(c, SEED));
    }

    /** The formula of pytorch-metric-learning, tests/losses/test_multi_similarity_loss.py, in float64, with its gradient. */
    @Test
    void multiSimilarityOfAnglesIsThatOfPytorchMetricLearning() {
        double[][] gradient = {
            {0.0, 0.061778592258103705},
            {-0.06968952216366699, 0.19147038851725745},
            {0.21336629596238033, -0.2542800497516864},
            {-0.1760850800670608, 0.10166276837699441},
            {0.13484345247519058, -0.023776538843255843}
        };
        hasValue(MultiSimilarity.withScales(0.1, 40), 5.7762208089656895, gradient);
    }

    /** Likewise of tests/losses/test_circle_loss.py, differentiated as it is written: the mean is over the four rows with both kinds. */
    @Test
    void circleOfAnglesIsThatOfPytorchMetricLearning() {
        double[][] gradient = {
            {0.0, 18.046047975086797},
            {-9.35822227514215, 25.711504387190296},
            {30.248149256254727, -36.04834054546749},
            {-12.562442631208345, 7.252929634807366},
            {12.660444431534465, -2.2323779410397724}
        };
        hasValue(Circle.withMarginAndScale(0.4, 80), 39.40877346940437, gradient);
    }

    private void hasValue(ContrastiveLoss loss, double value, double[]... gradient) {
        Case c = of(loss, ANGLES, 0, 0, 1, 1, 2);
        Result result = Result.of(device, c);
        Compare.relative(result.loss(), value, DIGITS, what(c, 0));
        Compare.frobenius(result.dQueries(), gradient, DIGITS, what(c, 0));
        Case narrow = Case.of(loss, Double.NaN, DType.FLOAT32, ANGLES, null).withLabels(c.labels());
        Compare.relative(Result.of(device, narrow).loss(), value, 1e-5, what(narrow, 0));
    }

    /** Scales at which an exponential of a similarity alone would be beyond float64, or nothing. */
    @ParameterizedTest
    @ValueSource(doubles = {1e-6, 0.1, 300, 1e4})
    void anyScaleIsTheOracles(double scale) {
        for (Similarity s :
                List.of(Similarity.COSINE, Similarity.NEGATIVE_SQUARED_EUCLIDEAN, Similarity.NEGATIVE_EUCLIDEAN)) {
            for (ContrastiveLoss loss : Cases.pairs(scale, s)) {
                for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
                    Case c = Cases.random(loss, 21, 0, 5, dtype, SEED);
                    Result actual = Result.of(device, c);
                    Compare.assertClose(actual, Oracle.evaluate(c), Tolerances.of(deviceName, c), what(c, SEED));
                    assertThat(Compare.largest(actual.dQueries()))
                            .as(what(c, SEED))
                            .isPositive();
                }
            }
        }
    }

    /** At 1e4 a loss is that of its largest penalty, to what sums add to it: here by hand, and by more digits than oracles share. */
    @Test
    void atTheLargestScaleTheWorstPairIsAllThereIs() {
        double[][] rows = Cases.identity(4);
        MultiSimilarity many = MultiSimilarity.withScales(1e4, 1e4);
        Case apart = of(many, rows, 3, 3, 3, 3); // 0.5 too far
        assertThat(Result.of(device, apart).loss()).isCloseTo(0.5 + Math.log(3) / 1e4, within(1e-15));
        Case alone = of(many, rows, 1, 2, 3, 4); // right by e^-5000
        assertThat(Result.of(device, alone).loss()).isZero();
        Circle round = Circle.withMarginAndScale(0.25, 1e4);
        Case wrong = of(round, rows, 1, 1, 2, 2);
        double penalty = 1e4 * (1.25 * 0.75 - 0.25 * 0.25);
        Compare.relative(Result.of(device, wrong).loss(), penalty + Math.log(2), 1e-14, what(wrong, 0));
        MultiSimilarity slight = MultiSimilarity.withScales(100, 100).withReduction(Reduction.NONE);
        double tiny = Math.log1p(3 * Math.exp(-50)) / 100;
        assertThat(Result.of(device, of(slight, rows, 1, 2, 3, 4)).rowLosses())
                .containsExactly(new double[] {tiny, tiny, tiny, tiny}, within(tiny * 1e-12));
    }

    /** All unlike, no labels, all alike, one row: a circle has nothing to compare, and a multi-similarity one side, or none. */
    @Test
    void rowsWithoutPositivesOrNegativesLackThem() {
        double[][] rows = Cases.gaussian(new Random(SEED), 5, 3);
        int[][] patterns = {{0, 1, 2, 3, 4}, {-1, -1, -7, -1, -1}, {2, 2, 2, 2, 2}};
        for (int[] labels : patterns) {
            boolean alike = labels[0] == 2;
            boolean none = labels[0] < 0;
            Result round = Result.of(device, of(Circle.withMarginAndScale(0.25, 80), rows, labels));
            assertThat(round.loss()).isZero();
            assertThat(Compare.largest(round.dQueries())).isZero();
            Case many = of(MultiSimilarity.withScales(2, 50), rows, labels);
            Result result = Result.of(device, many);
            assertThat(result.loss() == 0).isEqualTo(none);
            Compare.assertClose(result, Oracle.evaluate(many), Tolerances.of(deviceName, many), what(many, SEED));
            for (Metrics metrics : List.of(round.metrics(), result.metrics())) {
                assertThat(metrics.rowsWithoutPositives()).isEqualTo(alike ? 0 : 5);
                assertThat(metrics.rowsWithoutNegatives()).isEqualTo(alike || none ? 5 : 0);
                assertThat(metrics.top1Accuracy()).isNaN();
                assertThat(Double.isNaN(metrics.negativeSimilarity())).isEqualTo(alike || none);
                assertThat(Double.isNaN(metrics.positiveSimilarity())).isEqualTo(!alike);
            }
        }
        for (ContrastiveLoss loss : losses().toList()) {
            Result one = Result.of(device, of(loss, new double[][] {{1, 2}}, 3));
            assertThat(one.loss()).isZero();
            assertThat(Compare.largest(one.dQueries())).isZero();
        }
    }

    /** A row without positives, or without a label, counts in the mean of a multi-similarity, and has no share in that of a circle. */
    @Test
    void meansAreOfTheRowsThatTheyAreSaidToBeOf() {
        int[] labels = {0, 0, 1, 1, -1, 7};
        double[][] rows = Cases.clustered(new Random(SEED), Cases.gaussian(new Random(SEED), 6, 4), labels);
        float[] weights = {1, 2, 0.5f, 3, 5, 0.25f};
        for (ContrastiveLoss loss : losses().toList()) {
            Case c = of(loss.withReduction(Reduction.NONE), rows, labels).withWeights(weights);
            double[] each = Result.of(device, c).rowLosses();
            boolean circle = loss instanceof Circle;
            assertThat(each[4]).isZero();
            assertThat(each[5] == 0).isEqualTo(circle);
            double mean = Arrays.stream(each).sum() / (circle ? 6.5 : 11.75);
            Compare.relative(Result.of(device, c.withLoss(loss)).loss(), mean, DIGITS, what(c, SEED));
        }
    }

    /** Metrics have the similarity of the loss: cosines from -1 to 1, minus distances up to 0. */
    @Test
    void metricsAreOfSimilarities() {
        double[][] rows = {{1, 0}, {0, 2}, {-3, 0}};
        Metrics cosines = Result.of(device, of(MultiSimilarity.withScales(2, 50), rows, 1, 1, 2))
                .metrics();
        assertThat(cosines.positiveSimilarity()).isCloseTo(0, within(1e-15));
        assertThat(cosines.negativeSimilarity()).isCloseTo(-0.5, within(1e-15));
        assertThat(cosines.alignment()).isCloseTo(2, within(1e-15));
        assertThat(cosines.top1Accuracy()).isEqualTo(0.75); // row 1 is as near to row 2 as to its positive
        assertThat(cosines.effectiveNegatives()).isNaN();
        assertThat(cosines.rows()).isEqualTo(3);
        Circle squares = Circle.withMarginAndScale(0.25, 80).withSimilarity(Similarity.NEGATIVE_SQUARED_EUCLIDEAN);
        Metrics distances = Result.of(device, of(squares, rows, 1, 1, 2)).metrics();
        assertThat(distances.positiveSimilarity()).isCloseTo(-5, within(1e-14));
        assertThat(distances.negativeSimilarity()).isCloseTo(-(16 + 13 + 16 + 13) / 4.0, within(1e-14));
    }

    /** Distances are right as far as float64 holds a penalty, and what it does not hold is refused. */
    @ParameterizedTest
    @MethodSource("losses")
    void rowsAtTheEndsOfFloat64(ContrastiveLoss loss) {
        int[] labels = {0, 0, 1, 1, 2, 0, -1, 1};
        double[][] rows = Cases.clustered(new Random(SEED), Cases.gaussian(new Random(SEED), 8, 4), labels);
        boolean squares = loss.components().containsValue(Similarity.NEGATIVE_SQUARED_EUCLIDEAN);
        boolean cosines = loss.components().containsValue(Similarity.COSINE);
        for (double size : new double[] {1e-150, 1e-300, 1e60, 1e140, 1e160}) {
            double[][] scaled = Arrays.stream(rows)
                    .map(row -> Arrays.stream(row).map(v -> v * size).toArray())
                    .toArray(double[][]::new);
            Case c = of(loss, scaled, labels);
            double power = (squares ? 2 : 1) * (loss instanceof Circle ? 2 : 1); // of size, in a penalty
            if (!cosines && Math.log10(size) * power > 308) {
                assertThatThrownBy(() -> Result.of(device, c))
                        .as(what(c, SEED))
                        .isInstanceOfSatisfying(
                                InfoNceException.class,
                                e -> assertThat(e.status()).isEqualTo(Status.NON_FINITE));
            } else {
                Compare.assertClose(
                        Result.of(device, c), Oracle.evaluate(c), Tolerances.of(deviceName, c), what(c, SEED));
            }
        }
    }

    /** A loss that float64 holds, of penalties times scale that it does not: in Java right, elsewhere right or refused. */
    @Test
    void aScaleDoesNotTakeALossOutOfRange() {
        MultiSimilarity loss = MultiSimilarity.withScales(1e4, 1e4).withSimilarity(Similarity.NEGATIVE_EUCLIDEAN);
        Case c = of(loss.withReduction(Reduction.NONE), new double[][] {{0}, {1e306}, {1}}, 5, 5, 6);
        Result result;
        try {
            result = Result.of(device, c);
        } catch (InfoNceException e) {
            assertThat(deviceName).doesNotStartWith("java");
            assertThat(e.status()).isEqualTo(Status.NON_FINITE);
            return;
        }
        assertThat(result.rowLosses()[0]).isCloseTo(1e306, within(1e293));
        assertThat(result.dQueries()[1][0]).isCloseTo(2, within(1e-12));
    }

    /** Of 65536 rows a matrix of distances would have 16 GiB in float32. */
    @Test
    void aWorkspaceHoldsNoMatrixOfDistances() {
        long n = 1 << 16;
        long dim = 4;
        for (ContrastiveLoss loss : losses().toList()) {
            try (Plan plan = device.plan(loss, Shape.tower(n, dim), DType.FLOAT32)) {
                assertThat(plan.workspaceBytes()).as("%s", loss).isLessThan((64L << 20) + n * (dim + 4) * 64);
            }
        }
    }
}
