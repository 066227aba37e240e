package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Exclude;
import dev.infonce.InfoNce;
import dev.infonce.Metrics;
import dev.infonce.NtXent;
import dev.infonce.PlanOptions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rows of one group are no negatives of each other: what that leaves of a loss, whatever groups are called. */
class GroupsTest extends DeviceSuite {
    private static final long SEED = 91;
    private static final int N = 130;

    static List<ContrastiveLoss> losses() {
        InfoNce infoNce = InfoNce.withTemperature(0.3).excluding(Exclude.sameGroup());
        return List.of(infoNce, infoNce.symmetric(), NtXent.withTemperature(0.3).excluding(Exclude.sameGroup()));
    }

    private static Case renamed(Case c, IntUnaryOperator name) {
        return c.withGroups(renamed(c.groups(), name), renamed(c.keyGroups(), name));
    }

    private static int[] renamed(int[] groups, IntUnaryOperator name) {
        return groups == null ? null : Arrays.stream(groups).map(name).toArray();
    }

    @ParameterizedTest
    @MethodSource("losses")
    void oneGroupOfAllLeavesNothing(ContrastiveLoss loss) {
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            Case c = renamed(Cases.random(loss, N, N + 40, 7, dtype, SEED), _ -> 7);
            Result result = Result.of(device, c);
            assertThat(result.loss()).as(what(c, SEED)).isZero();
            assertThat(result.dTemperature()).isZero();
            for (double[] row : result.dQueries()) {
                assertThat(row).containsOnly(0.0);
            }
            Metrics metrics = result.metrics();
            assertThat(metrics.top1Accuracy()).isEqualTo(1.0);
            assertThat(metrics.negativeSimilarity()).isNaN();
            assertThat(metrics.effectiveNegatives()).isNaN();
            assertThat(metrics.positiveSimilarity()).isNotNaN();
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void numbersBelowZeroAreAsNoGroups(ContrastiveLoss loss) {
        Case c = Cases.random(loss, N, N + 40, 7, DType.FLOAT32, SEED);
        Result alone = Result.of(device, renamed(c, _ -> -3));
        Case plain = c.withGroups(null, null).withLoss(loss.with(Map.of("excluded", Exclude.nothing())));
        Compare.assertSameBits(Result.of(device, plain), alone, what(c, SEED));
    }

    @ParameterizedTest
    @MethodSource("losses")
    void otherNamesChangeNoBit(ContrastiveLoss loss) {
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            Case c = Cases.random(loss, N, N + 40, 7, dtype, SEED);
            Result other = Result.of(device, renamed(c, group -> group < 0 ? group - 5 : Integer.MAX_VALUE - group));
            Compare.assertSameBits(other, Result.of(device, c), what(c, SEED));
        }
    }

    /** Where what is excluded is 0 in a tile, that 0 would be more similar than the positive. */
    @ParameterizedTest
    @MethodSource("losses")
    void positivesBelowZeroAreRankedAmongTheRest(ContrastiveLoss loss) {
        Case c = Cases.random(loss, 33, 40, 7, DType.FLOAT32, SEED);
        double[][] opposite = Arrays.stream(c.keys())
                .map(row -> Arrays.stream(row).map(v -> -v).toArray())
                .toArray(double[][]::new);
        Case of = c.withMatrices(c.queries(), opposite, null);
        for (int k = 1; k <= 65; k += 4) {
            Metrics expected = Oracle.evaluate(of, k).metrics();
            PlanOptions options = PlanOptions.defaults().withTopK(k);
            Metrics actual = Result.of(device, of, options).metrics();
            Compare.assertClose(actual, expected, Tolerances.of(deviceName, of).metric(), what(of, k));
            assertThat(expected.positiveSimilarity()).isNegative();
        }
    }

    /** Six equal queries and keys in groups of two: four keys are left for each. */
    @Test
    void equalVectorsLeaveTheLogarithmOfTheOtherGroups() {
        double[][] x = new double[6][];
        Arrays.fill(x, new double[] {1, 2});
        int[] groups = {4, 4, 0, 0, 9, 9};
        Case c = Case.of(losses().getFirst(), 0.5, DType.FLOAT64, x, x).withGroups(groups, groups);
        Result result = Result.of(device, c);
        assertThat(result.loss()).isCloseTo(Math.log(5), within(1e-12));
        assertThat(result.metrics().top1Accuracy()).isCloseTo(0.2, within(1e-12));
        assertThat(result.metrics().effectiveNegatives()).isCloseTo(4, within(1e-9));
    }
}
