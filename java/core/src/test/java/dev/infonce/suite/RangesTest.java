package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Distance;
import dev.infonce.Metrics;
import dev.infonce.Similarity;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Metrics stay in their ranges where roundings alone would put them out of it: all rows are one, or one and its opposite. */
class RangesTest extends DeviceSuite {
    static Stream<ContrastiveLoss> cosines() {
        return Stream.concat(
                Cases.withTemperature(Similarity.COSINE, 0.07).stream(),
                Stream.concat(
                        Cases.withMargin(0.8, Distance.COSINE).stream(), Cases.pairs(10, Similarity.COSINE).stream()));
    }

    @ParameterizedTest
    @MethodSource("cosines")
    void equalAndOpposedRows(ContrastiveLoss loss) {
        if (Devices.leavesOut(deviceName, "metrics within their ranges")) {
            return;
        }
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            for (int dim = 1; dim < 140; dim += dim < 40 ? 1 : 33) {
                for (double sign : new double[] {1, -1}) {
                    Case like = Cases.random(loss, 6, 7, dim, dtype, 76);
                    double[] row = Cases.gaussian(new Random(77 + dim), 1, dim)[0];
                    double[] other = Arrays.stream(row).map(v -> sign * 3 * v).toArray();
                    Case c = like.withMatrices(
                            all(row, like.queries()),
                            all(other, like.keys()),
                            all(sign > 0 ? other : row, like.negatives()));
                    assertInRange(Result.of(device, c).metrics(), c, what(c, 76) + ", sign " + sign);
                }
            }
        }
    }

    static void assertInRange(Metrics metrics, Case c, String what) {
        boolean margin = c.loss().components().containsKey("distance");
        between(metrics.top1Accuracy(), 0, 1, what + ": top1Accuracy");
        between(metrics.topKAccuracy(), 0, 1, what + ": topKAccuracy");
        between(metrics.alignment(), 0, 4, what + ": alignment");
        between(metrics.uniformity(), -8, 0, what + ": uniformity");
        if (c.loss().components().containsValue(Similarity.COSINE)
                || c.loss().components().containsValue(Distance.COSINE)) {
            between(metrics.positiveSimilarity(), margin ? -2 : -1, margin ? 0 : 1, what + ": positiveSimilarity");
            between(metrics.negativeSimilarity(), margin ? -2 : -1, margin ? 0 : 1, what + ": negativeSimilarity");
        }
        long negatives = switch (c.loss().negatives()) {
            case IN_BATCH -> Math.max(c.rows(), c.shape().m());
            case IN_BATCH_AND_OWN -> c.shape().m() - 1 + c.shape().ownNegatives();
            case SHARED, OWN, PAIRED -> c.shape().m();
        };
        between(metrics.effectiveNegatives(), 1, negatives, what + ": effectiveNegatives");
    }

    /** Or NaN, where the metric has no meaning. */
    private static void between(double value, double least, double most, String what) {
        assertThat(!(value < least) && !(value > most))
                .as("%s is %s", what, value)
                .isTrue();
    }

    private static double[][] all(double[] row, double[][] like) {
        return like == null
                ? null
                : Stream.generate(() -> row).limit(like.length).toArray(double[][]::new);
    }
}
