package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.InfoNce;
import dev.infonce.LossResult;
import dev.infonce.Negatives;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What can be known without a computer. */
class ClosedFormsTest extends DeviceSuite {
    /** What 12 digits leave. */
    private static final double TWELVE_DIGITS = 1e-12;

    private static final double[] VECTOR = {0.3, -1.25, 2, 0.7, -0.1};

    @ParameterizedTest
    @EnumSource
    void identicalVectorsLoseTheLogarithmOfTheCount(Similarity similarity) {
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            for (double tau : Cases.TEMPERATURES) {
                for (int n : new int[] {1, 2, 3, 64, 129}) {
                    double[][] same = copies(n);
                    InfoNce infoNce = InfoNce.withTemperature(tau).withSimilarity(similarity);
                    Case inBatch = Case.of(infoNce, tau, dtype, same, same);
                    loses(inBatch, Math.log(n));
                    loses(inBatch.withLoss(infoNce.symmetric()), Math.log(n));
                    loses(inBatch.withLoss(infoNce.withSharedNegatives()).withNegatives(copies(7), 7), Math.log(8));
                    loses(inBatch.withLoss(infoNce.withOwnNegatives()).withNegatives(copies(3 * n), 3), Math.log(4));
                    NtXent ntXent = NtXent.withTemperature(tau).withSimilarity(similarity);
                    loses(Case.of(ntXent, tau, dtype, same, same), Math.log(2 * n - 1));
                }
            }
        }
    }

    /** 2110.06848 eq. 6, where every negative is as similar as the positive. */
    @ParameterizedTest
    @EnumSource
    void identicalVectorsLoseTheLogarithmOfTheNegativesWhereThoseAreTheDenominator(Similarity similarity) {
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            for (double tau : Cases.TEMPERATURES) {
                for (int n : new int[] {3, 64, 129}) {
                    double[][] same = copies(n);
                    InfoNce infoNce = InfoNce.withTemperature(tau)
                            .withSimilarity(similarity)
                            .decoupled();
                    Case inBatch = Case.of(infoNce, tau, dtype, same, same);
                    loses(inBatch, Math.log(n - 1), 1.0 / n);
                    loses(inBatch.withLoss(infoNce.symmetric()), Math.log(n - 1), 1.0 / n);
                    loses(
                            inBatch.withLoss(infoNce.withOwnNegatives()).withNegatives(copies(3 * n), 3),
                            Math.log(3),
                            0.25);
                    loses(inBatch.withLoss(infoNce.withPositiveMargin(0.25)), Math.log(n - 1) + 0.25 / tau, 1.0 / n);
                    NtXent ntXent = NtXent.withTemperature(tau)
                            .withSimilarity(similarity)
                            .decoupled();
                    loses(Case.of(ntXent, tau, dtype, same, same), Math.log(2 * n - 2), 1.0 / (2 * n - 1));
                }
            }
        }
    }

    @Test
    void withoutNegativesADecoupledRowLosesNothing() {
        InfoNce loss = InfoNce.withTemperature(0.5).decoupled().withPositiveMargin(0.25);
        for (InfoNce each : List.of(loss, loss.withOwnNegatives(), loss.withSharedNegatives())) {
            Case c = Case.of(each, 0.5, DType.FLOAT32, copies(1), copies(1));
            Result result = Result.of(device, each.negatives() == Negatives.IN_BATCH ? c : c.withNegatives(null, 0));
            assertThat(result.loss()).as("%s", each).isZero();
            assertThat(result.dTemperature()).as("%s", each).isZero();
            assertThat(result.dQueries()[0]).as("%s", each).containsOnly(0);
        }
    }

    /** The odds of the negatives grow by exp(margin / tau). */
    @ParameterizedTest
    @EnumSource
    void aMarginMultipliesTheOddsOfTheNegatives(Similarity similarity) {
        double margin = 0.25;
        for (double tau : Cases.TEMPERATURES) {
            int n = 17;
            InfoNce loss =
                    InfoNce.withTemperature(tau).withSimilarity(similarity).withPositiveMargin(margin);
            double logOdds = Math.log(n - 1) + margin / tau;
            loses(
                    Case.of(loss, tau, DType.FLOAT64, copies(n), copies(n)),
                    logOdds + Math.log1p(Math.exp(-logOdds)),
                    1.0 / n);
        }
    }

    private static double[][] copies(int n) {
        double[][] rows = new double[n][];
        Arrays.fill(rows, VECTOR);
        return rows;
    }

    private void loses(Case c, double expected) {
        loses(c, expected, Math.exp(-expected));
    }

    /** top1: the chance of a positive as similar as all negatives. */
    private void loses(Case c, double expected, double top1) {
        Result result = Result.of(device, c);
        String what = deviceName + ", " + c;
        // roundings of every row's loss and of their sum, and of the logits; fp32 is off by a few units in its
        // exponential
        double roundings = (4 + c.rows()) * Math.ulp(expected);
        double logit = Oracle.dot(VECTOR, VECTOR) / c.temperature();
        double fp32 = Devices.isCuda(deviceName) ? Tolerances.of(deviceName, c).ofLoss(expected) : 8 * 0x1p-24;
        double bound = c.dtype() == DType.FLOAT64 ? roundings + logit * 0x1p-52 : fp32 * expected;
        assertThat(result.loss()).as(what).isCloseTo(expected, within(bound));
        if (!Devices.leavesOut(deviceName, "chances of tied positives")) {
            assertThat(result.metrics().top1Accuracy()).as(what).isCloseTo(top1, within(1e-12));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "128, 0.5, 2.900738996938, 3.780069707656, 3.566009933821",
        "321, 0.1, 0.014423457552, 1.431993778964, NaN"
    })
    void orthonormalRowsHaveTheirDigits(int n, double tau, double loss, double dTemperature, double ntXent) {
        if (Devices.leavesOut(deviceName, n, n, n, "orthonormal rows")) {
            return;
        }
        double[][] e = Cases.identity(n);
        for (DType dtype : List.of(DType.FLOAT64, DType.FLOAT32)) {
            for (InfoNce infoNce : List.of(
                    InfoNce.withTemperature(tau), InfoNce.withTemperature(tau).symmetric())) {
                Case c = Case.of(infoNce, tau, dtype, e, e);
                double bound = bound(c, loss);
                Result result = Result.of(device, c);
                Compare.relative(result.loss(), loss, bound + 5e-13 / loss, deviceName + ", " + c);
                double slope = dtype == DType.FLOAT64
                        ? TWELVE_DIGITS
                        : Tolerances.of(deviceName, c).dTemperature();
                Compare.relative(result.dTemperature(), dTemperature, slope, deviceName + ", dTemperature, " + c);
            }
            if (!Double.isNaN(ntXent)) {
                Case c = Case.of(NtXent.withTemperature(tau), tau, dtype, e, e);
                Compare.relative(Result.of(device, c).loss(), ntXent, bound(c, ntXent), deviceName + ", " + c);
            }
        }
    }

    private double bound(Case c, double loss) {
        return c.dtype() == DType.FLOAT64
                ? TWELVE_DIGITS
                : Tolerances.of(deviceName, c).ofLoss(loss);
    }

    @Test
    void theSimplexIsTheMinimumWithItsDigitsAndNoGradient() {
        int n = 128;
        double[][] simplex = Cases.identity(n);
        for (double[] row : simplex) {
            for (int d = 0; d < n; d++) {
                row[d] -= 1.0 / n;
            }
        }
        for (InfoNce loss : List.of(
                InfoNce.withTemperature(0.5), InfoNce.withTemperature(0.5).symmetric())) {
            Case c = Case.of(loss, 0.5, DType.FLOAT64, simplex, simplex);
            Result result = Result.of(device, c);
            Compare.relative(result.loss(), 2.885863305919, TWELVE_DIGITS, deviceName + ", " + c);
            assertThat(Compare.largest(result.dQueries())).as("gradient").isLessThan(1e-14);
            assertThat(Compare.largest(result.dKeys())).as("gradient").isLessThan(1e-14);
        }
    }

    @ParameterizedTest
    @CsvSource({"64, 0.1, 0.959412", "128, 0.07, 0.0223602", "3, 0.5, 8.299530"})
    void perfectAlignmentWithRandomNegativesLosesWhatTheSphereSays(int dim, double tau, double published) {
        int n = Devices.orSmaller(deviceName, 256, 64, "rows on the sphere");
        int m = Devices.orSmaller(deviceName, 16384, 128, "negatives on the sphere");
        long seed = 31;
        double expected = Math.log1p(m * hypergeometric(dim / 2.0, 1 / (4 * tau * tau)) * Math.exp(-1 / tau));
        if (m == 16384) {
            assertThat(expected).as("0F1").isCloseTo(published, within(1e-6 * Math.max(1, published)));
        }

        Random random = new Random(seed);
        double[][] queries = Cases.sphere(random, n, dim);
        InfoNce loss = InfoNce.withTemperature(tau).withSharedNegatives().withReduction(Reduction.NONE);
        Case c = Case.of(loss, tau, DType.FLOAT32, queries, queries).withNegatives(Cases.sphere(random, m, dim), m);
        double[] rows = forward(c, PlanOptions.defaults().withoutMetrics()).rowLosses();
        double mean = Arrays.stream(rows).average().orElseThrow();
        double variance = Arrays.stream(rows).map(l -> (l - mean) * (l - mean)).sum() / (n - 1);
        // ln is concave: the mean of rows lies below by half the relative variance of a row's sum
        double bias = variance / 2;
        assertThat(mean)
                .as("%s, %s, seed %d", deviceName, c, seed)
                .isCloseTo(expected, within(6 * Math.sqrt(variance / n) + bias));
    }

    @ParameterizedTest
    @CsvSource({"2, -1.575027204", "64, -3.875235590", "128, -3.937530010", "512, -3.984375475", "768, -3.989583474"})
    void uniformityOnTheSphereIsWhatTheSphereSays(int dim, double published) {
        int n = Devices.orSmaller(deviceName, 512, 64, "rows for uniformity on the sphere");
        long seed = 41;
        double mean = Math.exp(-4) * hypergeometric(dim / 2.0, 4);
        double square = Math.exp(-8) * hypergeometric(dim / 2.0, 16);
        assertThat(Math.log(mean)).as("0F1").isCloseTo(published, within(1e-9));

        Random random = new Random(seed);
        Case c = Case.of(
                InfoNce.withTemperature(0.5),
                0.5,
                DType.FLOAT32,
                Cases.sphere(random, n, dim),
                Cases.sphere(random, n, dim));
        // potentials of different pairs are uncorrelated, as either end alone says nothing of them
        double relativeDeviation = Math.sqrt(square - mean * mean) / mean / n;
        assertThat(forward(c, PlanOptions.defaults()).metrics().uniformity())
                .as("%s, %s, seed %d", deviceName, c, seed)
                .isCloseTo(published, within(6 * relativeDeviation + 1e-5));
    }

    @Test
    void ntLogisticOfOrthonormalTriplesHasItsClosedForm() {
        double[][] e = Cases.identity(8);
        double[][] others = Cases.identity(8);
        System.arraycopy(Cases.identity(8), 1, others, 0, 7);
        others[7] = Cases.identity(8)[0];
        for (double tau : Cases.TEMPERATURES) {
            Case c = Case.of(NtLogistic.withTemperature(tau).withPairedNegatives(), tau, DType.FLOAT64, e, e)
                    .withNegatives(others, 8);
            double expected = Math.log1p(Math.exp(-1 / tau)) + Math.log(2);
            Compare.relative(Result.of(device, c).loss(), expected, TWELVE_DIGITS, deviceName + ", " + c);
        }
    }

    private LossResult forward(Case c, PlanOptions options) {
        ContrastiveLoss loss = c.loss();
        try (Plan plan = device.plan(loss, c.shape(), c.dtype(), options)) {
            return plan.forward(c.inputs());
        }
    }

    /** 0F1(; b; x), whose terms are all positive here. */
    private static double hypergeometric(double b, double x) {
        double sum = 0;
        double term = 1;
        for (int k = 0; term > sum * 1e-18; k++) {
            sum += term;
            term *= x / ((b + k) * (k + 1));
        }
        return sum;
    }
}
