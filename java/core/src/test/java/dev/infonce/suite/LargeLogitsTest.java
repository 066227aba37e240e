package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Similarity;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Logits of 1e0 to 1e19 with positives and negatives that are as similar, or nearly so: nothing of a gradient may be computed at
 * the size of the logits. Similarities are exact in float64, so that only a device can be wrong.
 */
class LargeLogitsTest extends DeviceSuite {
    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);

    /** 2^64 is 1.8e19. */
    private static final int LARGEST_EXPONENT = 64;

    private static final int EXPONENT_STEP = 8;

    /** Up to which squares of differences and sums of a small part are exact in float64. */
    private static final int LARGEST_WITH_SMALL_PART = 36;

    @ParameterizedTest
    @EnumSource(names = "COSINE", mode = EnumSource.Mode.EXCLUDE)
    void tiedLogitsHaveTheGradientOfTies(Similarity similarity) {
        for (int exponent = 0; exponent <= LARGEST_EXPONENT; exponent += EXPONENT_STEP) {
            double size = Math.scalb(1.0, similarity == Similarity.NEGATIVE_EUCLIDEAN ? exponent : exponent / 2);
            for (ContrastiveLoss loss : losses(similarity, exponent)) {
                for (DType dtype : DTYPES) {
                    assertAsOracle(integers(loss, dtype, size, 0), "logits of 2^" + exponent);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"DOT", "NEGATIVE_SQUARED_EUCLIDEAN"})
    void smallDifferencesOfLargeLogitsCount(Similarity similarity) {
        for (int exponent = 0; exponent <= LARGEST_WITH_SMALL_PART; exponent += EXPONENT_STEP) {
            for (ContrastiveLoss loss : losses(similarity, exponent)) {
                for (DType dtype : DTYPES) {
                    double size = Math.scalb(1.0, exponent / 2);
                    assertAsOracle(integers(loss, dtype, size, 0.5), "logits of 2^" + exponent + " that differ by 1");
                }
            }
        }
    }

    private List<ContrastiveLoss> losses(Similarity similarity, int exponent) {
        List<ContrastiveLoss> all = Cases.withTemperature(similarity, 0.5);
        return Devices.orSome(deviceName, all, exponent / EXPONENT_STEP, "losses at logits of 2^" + exponent);
    }

    private void assertAsOracle(Case c, String logits) {
        Result expected = Oracle.evaluate(c);
        Result actual = Result.of(device, c);
        String what = what(c, 0) + ", " + logits;
        Tolerances tolerances = Tolerances.of(deviceName, c);
        Compare.assertClose(actual, expected, tolerances, what);
        assertThat(actual.metrics().top1Accuracy())
                .as(what)
                .isCloseTo(expected.metrics().top1Accuracy(), within(1e-12));
    }

    /** Small integers times size, and one element more that is a multiple of small. Many are tied. */
    private static Case integers(ContrastiveLoss loss, DType dtype, double size, double small) {
        Random random = new Random(71);
        Case c = Cases.random(loss, 12, 20, 5, dtype, 71);
        List<double[][]> matrices = Stream.of(c.queries(), c.keys(), c.negatives())
                .map(like -> like == null ? new double[0][] : integers(random, like.length, size, small))
                .toList();
        return c.withMatrices(
                matrices.get(0),
                c.keys() == null ? null : matrices.get(1),
                c.negatives() == null ? null : matrices.get(2));
    }

    private static double[][] integers(Random random, int rows, double size, double small) {
        double[][] x = new double[rows][5];
        for (double[] row : x) {
            for (int d = 0; d < 4; d++) {
                row[d] = size * (random.nextInt(3) - 1);
            }
            row[4] = small * random.nextInt(4);
        }
        return x;
    }
}
