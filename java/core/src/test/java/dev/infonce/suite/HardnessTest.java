package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.InfoNce;
import dev.infonce.NtXent;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Negatives that count by how similar they are, which is not differentiated. */
class HardnessTest extends DeviceSuite {
    private static final long SEED = 181;
    private static final double TAU = 0.3;
    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);

    static Stream<ContrastiveLoss> losses() {
        return Stream.of(Similarity.values()).flatMap(s -> Cases.withHardness(s, TAU).stream());
    }

    private static Case random(ContrastiveLoss loss, int n, int m, int dim, DType dtype) {
        return Cases.awayFromLimits(
                Cases.farFromLimits(dtype), SEED, seed -> Cases.random(loss, n, m, dim, dtype, seed));
    }

    private void assertAsOracle(Case c) {
        assertAsOracleForEachBudget(c, SEED);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void lossGradientsAndMetricsAreTheOracles(ContrastiveLoss loss) {
        Reduction[] reductions = Reduction.values();
        for (DType dtype : DTYPES) {
            for (int n : new int[] {2, 14, 98}) {
                int m = loss.isSymmetric() || loss.isOneTower() ? n : n + 5;
                boolean ofOtherType = n > 50 && dtype == DType.FLOAT64;
                if (ofOtherType || Devices.leavesOut(deviceName, n, m, 9, "hardness")) {
                    continue;
                }
                ContrastiveLoss reduced = loss.withReduction(reductions[n % reductions.length]);
                Case c = random(reduced, n, m, 9, dtype);
                int rows = Terms.rows(c);
                float[] upstream =
                        reduced.reduction() == Reduction.NONE ? Cases.weights(rows, SEED + 1) : new float[] {-1.75f};
                assertAsOracle(c.withWeights(Cases.weights(rows, SEED)).withUpstream(upstream));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void colderAndWarmerLossesAreTheOracles(Similarity similarity) {
        InfoNce loss = InfoNce.withTemperature(TAU).withSimilarity(similarity);
        for (double tau : new double[] {0.02, 0.07, 1, 1e3}) {
            for (double hardness : new double[] {0.01, 9, 40}) {
                for (DType dtype : DTYPES) {
                    assertAsOracle(random(loss.withHardness(hardness), 15, 20, 10, dtype)
                            .withTemperature(tau));
                }
            }
        }
    }

    /** Of one negative, what is not differentiated is a number of the row. */
    @Test
    void ofOneNegativeItIsANumberOfTheRow() {
        InfoNce loss = InfoNce.withTemperature(0.5)
                .withSimilarity(Similarity.DOT)
                .withSharedNegatives()
                .withHardness(5);
        Case c = Cases.random(loss, 1, 1, 2, DType.FLOAT64, SEED);
        c.queries()[0][0] = 1;
        c.queries()[0][1] = 0;
        c.keys()[0][0] = 0.75;
        c.keys()[0][1] = 0;
        c.negatives()[0][0] = 0.5;
        c.negatives()[0][1] = 0.25;
        Result result = Result.of(device, c, PlanOptions.defaults());
        double odds = 1 + 2.5 - 1.5;
        double pull = 2 / (1 + Math.exp(-odds));
        assertThat(result.loss()).isCloseTo(Math.log1p(Math.exp(odds)), within(1e-6));
        assertThat(result.dQueries()[0][0]).isCloseTo(-0.25 * pull, within(1e-6));
        assertThat(result.dQueries()[0][1]).isCloseTo(0.25 * pull, within(1e-6));
        assertThat(result.dNegatives()[0][0]).isCloseTo(pull, within(1e-6));
        assertThat(result.dTemperature()).isCloseTo(0.5 * pull, within(1e-6));
    }

    @Test
    void equalNegativesCountThatManyTimes() {
        for (ContrastiveLoss loss : List.of(
                InfoNce.withTemperature(TAU).withHardness(5),
                NtXent.withTemperature(TAU).withHardness(5))) {
            Case c = Cases.random(loss, 20, 20, 8, DType.FLOAT32, SEED);
            Stream.of(c.queries(), c.keys())
                    .filter(Objects::nonNull)
                    .flatMap(Arrays::stream)
                    .forEach(row -> Arrays.fill(row, 0.5));
            double negatives = loss.isOneTower() ? Terms.rows(c) - 2 : 19;
            assertThat(Result.of(device, c, PlanOptions.defaults()).loss())
                    .isCloseTo(Math.log1p(negatives * Math.exp(5)), within(2e-5));
        }
    }

    @Test
    void noneIsTheLossToTheBit() {
        InfoNce loss = InfoNce.withTemperature(TAU).symmetric();
        Case c = random(loss, 30, 30, 10, DType.FLOAT32);
        Result before = Result.of(device, c, PlanOptions.defaults());
        Result after = Result.of(device, c.withLoss(loss.withHardness(0)), PlanOptions.defaults());
        assertThat(after.loss()).isEqualTo(before.loss());
        assertThat(after.dQueries()).isDeepEqualTo(before.dQueries());
    }
}
