package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Denominator;
import dev.infonce.Distance;
import dev.infonce.InfoNce;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Triplet;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Inputs that break losses elsewhere. */
class HardCasesTest extends DeviceSuite {
    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);

    private void assertAsOracle(Case c, long seed) {
        Result expected = Oracle.evaluate(c);
        Result actual = Result.of(device, c);
        Tolerances tolerances = Tolerances.of(deviceName, c);
        Compare.assertClose(actual, expected, tolerances, what(c, seed));
        Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what(c, seed));
    }

    /** Temperatures that make losses of orthogonal negatives about 1e-9, 1e-12, 1e-20 and 1e-30. */
    @ParameterizedTest
    @ValueSource(doubles = {0.045, 0.033, 0.0205, 0.0139})
    void tinyLossesKeepTheirRelativeAccuracy(double tau) {
        long seed = 51;
        for (DType dtype : DTYPES) {
            for (ContrastiveLoss loss : Cases.withTemperature(Similarity.COSINE, tau)) {
                if (loss.components().get("denominator") != Denominator.ALL) {
                    continue; // orthogonal negatives lose nothing where a softmax has the positive too
                }
                if ((double) loss.components().getOrDefault("classPrior", 0.0) > 0) {
                    continue; // clamped: its loss is that of the smallest cosine, whatever the negatives are
                }
                Random random = new Random(seed);
                double[][] queries = Cases.sphere(random, 24, 200);
                double[][] keys = Cases.alike(random, queries, 24);
                for (int i = 0; i < keys.length; i++) {
                    for (int d = 0; d < keys[i].length; d++) {
                        keys[i][d] = queries[i][d] + 0.1 * (keys[i][d] - queries[i][d]);
                    }
                }
                Case c = Case.of(loss, tau, dtype, queries, keys);
                c = switch (loss.negatives()) {
                    case SHARED -> c.withNegatives(Cases.sphere(random, 30, 200), 30);
                    case OWN -> c.withNegatives(Cases.sphere(random, 24 * 5, 200), 5);
                    case IN_BATCH_AND_OWN ->
                        Cases.withGroups(c, random).withOwnNegatives(Cases.sphere(random, 24 * 5, 200), 5);
                    case IN_BATCH, PAIRED -> Cases.withPairs(Cases.withGroups(c, random));
                };
                assertThat(Oracle.evaluate(c).loss()).as(what(c, seed)).isBetween(1e-33, 1e-4);
                assertAsOracle(c, seed);
                assertAsOracle(c.withLoss(loss.withReduction(Reduction.NONE)), seed);
            }
        }
    }

    @Test
    void opposedNegativesLoseTheExponentialOfTheirDistance() {
        double[][] x = {{1, 0}, {-1, 0}};
        for (double tau : new double[] {0.07, 0.03, 0.01}) {
            for (DType dtype : DTYPES) {
                Case c = Case.of(InfoNce.withTemperature(tau), tau, dtype, x, x);
                double expected = Math.log1p(Math.exp(-2 / tau));
                Tolerances tolerances = Tolerances.of(deviceName, c);
                Compare.relative(Result.of(device, c).loss(), expected, tolerances.ofLoss(expected), what(c, 0));
            }
        }
    }

    /** Where exponentials leave the range of float32, of rows that are nearly parallel or opposed. */
    @ParameterizedTest
    @ValueSource(
            doubles = {
                0.011, 0.01125, 0.0115, 0.01175, 0.012, 0.01225, 0.0125, 0.01275, 0.013, 0.01325, 0.0135, 0.01375, 0.014
            })
    void exponentialsAtTheEndsOfFloat32(double tau) {
        long seed = 49;
        int turn = (int) Math.round(tau * 4000);
        List<ContrastiveLoss> losses =
                Devices.orSome(deviceName, Cases.withTemperature(Similarity.COSINE, tau), turn, "losses at " + tau);
        boolean few = Devices.leavesOut(deviceName, "700 negatives at the ends of float32");
        for (int m : few ? new int[] {7} : new int[] {7, 700}) {
            for (ContrastiveLoss loss : losses) {
                Case c = Cases.random(loss, 7, m, 9, DType.FLOAT32, seed);
                double[] row = c.queries()[0].clone();
                Case near =
                        c.withMatrices(near(row, c.queries(), -1), near(row, c.keys(), 1), near(row, c.negatives(), 1));
                Result expected = Oracle.evaluate(near);
                Compare.assertClose(Result.of(device, near), expected, ofNear(near), what(near, seed));
            }
        }
    }

    /** Of differences of similarities that are all about 1, tensor cores leave fewer digits than of the similarities. */
    private Tolerances ofNear(Case c) {
        Tolerances promised = Tolerances.of(deviceName, c);
        return !Devices.isCuda(deviceName)
                ? promised
                : new Tolerances(
                        promised.loss(),
                        promised.rowLoss(),
                        promised.growing(),
                        1e-3,
                        promised.gradient(),
                        promised.spacing(),
                        promised.metric());
    }

    /** A row, or its opposite for every third of them, and a little of the others. */
    private static double[][] near(double[] row, double[][] rows, double sign) {
        if (rows == null) {
            return null;
        }
        double[][] near = new double[rows.length][row.length];
        for (int i = 0; i < rows.length; i++) {
            for (int d = 0; d < row.length; d++) {
                near[i][d] = (i % 3 == 2 ? sign : 1) * (row[d] + 0.05 * rows[i][d]);
            }
        }
        return near;
    }

    static Stream<ContrastiveLoss> cosines() {
        return Stream.concat(
                Cases.withTemperature(Similarity.COSINE, 0.07).stream(),
                Cases.withMargin(0.8, Distance.COSINE).stream());
    }

    @ParameterizedTest
    @MethodSource("cosines")
    void cosinesDoNotSeeTheNorm(ContrastiveLoss loss) {
        long seed = 52;
        for (double size : new double[] {1e-30, 1e-12, 1e6, 1e18}) {
            for (DType dtype : DTYPES) {
                Case c = Cases.random(loss, 9, 11, 6, dtype, seed);
                assertAsOracle(
                        c.withMatrices(scaled(c.queries(), size), scaled(c.keys(), size), scaled(c.negatives(), size)),
                        seed);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cosines")
    void cosinesDoNotSeeTheNormWhereItsSquareIsBeyondFloat64(ContrastiveLoss loss) {
        long seed = 54;
        for (double size : new double[] {1e-200, 1e200}) {
            Case c = Cases.random(loss, 9, 11, 6, DType.FLOAT64, seed);
            assertAsOracle(
                    c.withMatrices(scaled(c.queries(), size), scaled(c.keys(), size), scaled(c.negatives(), size)),
                    seed);
        }
    }

    /** Their products are of size 1, or nothing. */
    @Test
    void dotProductsOfRowsAtTheEndsOfFloat64() {
        long seed = 55;
        for (ContrastiveLoss loss : Cases.withTemperature(Similarity.DOT, 0.5)) {
            if (loss.isOneTower()) {
                continue; // rows of 1e200 meet their like: refused, see BeyondTheRangeTest
            }
            Case c = Cases.withPairs(Cases.random(loss, 5, 7, 6, DType.FLOAT64, seed));
            for (double[] sizes : new double[][] {{0x1p664, 0x1p-664}, {0x1p-664, 0x1p664}, {0x1p-664, 0x1p-664}}) {
                Case far = c.withMatrices(
                        scaled(c.queries(), sizes[0]), scaled(c.keys(), sizes[1]), scaled(c.negatives(), sizes[1]));
                Result expected = atSizeOne(Oracle.evaluate(far), sizes);
                Result actual = atSizeOne(Result.of(device, far), sizes);
                assertThat(Compare.largest(expected.dQueries())).isGreaterThan(1e-3);
                Compare.assertClose(actual, expected, Tolerances.of(deviceName, far), what(far, seed));
            }
        }
    }

    /** Similarities of tiny rows vanish where their cosines do not. */
    @ParameterizedTest
    @EnumSource(names = {"DOT", "NEGATIVE_SQUARED_EUCLIDEAN", "NEGATIVE_EUCLIDEAN"})
    void uniformityDoesNotSeeTheNorm(Similarity similarity) {
        if (Devices.isCuda(deviceName)) {
            System.out.println(
                    "left out on " + deviceName + ": uniformity of tiny rows, of similarities that vanish there");
            return;
        }
        long seed = 56;
        for (ContrastiveLoss loss : Cases.withTemperature(similarity, 1.0)) {
            for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
                double size = dtype == DType.FLOAT64 ? 0x1p-664 : 0x1p-100;
                Case c = Cases.random(loss, 5, 7, 6, dtype, seed);
                double expected = Oracle.evaluate(c).metrics().uniformity();
                Case tiny =
                        c.withMatrices(scaled(c.queries(), size), scaled(c.keys(), size), scaled(c.negatives(), size));
                assertThat(Result.of(device, tiny).metrics().uniformity())
                        .as(what(tiny, seed))
                        .isCloseTo(expected, within(1e-5))
                        .isLessThan(-0.1);
            }
        }
    }

    /** Gradients as of rows that are not scaled, with the oracle's own roundings. */
    private static Result atSizeOne(Result result, double[] sizes) {
        return new Result(
                result.loss(),
                result.rowLosses(),
                scaled(result.dQueries(), 1 / sizes[1]),
                scaled(result.dKeys(), 1 / sizes[0]),
                scaled(result.dNegatives(), 1 / sizes[0]),
                result.dTemperature(),
                result.dBias(),
                result.metrics(),
                Result.Sizes.NONE);
    }

    @ParameterizedTest
    @MethodSource("cosines")
    void rowsOfVeryDifferentNormsMix(ContrastiveLoss loss) {
        long seed = 53;
        for (DType dtype : DTYPES) {
            Case c = Cases.random(loss, 9, 11, 6, dtype, seed);
            double[][] queries = c.queries();
            queries[2] = scaled(new double[][] {queries[2]}, 1e-18)[0];
            queries[3] = scaled(new double[][] {queries[3]}, 1e18)[0];
            assertAsOracle(c.withMatrices(queries, c.keys(), c.negatives()), seed);
        }
    }

    @ParameterizedTest
    @EnumSource(names = "COSINE", mode = EnumSource.Mode.EXCLUDE)
    void hugeLogitsNeitherOverflowNorLoseTheLoss(Similarity similarity) {
        long seed = 54;
        for (double size : new double[] {1e2, 1e6, 1e12, 1e18}) {
            for (ContrastiveLoss loss : Cases.withTemperature(similarity, 0.5)) {
                for (DType dtype : DTYPES) {
                    Case c = Cases.random(loss, 7, 9, 5, dtype, seed);
                    c = c.withMatrices(scaled(c.queries(), size), scaled(c.keys(), size), scaled(c.negatives(), size));
                    Result actual = Result.of(device, c);
                    double expected = Oracle.evaluate(c).loss();
                    // a loss of 1e36 is no reason to be off by as much: the promise is for logits that a model has
                    Compare.relative(
                            actual.loss(),
                            expected,
                            Tolerances.of(deviceName, c).ofLoss(Math.min(1, expected)),
                            what(c, seed) + ", size " + size);
                    assertThat(Compare.largest(actual.dQueries()))
                            .as(what(c, seed))
                            .isLessThan(1e30);
                    assertThat(actual.dTemperature()).as(what(c, seed)).isFinite();
                }
            }
        }
    }

    @Test
    void zeroRowsHaveNoGradientAndAreCounted() {
        long seed = 55;
        for (ContrastiveLoss loss : Cases.all(0.07)) {
            for (DType dtype : DTYPES) {
                Case c = Cases.random(loss, 9, 11, 6, dtype, seed);
                double[][] queries = c.queries();
                queries[1] = new double[6];
                queries[8] = new double[6];
                double[][] keys = c.keys();
                if (keys != null) {
                    keys[1] = new double[6]; // the positive of a zero row, in most losses
                    keys[4] = new double[6];
                }
                double[][] negatives = c.negatives();
                if (negatives != null) {
                    negatives[8] = new double[6];
                }
                Case zeros = c.withMatrices(queries, keys, negatives);
                assertAsOracle(zeros, seed);
                if (loss.toString().contains("COSINE")) {
                    double[][] gradient = {Result.of(device, zeros).dQueries()[1]};
                    assertThat(Compare.largest(gradient)).as(what(zeros, seed)).isZero();
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void equalVectorsHaveNoEuclideanGradient(Distance distance) {
        double[][] x = {{1, 2, 3}, {-1, 0.5, 0.25}};
        for (DType dtype : DTYPES) {
            PairwiseContrastive pairs = PairwiseContrastive.withMargin(0.7).withDistance(distance);
            Case c = Case.of(pairs, Double.NaN, dtype, x, x).withLabels(1, 0);
            Result contrastive = Result.of(device, c);
            Compare.relative(contrastive.loss(), 0.7 * 0.7 / 4, 1e-6, what(c, 0));
            assertThat(Compare.largest(contrastive.dQueries())).as(what(c, 0)).isLessThan(1e-6);
            Case triples = Case.of(Triplet.withMargin(0.2).withDistance(distance), Double.NaN, dtype, x, x)
                    .withNegatives(x, 2);
            Result triplet = Result.of(device, triples);
            Compare.relative(triplet.loss(), 0.2, 1e-6, what(triples, 0));
            assertThat(Compare.largest(triplet.dKeys())).as(what(triples, 0)).isLessThan(1e-6);
        }
        for (ContrastiveLoss loss : Cases.withTemperature(Similarity.NEGATIVE_EUCLIDEAN, 0.5)) {
            Case c = Cases.random(loss, 2, 2, 3, DType.FLOAT64, 56);
            double[][] rows = c.queries();
            rows[1] = rows[0].clone();
            double[][] keys = c.keys() == null ? null : new double[][] {rows[0], rows[0]};
            double[][] negatives = c.negatives() == null ? null : new double[c.negatives().length][];
            if (negatives != null) {
                Arrays.fill(negatives, rows[0]);
            }
            Result result = Result.of(device, c.withMatrices(rows, keys, negatives));
            assertThat(Compare.largest(result.dQueries())).as(what(c, 56)).isZero();
        }
    }

    /** Keys whose products with their queries are about 1, as large terms cancel: which arithmetic has the digits. */
    @ParameterizedTest
    @ValueSource(ints = {-12, 0, 9, 14})
    void keysMayBeOfAnotherSizeThanSharedNegatives(int exponent) {
        long seed = 57;
        InfoNce loss =
                InfoNce.withTemperature(0.5).withSimilarity(Similarity.DOT).withSharedNegatives();
        for (DType dtype : DTYPES) {
            Case c = Cases.random(loss, 20, 31, 20, dtype, seed);
            double[][] keys = new double[c.keys().length][];
            for (int i = 0; i < keys.length; i++) {
                keys[i] = across(c.queries()[i], c.keys()[i], exponent);
            }
            assertAsOracle(c.withMatrices(c.queries(), keys, c.negatives()), seed);
        }
    }

    private static double[] across(double[] x, double[] z, int exponent) {
        double along = 0;
        double squares = 0;
        for (int d = 0; d < x.length; d++) {
            along += x[d] * z[d];
            squares += x[d] * x[d];
        }
        double[] across = new double[x.length];
        for (int d = 0; d < x.length; d++) {
            across[d] = Math.scalb(z[d] - along / squares * x[d], exponent) + x[d];
        }
        return across;
    }

    @Test
    void theKinkOfATripletHasNoGradient() {
        double[][] query = {{4, 0}};
        double[][] key = {{2, 0}};
        double[][] negative = {{4, 4}};
        for (Distance distance : List.of(Distance.EUCLIDEAN, Distance.SQUARED_EUCLIDEAN)) {
            double kink = distance == Distance.EUCLIDEAN ? 2 : 12;
            for (double past : new double[] {0, 0x1p-20}) {
                Case c = Case.of(
                                Triplet.withMargin(kink + past).withDistance(distance),
                                Double.NaN,
                                DType.FLOAT64,
                                query,
                                key)
                        .withNegatives(negative, 1);
                Result result = Result.of(device, c);
                assertThat(result.loss()).as(what(c, 0)).isEqualTo(past);
                assertThat(Compare.largest(result.dQueries()) > 0)
                        .as(what(c, 0))
                        .isEqualTo(past > 0);
                assertThat(Compare.largest(result.dKeys()) > 0).as(what(c, 0)).isEqualTo(past > 0);
                assertThat(Compare.largest(result.dNegatives()) > 0)
                        .as(what(c, 0))
                        .isEqualTo(past > 0);
            }
        }
    }

    @Test
    void oneRowHasNoNegativesAndLosesNothing() {
        for (Similarity similarity : Similarity.values()) {
            for (double tau : Cases.TEMPERATURES) {
                for (DType dtype : DTYPES) {
                    InfoNce infoNce = InfoNce.withTemperature(tau).withSimilarity(similarity);
                    NtXent ntXent = NtXent.withTemperature(tau).withSimilarity(similarity);
                    for (ContrastiveLoss loss : List.of(infoNce, infoNce.symmetric(), ntXent)) {
                        losesNothing(Cases.random(loss, 1, 1, 5, dtype, 57));
                    }
                }
            }
        }
    }

    @Test
    void rowsWithoutNegativesLoseNothing() {
        for (Similarity similarity : Similarity.values()) {
            for (DType dtype : DTYPES) {
                InfoNce infoNce = InfoNce.withTemperature(0.07).withSimilarity(similarity);
                losesNothing(Cases.random(infoNce.withSharedNegatives(), 5, 0, 4, dtype, 58));
                losesNothing(Cases.random(infoNce.withOwnNegatives(), 5, 0, 4, dtype, 58));
            }
        }
    }

    private void losesNothing(Case c) {
        Result result = Result.of(device, c);
        assertThat(result.loss()).as(what(c, 57)).isZero();
        assertThat(result.dTemperature()).as(what(c, 57)).isZero();
        assertThat(Compare.largest(result.dQueries())).as(what(c, 57)).isZero();
        if (result.dKeys() != null) {
            assertThat(Compare.largest(result.dKeys())).as(what(c, 57)).isZero();
        }
        assertThat(result.metrics().top1Accuracy()).as(what(c, 57)).isEqualTo(1);
        assertThat(result.metrics().negativeSimilarity()).as(what(c, 57)).isNaN();
        assertThat(result.metrics().effectiveNegatives()).as(what(c, 57)).isNaN();
    }

    @Test
    void ntLogisticWithoutNegativesIsThePositiveTerm() {
        for (Reduction negatives : List.of(Reduction.MEAN, Reduction.SUM)) {
            assertAsOracle(
                    Cases.random(
                            NtLogistic.withTemperature(0.5).withNegativeReduction(negatives),
                            1,
                            0,
                            6,
                            DType.FLOAT64,
                            59),
                    59);
        }
    }

    @Test
    void weightsThatAreAllZeroGiveNothing() {
        for (ContrastiveLoss loss : Cases.all(0.07)) {
            for (Reduction reduction : Reduction.values()) {
                Case c = Cases.random(loss.withReduction(reduction), 5, 7, 4, DType.FLOAT32, 60);
                Result result = Result.of(device, c.withWeights(new float[c.rows()]));
                assertThat(reduction == Reduction.NONE ? 0 : result.loss())
                        .as(what(c, 60))
                        .isZero();
                // 0 times a loss below 0 is -0
                double[] sizes =
                        Arrays.stream(result.rowLosses()).map(Math::abs).toArray();
                assertThat(sizes).as(what(c, 60)).containsOnly(new double[sizes.length]);
                assertThat(Compare.largest(result.dQueries())).as(what(c, 60)).isZero();
                assertThat(result.dTemperature()).as(what(c, 60)).isZero();
            }
        }
    }

    private static double[][] scaled(double[][] rows, double factor) {
        if (rows == null) {
            return null;
        }
        double[][] scaled = new double[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            scaled[i] = Arrays.stream(rows[i]).map(v -> v * factor).toArray();
        }
        return scaled;
    }
}
