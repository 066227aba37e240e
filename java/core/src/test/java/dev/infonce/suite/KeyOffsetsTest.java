package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Exclude;
import dev.infonce.InfoNce;
import dev.infonce.KeyOffsets;
import dev.infonce.Negatives;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Threshold;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Offsets that are added to the logits of keys. */
class KeyOffsetsTest extends DeviceSuite {
    private static final long SEED = 174;
    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);
    private static final double TAU = 0.3;

    /** As in OracleTest. */
    private static final double BOUND = 1e-7;

    static Stream<ContrastiveLoss> losses() {
        return Stream.of(Similarity.values()).flatMap(s -> Cases.withKeyOffsets(s, TAU).stream());
    }

    private static InfoNce loss() {
        return InfoNce.withTemperature(TAU).withKeyOffsets();
    }

    private static Case random(ContrastiveLoss loss, int n, int m, int dim, DType dtype, double distance) {
        return Cases.awayFromLimits(distance, SEED, seed -> Cases.random(loss, n, m, dim, dtype, seed));
    }

    private static Case random(ContrastiveLoss loss, int n, int m, int dim, DType dtype) {
        return random(loss, n, m, dim, dtype, Cases.farFromLimits(dtype));
    }

    private void assertAsOracle(Case c) {
        assertAsOracleForEachBudget(c, SEED);
    }

    private static float[] offsets(int count, double least, double most) {
        Random random = new Random(SEED);
        float[] offsets = new float[count];
        for (int j = 0; j < count; j++) {
            offsets[j] = (float) random.nextDouble(least, most);
        }
        return offsets;
    }

    private static float[] plus(float added, float... offsets) {
        float[] sums = offsets.clone();
        for (int j = 0; j < sums.length; j++) {
            sums[j] += added;
        }
        return sums;
    }

    @ParameterizedTest
    @MethodSource("losses")
    void lossGradientsAndMetricsAreTheOracles(ContrastiveLoss loss) {
        Reduction[] reductions = Reduction.values();
        List<int[]> sizes = List.of(new int[][] {{2, 3}, {13, 13}, {97, 97}, {101, 200}});
        for (DType dtype : DTYPES) {
            for (int[] size : Devices.orSome(deviceName, sizes, loss.toString().length(), "offsets")) {
                int n = size[0];
                int m = size[1];
                boolean ofOtherType = n > 50 && (n == 97) != (dtype == DType.FLOAT32);
                if (ofOtherType || Devices.leavesOut(deviceName, n, m, 9, "offsets")) {
                    continue;
                }
                ContrastiveLoss reduced = loss.withReduction(reductions[n % reductions.length]);
                Case c = random(reduced, n, m, 9, dtype);
                float[] upstream =
                        reduced.reduction() == Reduction.NONE ? Cases.weights(n, SEED + 1) : new float[] {-1.75f};
                assertAsOracle(c.withWeights(Cases.weights(n, SEED)).withUpstream(upstream));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void typesOf16BitsAreTheOracles(Similarity similarity) {
        if (deviceName.startsWith("java")) {
            return; // it has none
        }
        for (DType dtype : List.of(DType.FLOAT16, DType.BFLOAT16)) {
            Case c = random(loss().withSimilarity(similarity), 17, 21, 12, dtype);
            Result actual = Result.of(device, c, PlanOptions.defaults().withGradientDType(DType.FLOAT32));
            Compare.assertClose(actual, Oracle.evaluate(c), Tolerances.of(deviceName, c, DType.FLOAT32), what(c, SEED));
        }
    }

    /** A learned temperature among them: gradients by it see similarities alone. */
    @ParameterizedTest
    @EnumSource
    void colderAndWarmerLossesAreTheOracles(Similarity similarity) {
        for (double tau : new double[] {1e-4, 0.01, 0.07, 1, 1e3}) {
            for (DType dtype : DTYPES) {
                if (tau < 0.01 && dtype == DType.FLOAT32) {
                    continue; // tolerances are for temperatures from 0.01 on
                }
                assertAsOracle(random(loss().withSimilarity(similarity), 15, 20, 10, dtype)
                        .withTemperature(tau));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void theLargestAreTheOracles(Similarity similarity) {
        InfoNce loss = loss().withSimilarity(similarity);
        for (DType dtype : DTYPES) {
            for (double tau : new double[] {0.01, 0.3}) {
                for (InfoNce of : List.of(loss, loss.withOwnNegativesToo(), loss.decoupled())) {
                    Case c = random(of, 30, 110, 10, dtype).withTemperature(tau);
                    float[] ends = offsets(110, -30, 30);
                    for (int j = 0; j < 110; j += 2) {
                        ends[j] = j % 3 == 0 ? 30 : -30;
                    }
                    // There slopes of own negatives are below 2^-38 of the largest, and planes of 16 bits hold none.
                    boolean vanish = Devices.isCuda(deviceName)
                            && dtype == DType.FLOAT32
                            && of.negatives() == Negatives.IN_BATCH_AND_OWN;
                    if (!vanish) {
                        assertAsOracle(c.withKeyOffsets(ends));
                        assertAsOracle(c.withKeyOffsets(offsets(110, 28, 30)));
                    }
                    assertAsOracle(c.withKeyOffsets(offsets(110, -30, -29)));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreThoseOfTheLossByCentralDifferences(ContrastiveLoss loss) {
        Case c = random(loss, 4, 6, 3, DType.FLOAT64, 0.005);
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

    /** As of the same loss, with as much more added to all as nothing has an offset of its own beside. */
    @ParameterizedTest
    @EnumSource
    void equalOffsetsAreNone(Similarity similarity) {
        for (DType dtype : DTYPES) {
            for (int m : new int[] {101, 1700}) {
                if (Devices.leavesOut(deviceName, 100, m, 9, "equal offsets")) {
                    continue;
                }
                InfoNce without = InfoNce.withTemperature(TAU).withSimilarity(similarity);
                Case c = Cases.random(without, 100, m, 9, dtype, SEED);
                for (float offset : new float[] {0, 7.25f, -30}) {
                    Case with = c.withLoss(without.withKeyOffsets()).withKeyOffsets(plus(offset, new float[m]));
                    assertAlike(with, c);
                }
                Case own = c.withLoss(without.withOwnNegativesToo())
                        .withOwnNegatives(Cases.gaussian(new Random(SEED), 200, 9), 2);
                assertAlike(
                        own.withLoss(without.withOwnNegativesToo().withKeyOffsets())
                                .withKeyOffsets(new float[m]),
                        own);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aNumberThatIsAddedToAllChangesNothing(Similarity similarity) {
        for (DType dtype : DTYPES) {
            Case c = random(loss().withSimilarity(similarity), 100, 110, 9, dtype);
            float[] offsets = offsets(110, 0, 8);
            for (int j = 0; j < offsets.length; j++) {
                offsets[j] = Math.round(offsets[j] * 64) / 64f; // so that sums are exact
            }
            for (float added : new float[] {22, -30}) {
                assertAlike(c.withKeyOffsets(plus(added, offsets)), c.withKeyOffsets(offsets));
            }
        }
    }

    /** Within what both may err. */
    private void assertAlike(Case c, Case as) {
        Result expected = Result.of(device, as);
        Result withSizes = new Result(
                expected.loss(),
                expected.rowLosses(),
                expected.dQueries(),
                expected.dKeys(),
                expected.dNegatives(),
                expected.dTemperature(),
                0,
                null,
                Oracle.evaluate(as).sizes());
        Compare.assertClose(
                Result.of(device, c), withSizes, Tolerances.of(deviceName, c).twice(), what(c, SEED));
    }

    @Test
    void equalVectorsLoseByTheirOffsetsAlone() {
        for (DType dtype : DTYPES) {
            for (int[] size : new int[][] {{1, 2}, {5, 9}, {97, 200}, {10, 500}}) {
                int m = size[1];
                float[] offsets = offsets(m, -5, 5);
                double sum = 0;
                for (float offset : offsets) {
                    sum += Math.exp(offset);
                }
                double mean = 0;
                for (int i = 0; i < size[0]; i++) {
                    mean += (Math.log(sum) - offsets[i]) / size[0];
                }
                Case c = Case.of(loss(), TAU, dtype, copies(size[0]), copies(m)).withKeyOffsets(offsets);
                assertLoss(c, mean, SEED);
                Result result = Result.of(device, c);
                assertThat(result.metrics().effectiveNegatives()).isNaN();
                assertThat(result.metrics().top1Accuracy()).isBetween(1.0 / m - 1e-9, 1.0 / m + 1e-9);
                assertThat(Math.abs(result.dTemperature())).isLessThan(1e-5);
            }
        }
    }

    private static double[][] copies(int rows) {
        double[][] x = new double[rows][];
        Arrays.fill(x, new double[] {0.5, -2, 1});
        return x;
    }

    /** Similarities 2 (positive), 1 and 3: the last is left out, and the offset of the other makes it no more similar. */
    @Test
    void thresholdsDoNotSeeThem() {
        double[][] query = {{1, 0}};
        double[][] keys = {{2, 1}, {1, 5}, {3, -1}};
        for (DType dtype : DTYPES) {
            InfoNce loss =
                    loss().withSimilarity(Similarity.DOT).excluding(Exclude.aboveThreshold(Threshold.absolute(0)));
            Case c = Case.of(loss, TAU, dtype, query, keys).withKeyOffsets(0.5f, 20, -9);
            assertLoss(c, Math.log1p(Math.exp(-1 / TAU + 19.5)), SEED);
            Result result = Result.of(device, c);
            assertThat(result.dKeys()[2]).containsOnly(0);
            assertThat(result.metrics().top1Accuracy()).isEqualTo(1);
        }
    }

    /** The average over what may be drawn of the sums that stand in the loss is the sum over all keys. */
    @Test
    void probabilitiesAreCorrectedFor() {
        assertThat(KeyOffsets.ofProbabilities(1, 0.5, 1e-13)).containsExactly(0, (float) Math.log(2), 29.933607f);
        assertThat(KeyOffsets.ofProbabilities()).isEmpty();
        for (double wrong : new double[] {0, 0.9e-13, -0.5, 1.0000001, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThatThrownBy(() -> KeyOffsets.ofProbabilities(0.5, wrong))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("q: must be in [1e-13, 1], but number 1 is " + wrong);
        }
        double[][] keys = Cases.gaussian(new Random(SEED), 6, 4);
        double[][] query = {keys[0].clone()};
        query[0][1] += 0.5;
        // key 3 is drawn three times as often as others, and so stands there three times
        double[][] drawn = {keys[0], keys[1], keys[2], keys[3], keys[3], keys[3], keys[4], keys[5]};
        double often = 3 / 8.0;
        double rare = 1 / 8.0;
        InfoNce plain = InfoNce.withTemperature(TAU);
        for (DType dtype : DTYPES) {
            Case all = Case.of(plain, TAU, dtype, query, keys);
            Case corrected = Case.of(loss(), TAU, dtype, query, drawn)
                    .withKeyOffsets(KeyOffsets.ofProbabilities(rare, rare, rare, often, often, often, rare, rare));
            double offsetsAreFloats = 1e-6;
            double allowed = Math.max(
                    offsetsAreFloats, Tolerances.of(deviceName, corrected).ofLoss(1));
            double expected = Oracle.evaluate(all).loss();
            Compare.relative(Result.of(device, corrected).loss(), expected, allowed, what(corrected, SEED));
        }
    }
}
