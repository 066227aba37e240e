package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Denominator;
import dev.infonce.Exclude;
import dev.infonce.InfoNce;
import dev.infonce.Metrics;
import dev.infonce.NtXent;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Threshold;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Negatives that are too similar are left out: what that leaves of a loss, and what is as it was. Random inputs keep a distance from
 * the limits that no arithmetic errs by; where similarities tie with a limit they are those of copies.
 */
class ThresholdsTest extends DeviceSuite {
    private static final long SEED = 131;
    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);
    private static final double TAU = 0.3;

    /** As in OracleTest. */
    private static final double BOUND = 1e-7;

    static Stream<ContrastiveLoss> losses() {
        return Stream.of(Similarity.values()).flatMap(s -> Cases.withThresholds(s, TAU).stream());
    }

    /** One of each form. */
    static List<ContrastiveLoss> forms() {
        InfoNce infoNce = InfoNce.withTemperature(TAU);
        return List.of(infoNce, infoNce.symmetric(), infoNce.withSharedNegatives(), NtXent.withTemperature(TAU));
    }

    private static ContrastiveLoss above(ContrastiveLoss loss, Threshold threshold) {
        return loss.with(Map.of("excluded", Exclude.aboveThreshold(threshold)));
    }

    private void assertAsOracle(Case c, Result expected, PlanOptions options) {
        assertAsOracle(c, expected, options, SEED);
    }

    private void loses(Case c, double expected) {
        assertLoss(c, expected, SEED);
    }

    /** Of a tile and less, and of several, all of which are computed again with no budget. */
    @ParameterizedTest
    @MethodSource("losses")
    void lossGradientsAndMetricsAreTheOracles(ContrastiveLoss loss) {
        Reduction[] reductions = Reduction.values();
        for (DType dtype : DTYPES) {
            for (int n : new int[] {13, 16, 130}) {
                if (Devices.leavesOut(deviceName, n, n, 9, "thresholds")) {
                    continue;
                }
                ContrastiveLoss reduced = loss.withReduction(reductions[n % reductions.length]);
                Case c = Cases.awayFromLimits(
                        Cases.farFromLimits(dtype), SEED, seed -> Cases.random(reduced, n, n + 9, 9, dtype, seed));
                Case weighted = c.withWeights(Cases.weights(c.rows(), SEED)).withUpstream(-1.75f);
                assertAsOracle(c, Oracle.evaluate(c), PlanOptions.defaults());
                Result expected = Oracle.evaluate(weighted);
                assertAsOracle(weighted, expected, PlanOptions.defaults());
                assertAsOracle(weighted, expected, PlanOptions.defaults().withWorkspaceBudget(0));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"3, 48, 5", "100, 1600, 5", "1, 3000, 70", "13, 1700, 200"})
    void manyKeysHaveTheSameLimitsInEveryStrip(int n, int m, int dim) {
        if (Devices.leavesOut(deviceName, n, m, dim, "many keys")) {
            return;
        }
        InfoNce plain = InfoNce.withTemperature(TAU);
        for (InfoNce loss : List.of(plain, plain.withSharedNegatives())) {
            for (DType dtype : DTYPES) {
                ContrastiveLoss above = above(loss, Threshold.relative(dim < 100 ? 0.5 : 0.95));
                Case c = Cases.awayFromLimits(
                        Cases.farFromLimits(dtype) / 4, SEED, seed -> Cases.random(above, n, m, dim, dtype, seed));
                Result expected = Oracle.evaluate(c);
                assertAsOracle(c, expected, PlanOptions.defaults());
                assertAsOracle(c, expected, PlanOptions.defaults().withWorkspaceBudget(0));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreThoseOfTheLossByCentralDifferences(ContrastiveLoss loss) {
        Case c = Cases.awayFromLimits(0.02, SEED, seed -> Cases.random(loss, 4, 6, 3, DType.FLOAT64, seed));
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

    /** All similarities of a row are the same: every key is a copy of its positive. */
    @ParameterizedTest
    @EnumSource
    void copiesOfThePositiveStayWithoutMarginAndGoWithOne(Similarity similarity) {
        for (DType dtype : DTYPES) {
            for (int n : new int[] {2, 5, 100, 131}) {
                for (int dim : new int[] {1, 7, 36, 130}) {
                    if (Devices.leavesOut(deviceName, n, n, dim, "copies")) {
                        continue;
                    }
                    copies(similarity, dtype, n, dim);
                }
            }
        }
    }

    private void copies(Similarity similarity, DType dtype, int n, int dim) {
        double[][] queries = Cases.gaussian(new Random(SEED + dim), n, dim);
        double[][] keys = new double[n][];
        Arrays.fill(keys, queries[n / 2]);
        InfoNce infoNce = InfoNce.withTemperature(TAU).withSimilarity(similarity);
        NtXent ntXent = NtXent.withTemperature(TAU).withSimilarity(similarity);
        Case inBatch = Case.of(infoNce, TAU, dtype, queries, keys);
        Case shared = Case.of(infoNce.withSharedNegatives(), TAU, dtype, queries, keys)
                .withNegatives(Arrays.copyOf(keys, n - 1), n - 1);
        Case tower = Case.of(ntXent, TAU, dtype, keys, keys);
        Case symmetric = Case.of(infoNce.symmetric(), TAU, dtype, keys, keys);
        for (Threshold threshold : List.of(Threshold.absolute(0), Threshold.relative(0))) {
            for (Case c : List.of(inBatch, shared, symmetric)) {
                loses(c.withLoss(above(c.loss(), threshold)), Math.log(n));
            }
            loses(tower.withLoss(above(ntXent, threshold)), Math.log(2 * n - 1));
        }
        for (Case c : List.of(inBatch, shared, symmetric, tower)) {
            assertNothing(c.withLoss(above(c.loss(), Threshold.absolute(1e-3))));
        }
    }

    private void assertNothing(Case c) {
        Result result = Result.of(device, c);
        assertThat(result.loss()).as(what(c, SEED)).isZero();
        assertThat(result.dTemperature()).as(what(c, SEED)).isZero();
        for (double[][] gradient : Arrays.asList(result.dQueries(), result.dKeys(), result.dNegatives())) {
            assertThat(gradient == null ? 0 : Compare.largest(gradient))
                    .as(what(c, SEED))
                    .isZero();
        }
        Metrics metrics = result.metrics();
        assertThat(metrics.rowsWithoutNegatives()).as(what(c, SEED)).isEqualTo(metrics.rows());
        assertThat(metrics.rowsWithoutPositives()).isZero();
        assertThat(metrics.top1Accuracy()).isEqualTo(1.0);
        assertThat(metrics.negativeSimilarity()).isNaN();
        assertThat(metrics.uniformity()).isNaN();
        assertThat(metrics.effectiveNegatives()).isNaN();
        assertThat(metrics.positiveSimilarity()).isNotNaN();
    }

    @ParameterizedTest
    @MethodSource("forms")
    void limitsThatAllNegativesExceedLeaveNothing(ContrastiveLoss loss) {
        for (DType dtype : DTYPES) {
            for (Threshold threshold : List.of(Threshold.absolute(1e100), Threshold.relative(1e100))) {
                for (Similarity similarity : Similarity.values()) {
                    ContrastiveLoss of = above(loss.with(Map.of("similarity", similarity)), threshold);
                    assertNothing(Cases.random(of, 130, 150, 7, dtype, SEED));
                    assertNothing(
                            Cases.random(of.with(Map.of("denominator", Denominator.NEGATIVES)), 7, 9, 7, dtype, SEED));
                }
            }
        }
    }

    /** A limit that nothing exceeds is as none, to the bit, whether it is far or the most that a similarity can be. */
    @ParameterizedTest
    @MethodSource("forms")
    void limitsThatNoNegativeExceedsChangeNoBit(ContrastiveLoss loss) {
        for (DType dtype : DTYPES) {
            for (Similarity similarity : Similarity.values()) {
                Case c = Cases.random(loss.with(Map.of("similarity", similarity)), 130, 150, 7, dtype, SEED);
                Result expected = Result.of(device, c);
                for (double margin : new double[] {-1e100, -1e39, -100}) {
                    Case of = c.withLoss(above(c.loss(), Threshold.absolute(margin)));
                    Compare.assertSameBits(Result.of(device, of), expected, what(of, SEED));
                }
            }
        }
    }

    /** sentence-transformers #3819: of a negative similarity of the positive s+ (1 - margin) is above s+. */
    @Test
    void aRelativeMarginMakesALimitLowerThanANegativePositive() {
        double[][] query = {{1, 0}};
        double[][] key = {{-0.5, 1}};
        double[][] negatives = {{-0.52, 0.3}, {-0.6, 2}, {-0.7, 0}};
        InfoNce loss =
                InfoNce.withTemperature(TAU).withSimilarity(Similarity.DOT).withSharedNegatives();
        for (DType dtype : DTYPES) {
            Case c = Case.of(loss, TAU, dtype, query, key).withNegatives(negatives, 3);
            double odds = Math.exp(-0.1 / TAU) + Math.exp(-0.2 / TAU);
            loses(c.withLoss(above(loss, Threshold.relative(0.1))), Math.log1p(odds));
            loses(c.withLoss(above(loss, Threshold.absolute(0.05))), Math.log1p(odds));
            loses(c.withLoss(above(loss, Threshold.relative(0.3))), Math.log1p(Math.exp(-0.2 / TAU)));
            loses(c.withLoss(above(loss, Threshold.relative(0))), Math.log1p(odds + Math.exp(-0.02 / TAU)));
        }
    }

    /** Similarities 1, 0.5 and -1, 0.2: the 0.5 is below the 1 of its row, and above the 0.2 of its column. */
    @Test
    void aColumnOfASymmetricLossHasItsOwnLimit() {
        double[][] queries = {{1, 0}, {0, 1}};
        double[][] keys = {{1, -1}, {0.5, 0.2}};
        InfoNce loss =
                InfoNce.withTemperature(TAU).withSimilarity(Similarity.DOT).symmetric();
        for (DType dtype : DTYPES) {
            Case c = Case.of(above(loss, Threshold.absolute(0)), TAU, dtype, queries, keys);
            double first = Math.log1p(Math.exp(-0.5 / TAU)) + Math.log1p(Math.exp(-2 / TAU));
            double second = Math.log1p(Math.exp(-1.2 / TAU));
            loses(c, (first + second) / 4);
            assertAsOracle(c, Oracle.evaluate(c), PlanOptions.defaults());
            assertThat(Result.of(device, c).metrics().rowsWithoutNegatives()).isZero();
        }
    }

    /** The similarities of the second row are all above: it has its share in the mean, and is counted. */
    @Test
    void aRowThatLosesAllNegativesStaysInTheMean() {
        double[][] queries = {{1, 0}, {0, 1}};
        double[][] keys = {{1, 0.5}, {-1, 0.25}};
        InfoNce loss = InfoNce.withTemperature(TAU).withSimilarity(Similarity.DOT);
        for (DType dtype : DTYPES) {
            Case c = Case.of(above(loss, Threshold.absolute(0)), TAU, dtype, queries, keys);
            loses(c, Math.log1p(Math.exp(-2 / TAU)) / 2);
            Metrics metrics = Result.of(device, c).metrics();
            assertThat(metrics.rowsWithoutNegatives()).isEqualTo(1);
            assertThat(metrics.top1Accuracy()).isEqualTo(1.0);
            assertThat(metrics.negativeSimilarity()).isEqualTo(-1.0);
            assertThat(metrics.effectiveNegatives()).isEqualTo(1.0);
        }
    }

    /** A positive margin makes the loss larger and moves no limit. */
    @Test
    void limitsAreOfSimilaritiesWithoutThePositiveMargin() {
        double[][] query = {{1, 0}};
        double[][] key = {{0.5, 1}};
        InfoNce loss = InfoNce.withTemperature(TAU)
                .withSimilarity(Similarity.DOT)
                .withSharedNegatives()
                .withPositiveMargin(0.25);
        for (DType dtype : DTYPES) {
            Case c = Case.of(above(loss, Threshold.absolute(0)), TAU, dtype, query, key)
                    .withNegatives(new double[][] {{0.375, 3}, {0.75, 1}}, 2);
            loses(c, Math.log1p(Math.exp((0.375 - 0.5 + 0.25) / TAU)));
        }
    }
}
