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

/** Accuracies count a tied positive by its chance to win: a model that makes one vector of everything gets no credit for it. */
class TiesTest extends DeviceSuite {
    private static final int N = 10;

    @ParameterizedTest
    @EnumSource
    void aCollapsedModelIsAsGoodAsChance(Similarity similarity) {
        for (ContrastiveLoss loss : Cases.withTemperature(similarity, 0.5)) {
            for (DType dtype : dtypes()) {
                Case like = Cases.random(loss, N, N, 37, dtype, 78);
                double[] row = like.queries()[0];
                Case c = like.withMatrices(all(row, like.queries()), all(row, like.keys()), all(row, like.negatives()));
                long negatives = switch (loss.negatives()) {
                    case SHARED, OWN -> N;
                    case PAIRED -> 1;
                    case IN_BATCH -> loss.isOneTower() ? N - 2 : N - 1;
                };
                Metrics metrics =
                        Result.of(device, c, PlanOptions.defaults().withTopK(3)).metrics();
                assertThat(metrics.top1Accuracy()).as(what(c, 78)).isCloseTo(1.0 / (1 + negatives), within(1e-12));
                assertThat(metrics.topKAccuracy())
                        .as(what(c, 78))
                        .isCloseTo(Math.min(1, 3.0 / (1 + negatives)), within(1e-12));
            }
        }
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

    private static double[][] all(double[] row, double[][] like) {
        return like == null
                ? null
                : Stream.generate(() -> row).limit(like.length).toArray(double[][]::new);
    }
}
