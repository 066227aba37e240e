package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.Aggregation;
import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Denominator;
import dev.infonce.InfoNce;
import dev.infonce.Metrics;
import dev.infonce.NtXent;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.SupCon;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Several positives by labels: what is known of them without a computer, from others, and from losses with one positive. */
class SupConTest extends DeviceSuite {
    private static final long SEED = 97;
    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);
    private static final double[] VECTOR = {0.3, -1.25, 2, 0.7, -0.1};

    /** Angles of 0, 10, 20, 50, 60 and 80 degrees. */
    private static final double[][] ANGLES = Stream.of(0, 10, 20, 50, 60, 80)
            .map(degrees -> new double[] {Math.cos(Math.toRadians(degrees)), Math.sin(Math.toRadians(degrees))})
            .toArray(double[][]::new);

    static List<ContrastiveLoss> losses() {
        return forms(0.3, Similarity.COSINE);
    }

    private static List<ContrastiveLoss> forms(double tau, Similarity similarity) {
        return Cases.withTemperature(similarity, tau).stream()
                .filter(SupCon.class::isInstance)
                .toList();
    }

    private void assertAsOracle(Case c) {
        assertAsOracle(c, Oracle.evaluate(c), PlanOptions.defaults(), SEED);
    }

    private void loses(Case c, double expected) {
        assertLoss(c, expected, SEED);
    }

    private static double[][] copies(int n) {
        double[][] rows = new double[n][];
        Arrays.fill(rows, VECTOR);
        return rows;
    }

    private static int[] labels(int n, IntUnaryOperator label) {
        return IntStream.range(0, n).map(label).toArray();
    }

    private static Case renamed(Case c, IntUnaryOperator name) {
        return c.withLabels(renamed(c.labels(), name), renamed(c.keyLabels(), name));
    }

    private static int[] renamed(int[] labels, IntUnaryOperator name) {
        return labels == null ? null : Arrays.stream(labels).map(name).toArray();
    }

    /** The denominator has n - 1 terms like the positive's, whatever the labels are; of SupContrast #106 there were 16 rows. */
    @ParameterizedTest
    @EnumSource
    void equalVectorsLoseTheLogarithmOfTheOthers(Similarity similarity) {
        for (DType dtype : DTYPES) {
            for (double tau : Cases.TEMPERATURES) {
                for (int n : new int[] {3, 16, 65, 129}) {
                    SupCon loss = SupCon.withTemperature(tau).withSimilarity(similarity);
                    Case c = Case.of(loss, tau, dtype, copies(n), null).withLabels(labels(n, i -> i < n / 2 ? 0 : 1));
                    if (n == 16) {
                        c = c.withLabels(labels(n, i -> i % 4));
                    }
                    loses(c, Math.log(n - 1));
                    loses(c.withLoss(loss.aggregating(Aggregation.INSIDE)), Math.log(n - 1));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {1, 0.5, 0.07})
    void orthonormalClassesHaveTheirClosedForms(double tau) {
        for (DType dtype : DTYPES) {
            for (int k : new int[] {2, 3, 30}) {
                int classes = 5;
                int n = classes * k;
                double[][] rows = new double[n][classes];
                for (int i = 0; i < n; i++) {
                    rows[i][i % classes] = 1;
                }
                SupCon loss = SupCon.withTemperature(tau);
                Case c = Case.of(loss, tau, dtype, rows, null).withLabels(labels(n, i -> 7 * (i % classes)));
                double others = (n - k) * Math.exp(-1 / tau);
                double ofOne = Math.log1p(others / (k - 1));
                loses(c.withLoss(loss.aggregating(Aggregation.SUM)), ofOne);
                double ofBoth = Math.log(k - 1) + ofOne;
                loses(c, ofBoth);
                loses(c.withLoss(loss.aggregating(Aggregation.INSIDE)), ofBoth);
                loses(c.withLoss(loss.decoupled().aggregating(Aggregation.SUM)), Math.log(others / (k - 1)));
            }
        }
    }

    /** test_supcon_loss.py and the formulas of pytorch-metric-learning; gradients of its formulas in float64. */
    @Test
    void anglesHaveTheValuesOfPytorchMetricLearning() {
        double[][] ofCosines = {
            {0.0, -0.11710173292844371},
            {-0.02840511186003298, 0.16109339447601195},
            {-0.24245033839499874, 0.6661268300793912},
            {0.5042709798636387, -0.4231335932169848},
            {-0.2844679510205491, 0.16423764809753538},
            {0.4190853689897803, -0.0738960577730612}
        };
        double[][] ofDistances = {
            {0.18172874592899577, -0.6911144692218717},
            {-0.11620284900810425, -0.05318087162453337},
            {-0.15691090585543208, 0.8756039909483642},
            {0.3865411023807101, -0.34242436306917545},
            {-0.6313650008432009, 0.3392677325253065},
            {0.33620890739703146, -0.12815201955809036}
        };
        SupCon loss = SupCon.withTemperature(0.1);
        hasValues(loss, 0.7200604450816733, ofCosines);
        hasValues(loss.withSimilarity(Similarity.NEGATIVE_EUCLIDEAN), 0.6051629973398912, ofDistances);
    }

    /** The sixth row has no positive, and so no share in the mean. */
    private void hasValues(SupCon loss, double value, double[][] gradient) {
        for (DType dtype : DTYPES) {
            Case c = Case.of(loss, 0.1, dtype, ANGLES, null).withLabels(0, 0, 0, 1, 1, 2);
            Result result = Result.of(device, c);
            Tolerances tolerances = Tolerances.of(deviceName, c);
            double loosest = Math.max(tolerances.gradient(), dtype == DType.FLOAT32 ? 1e-5 : 0); // angles are rounded
            Compare.relative(result.loss(), value, Math.max(loosest, tolerances.ofLoss(value)), what(c, 0));
            Compare.frobenius(result.dQueries(), gradient, loosest, what(c, 0));
            assertThat(result.metrics().rowsWithoutPositives()).isEqualTo(1);
        }
    }

    /** SupContrast #141: a row without positives made 0 / 0. */
    @ParameterizedTest
    @MethodSource("losses")
    void rowsWithoutPositivesAreInNoMean(ContrastiveLoss loss) {
        for (DType dtype : DTYPES) {
            double[][] rows = Cases.gaussian(new Random(SEED), 11, 4);
            int[] labels = {0, 0, 1, -1, 1, 2, 0, -1, 2, 3, 4};
            Case c = Case.of(loss, 0.3, dtype, rows, loss.isOneTower() ? null : rows)
                    .withLabels(labels, loss.isOneTower() ? null : labels(11, i -> i < 8 ? labels[i] : 7));
            assertAsOracle(c);
            Case alone = c.withLoss(loss.withReduction(Reduction.NONE));
            assertAsOracle(alone);
            double[] ofRows = Result.of(device, alone).rowLosses();
            long counted = Arrays.stream(ofRows).filter(l -> l != 0).count();
            double sum = Arrays.stream(ofRows).sum();
            assertThat(counted).isEqualTo(7);
            assertThat(Result.of(device, c).loss()).as(what(c, SEED)).isCloseTo(sum / counted, within(1e-12));
            assertThat(ofRows[3]).isZero();
            float[] weights = Cases.weights(11, SEED);
            assertAsOracle(c.withWeights(weights));
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void labelsBelowZeroLeaveNothing(ContrastiveLoss loss) {
        for (DType dtype : DTYPES) {
            Case c = renamed(Cases.random(loss, 130, 150, 7, dtype, SEED), _ -> -4);
            Metrics metrics = assertNothing(c).metrics();
            assertThat(metrics.rowsWithoutPositives()).isEqualTo(metrics.rows());
            assertThat(metrics.rowsWithoutNegatives()).isZero();
            assertThat(metrics.top1Accuracy()).isNaN();
            assertThat(metrics.positiveSimilarity()).isNaN();
            assertThat(metrics.effectiveNegatives()).isNaN();
            assertThat(metrics.negativeSimilarity()).isNotNaN();
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void oneLabelOfAllLeavesNothing(ContrastiveLoss loss) {
        for (DType dtype : DTYPES) {
            Case c = renamed(Cases.random(loss, 130, 150, 7, dtype, SEED), _ -> 9);
            Metrics metrics = assertNothing(c).metrics();
            assertThat(metrics.rowsWithoutPositives()).isZero();
            assertThat(metrics.rowsWithoutNegatives()).isEqualTo(metrics.rows());
            assertThat(metrics.top1Accuracy()).isEqualTo(1.0);
            assertThat(metrics.negativeSimilarity()).isNaN();
            assertThat(metrics.positiveSimilarity()).isNotNaN();
        }
    }

    private Result assertNothing(Case c) {
        Result result = Result.of(device, c);
        assertThat(result.loss()).as(what(c, SEED)).isZero();
        assertThat(result.dTemperature()).as(what(c, SEED)).isZero();
        for (double[][] gradient : Arrays.asList(result.dQueries(), result.dKeys())) {
            assertThat(gradient == null ? 0 : Compare.largest(gradient))
                    .as(what(c, SEED))
                    .isZero();
        }
        return result;
    }

    @ParameterizedTest
    @MethodSource("losses")
    void otherNamesChangeNoBit(ContrastiveLoss loss) {
        for (DType dtype : DTYPES) {
            Case c = Cases.random(loss, 130, 150, 7, dtype, SEED);
            Result other = Result.of(device, renamed(c, label -> label < 0 ? label - 5 : Integer.MAX_VALUE - label));
            Compare.assertSameBits(other, Result.of(device, c), what(c, SEED));
        }
    }

    /** By several aggregations alike, and relative at losses down to 1e-12. */
    @ParameterizedTest
    @ValueSource(doubles = {0.5, 0.07, 0.033})
    void labelsOfPairsGiveTheLossesOfOnePositive(double tau) {
        Random random = new Random(SEED);
        double[][] rows = Cases.sphere(random, 100, 200);
        double[][] near = Cases.alike(random, rows, 100);
        for (DType dtype : DTYPES) {
            for (ContrastiveLoss loss : forms(tau, Similarity.COSINE)) {
                Case c = Cases.withPairs(Case.of(loss, tau, dtype, rows, near));
                SupCon of = (SupCon) loss;
                ContrastiveLoss one = loss.isOneTower()
                        ? NtXent.withTemperature(tau).withPositiveMargin(of.positiveMargin())
                        : InfoNce.withTemperature(tau).withPositiveMargin(of.positiveMargin());
                if (of.denominator() == Denominator.NEGATIVES) {
                    one = one.with(Map.of("denominator", Denominator.NEGATIVES));
                }
                Case ofOne = Case.of(one, tau, dtype, rows, near);
                Result expected = Oracle.evaluate(ofOne);
                Tolerances tolerances = Tolerances.of(deviceName, c);
                Compare.assertClose(Result.of(device, c), expected, tolerances, what(c, SEED));
                Compare.assertClose(Result.of(device, ofOne), expected, tolerances, what(ofOne, SEED));
                Metrics metrics = Result.of(device, c).metrics();
                assertThat(metrics.alignment()).isNaN();
                assertThat(metrics.positiveSimilarity())
                        .isCloseTo(expected.metrics().positiveSimilarity(), within(tolerances.metric()));
            }
        }
    }

    /** Two equal rows of a class each, which a model has learned: 1e-8 of the loss are left. */
    @ParameterizedTest
    @EnumSource
    void aTinyLossOfTwoOfAClassIsRelative(Aggregation aggregation) {
        double tau = 1 / 20.0;
        double[][] rows = Stream.concat(Arrays.stream(Cases.identity(6)), Arrays.stream(Cases.identity(6)))
                .toArray(double[][]::new);
        for (DType dtype : DTYPES) {
            SupCon loss = SupCon.withTemperature(tau).aggregating(aggregation);
            Case c = Case.of(loss, tau, dtype, rows, null).withLabels(labels(12, i -> i % 6));
            assertThat(Oracle.evaluate(c).loss()).isBetween(1e-8, 3e-8);
            assertAsOracle(c);
        }
    }

    /** Every row has as many negatives, so that chance is the same for each. */
    @ParameterizedTest
    @EnumSource
    void aCollapsedModelIsAsGoodAsChance(Similarity similarity) {
        for (int dim : new int[] {36, 37}) {
            for (ContrastiveLoss loss : forms(0.5, similarity)) {
                for (DType dtype : DTYPES) {
                    for (int k : new int[] {3, 5, 70}) {
                        int n = 4 * k;
                        double[][] rows = new double[n][];
                        Arrays.fill(rows, Cases.gaussian(new Random(SEED + dim), 1, dim)[0]);
                        int[] labels = labels(n, i -> i % 4);
                        Case c = Case.of(loss, 0.5, dtype, rows, loss.isOneTower() ? null : rows)
                                .withLabels(labels, loss.isOneTower() ? null : labels);
                        Metrics metrics = Result.of(
                                        device, c, PlanOptions.defaults().withTopK(3))
                                .metrics();
                        assertThat(metrics.top1Accuracy())
                                .as(what(c, SEED))
                                .isCloseTo(1.0 / (1 + 3 * k), within(1e-12));
                        assertThat(metrics.topKAccuracy())
                                .as(what(c, SEED))
                                .isCloseTo(3.0 / (1 + 3 * k), within(1e-12));
                    }
                }
            }
        }
    }

    /** Any number of rows in one matrix, and fewer keys than queries. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 17, 97, 193})
    void sizesAreFree(int n) {
        for (ContrastiveLoss loss : forms(0.2, Similarity.DOT)) {
            Random random = new Random(SEED + n);
            double[][] rows = Cases.gaussian(random, n, 5);
            for (int m : new int[] {1, n / 3 + 1, 5 * n}) {
                double[][] keys = Cases.gaussian(random, m, 5);
                Case c = Case.of(loss, 0.2, DType.FLOAT32, rows, loss.isOneTower() ? null : keys);
                assertAsOracle(c.withLabels(
                        random.ints(n, -1, 4).toArray(),
                        loss.isOneTower() ? null : random.ints(m, -1, 4).toArray()));
            }
        }
    }

    /** Classes that lie together, so that most tiles have none in common, and classes that are everywhere. */
    @ParameterizedTest
    @MethodSource("losses")
    void tilesWithAndWithoutCommonClassesAreRight(ContrastiveLoss loss) {
        int n = 400;
        Random random = new Random(SEED);
        double[][] rows = Cases.gaussian(random, n, 6);
        double[][] keys = Cases.gaussian(random, n + 30, 6);
        for (int size : new int[] {2, 5, 150}) {
            Case c = Case.of(loss, 0.3, DType.FLOAT32, rows, loss.isOneTower() ? null : keys)
                    .withLabels(
                            labels(n, i -> i / size),
                            loss.isOneTower() ? null : labels(n + 30, j -> (n + 29 - j) / size));
            assertAsOracle(c);
        }
    }

    /** Views and labels in two matrices are those of one. */
    @ParameterizedTest
    @MethodSource("losses")
    void twoMatricesOfATowerAreAsOne(ContrastiveLoss loss) {
        if (!loss.isOneTower()) {
            return;
        }
        for (DType dtype : DTYPES) {
            Case two = Cases.random(loss, 61, 0, 8, dtype, SEED);
            double[][] stacked =
                    Stream.of(two.queries(), two.keys()).flatMap(Arrays::stream).toArray(double[][]::new);
            Result one =
                    Result.of(device, Case.of(loss, 0.3, dtype, stacked, null).withLabels(two.labels()));
            Result result = Result.of(device, two);
            assertThat(result.loss()).isEqualTo(one.loss());
            assertThat(result.dQueries()).isDeepEqualTo(Arrays.copyOf(one.dQueries(), 61));
            assertThat(result.dKeys()).isDeepEqualTo(Arrays.copyOfRange(one.dQueries(), 61, 122));
            assertThat(result.metrics()).isEqualTo(one.metrics());
        }
    }
}
