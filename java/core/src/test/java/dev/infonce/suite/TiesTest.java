package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.InfoNce;
import dev.infonce.Metrics;
import dev.infonce.PlanOptions;
import dev.infonce.Similarity;
import dev.infonce.Triplet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Accuracies count a tied positive by its chance to win: a model that makes one vector of everything gets no credit for it. */
class TiesTest extends DeviceSuite {
    private static final int N = 10;

    /** Sums of products may be made in another order for the positive than for negatives, but have the same bits. */
    @ParameterizedTest
    @EnumSource
    void aCollapsedModelIsAsGoodAsChance(Similarity similarity) {
        for (int dim : new int[] {36, 37}) {
            for (ContrastiveLoss loss : Cases.withTemperature(similarity, 0.5)) {
                if (loss.takesGroups() || loss.takesClassLabels()) {
                    continue; // rows have different numbers of negatives: GroupsTest, SupConTest
                }
                for (DType dtype : dtypes()) {
                    aCollapsedModelIsAsGoodAsChance(Cases.random(loss, N, N, dim, dtype, 78));
                }
            }
        }
    }

    private void aCollapsedModelIsAsGoodAsChance(Case like) {
        double[] row = like.queries()[0];
        Case c = like.withMatrices(all(row, like.queries()), all(row, like.keys()), all(row, like.negatives()));
        long negatives = switch (c.loss().negatives()) {
            case SHARED, OWN -> N;
            case IN_BATCH_AND_OWN -> N - 1 + Cases.OWN;
            case PAIRED -> 1;
            case IN_BATCH -> c.loss().isOneTower() ? N - 2 : N - 1;
        };
        Metrics metrics =
                Result.of(device, c, PlanOptions.defaults().withTopK(3)).metrics();
        assertThat(metrics.top1Accuracy()).as(what(c, 78)).isCloseTo(1.0 / (1 + negatives), within(1e-12));
        assertThat(metrics.topKAccuracy()).as(what(c, 78)).isCloseTo(Math.min(1, 3.0 / (1 + negatives)), within(1e-12));
    }

    private List<DType> dtypes() {
        return deviceName.startsWith("java") ? List.of(DType.FLOAT32, DType.FLOAT64) : List.of(DType.values());
    }

    @Test
    void tiedTriplesWinHalf() {
        double[][] x = {{1, 2}, {3, 4}};
        double[][] y = {{1, 0}, {3, 0}};
        Case c = Case.of(Triplet.withMargin(0.5), Double.NaN, DType.FLOAT64, x, y)
                .withNegatives(new double[][] {{1, 4}, {3, 9}}, 2);
        assertThat(Result.of(device, c).metrics().top1Accuracy()).isEqualTo(0.75);
    }

    /** Similarities 3 (positive) and 4, 3, 3, 1: one above, two ties. */
    @Test
    void aTieBelowABetterNegative() {
        double[][] negatives = {{4}, {3}, {3}, {1}};
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            InfoNce loss =
                    InfoNce.withTemperature(1).withSimilarity(Similarity.DOT).withSharedNegatives();
            Case c = Case.of(loss, 1, dtype, new double[][] {{1}}, new double[][] {{3}})
                    .withNegatives(negatives, 4);
            double[] chances = {0, 1.0 / 3, 2.0 / 3, 1, 1};
            for (int k = 1; k <= chances.length; k++) {
                Metrics metrics =
                        Result.of(device, c, PlanOptions.defaults().withTopK(k)).metrics();
                assertThat(metrics.top1Accuracy()).as(what(c, k)).isZero();
                assertThat(metrics.topKAccuracy()).as(what(c, k)).isCloseTo(chances[k - 1], within(1e-15));
            }
        }
    }

    /** So few that one thread ranks them, and so many that several do: positives are the best, tied, between, and the worst. */
    @ParameterizedTest
    @ValueSource(ints = {8, 9, 33, 70})
    void ranksAmongOwnNegativesAreThoseOfAnyNumber(int m) {
        int best = (m - 1) / 2;
        double[] positives = {best + 1, best, best - 0.5, best - 2, -1};
        double[][] queries = new double[positives.length][];
        double[][] keys = new double[positives.length][];
        double[][] negatives = new double[positives.length * m][];
        double top1 = 0;
        double topK = 0;
        for (int i = 0; i < positives.length; i++) {
            queries[i] = new double[] {1};
            keys[i] = new double[] {positives[i]};
            double above = 0;
            double tied = 0;
            for (int k = 0; k < m; k++) {
                double negative = k * 37 % m / 2;
                negatives[i * m + k] = new double[] {negative};
                above += negative > positives[i] ? 1 : 0;
                tied += negative == positives[i] ? 1 : 0;
            }
            top1 += Math.clamp((1 - above) / (1 + tied), 0, 1) / positives.length;
            topK += Math.clamp((3 - above) / (1 + tied), 0, 1) / positives.length;
        }
        for (DType dtype : dtypes()) {
            InfoNce loss =
                    InfoNce.withTemperature(4).withSimilarity(Similarity.DOT).withOwnNegatives();
            Case c = Case.of(loss, 4, dtype, queries, keys).withNegatives(negatives, m);
            Metrics metrics =
                    Result.of(device, c, PlanOptions.defaults().withTopK(3)).metrics();
            assertThat(metrics.top1Accuracy()).as(what(c, m)).isCloseTo(top1, within(1e-14));
            assertThat(metrics.topKAccuracy()).as(what(c, m)).isCloseTo(topK, within(1e-14));
        }
    }

    private static double[][] all(double[] row, double[][] like) {
        return like == null
                ? null
                : Stream.generate(() -> row).limit(like.length).toArray(double[][]::new);
    }
}
