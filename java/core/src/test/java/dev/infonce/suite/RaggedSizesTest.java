package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Distance;
import dev.infonce.InfoNce;
import dev.infonce.Negatives;
import dev.infonce.Similarity;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Sizes around those of tiles, vectors and blocks: a tail in each dimension, alone and together. */
class RaggedSizesTest extends DeviceSuite {
    private static final double TAU = 0.07;

    /** The oracle's answers, which all devices share: it takes longer than they do. */
    private static final Map<String, Result> EXPECTED = new ConcurrentHashMap<>();

    @ParameterizedTest
    @CsvSource({
        "1, 1, 1",
        "1, 1, 65",
        "1, 63, 64",
        "1, 1000, 7",
        "2, 129, 1",
        "63, 63, 63",
        "63, 64, 65",
        "64, 64, 64",
        "64, 65, 129",
        "65, 65, 65",
        "65, 127, 1",
        "127, 127, 64",
        "127, 513, 63",
        "129, 129, 127",
        "129, 64, 500",
        "63, 65, 500",
        "321, 127, 65",
        "257, 513, 33"
    })
    void everyLossIsRightAtEverySize(int n, int m, int dim) {
        if (Devices.leavesOut(deviceName, n, Math.max(n, m), dim, "every loss")) {
            return;
        }
        long seed = 61;
        Stream<ContrastiveLoss> losses = Stream.concat(
                Stream.of(Similarity.COSINE, Similarity.NEGATIVE_EUCLIDEAN)
                        .flatMap(s -> Cases.withTemperature(s, TAU).stream()),
                Cases.withMargin(0.8, Distance.EUCLIDEAN).stream());
        List<Case> cases = losses.map(loss -> {
                    boolean own = loss.negatives() == Negatives.OWN;
                    return Cases.random(loss, n, own ? Math.min(m, 17) : m, dim, DType.FLOAT32, seed);
                })
                .toList();
        cases.parallelStream().forEach(RaggedSizesTest::expected);
        for (Case c : cases) {
            assertAsOracle(c, seed);
        }
    }

    private static Result expected(Case c) {
        return EXPECTED.computeIfAbsent(c.toString(), _ -> Oracle.evaluate(c));
    }

    @Test
    void manyRowsAndColumnsAreRight() {
        long seed = 62;
        for (Similarity similarity : List.of(Similarity.COSINE, Similarity.DOT)) {
            assertAsOracle(
                    Cases.random(
                            InfoNce.withTemperature(TAU)
                                    .withSimilarity(similarity)
                                    .symmetric(),
                            513,
                            513,
                            129,
                            DType.FLOAT32,
                            seed),
                    seed);
        }
        assertAsOracle(
                Cases.random(InfoNce.withTemperature(TAU).withSharedNegatives(), 513, 513, 65, DType.FLOAT64, seed),
                seed);
    }

    /** More rows than a strip has, whose shares of the gradients of columns are added up. */
    @Test
    void gradientsOfColumnsAddUpOverStrips() {
        long seed = 63;
        for (Similarity similarity : List.of(Similarity.COSINE, Similarity.DOT)) {
            InfoNce loss =
                    InfoNce.withTemperature(0.5).withSimilarity(similarity).withSharedNegatives();
            assertAsOracle(Cases.random(loss, 4300, 30, 3, DType.FLOAT32, seed), seed);
        }
    }

    /** Around the number that a device may keep in memory at once. */
    @ParameterizedTest
    @ValueSource(ints = {63, 64, 65, 127, 128, 129, 200})
    void ownNegativesAreAsManyAsThereAre(int m) {
        long seed = 64;
        InfoNce loss = InfoNce.withTemperature(TAU).withOwnNegatives();
        assertAsOracle(Cases.random(loss, 3, m, 5, DType.FLOAT64, seed), seed);
    }

    private void assertAsOracle(Case c, long seed) {
        if (Devices.leavesOut(
                deviceName, c.shape().n(), c.shape().m(), c.shape().dim(), "the oracle's answer")) {
            return;
        }
        Result expected = expected(c);
        Result actual = Result.of(device, c);
        Tolerances tolerances = Tolerances.of(deviceName, c);
        Compare.assertClose(actual, expected, tolerances, what(c, seed));
        boolean ties = c.shape().dim() == 1; // cosines of numbers are all 1 or -1, in an order that rounding makes
        Compare.assertClose(
                ties ? Compare.unranked(actual.metrics()) : actual.metrics(),
                ties ? Compare.unranked(expected.metrics()) : expected.metrics(),
                tolerances.metric(),
                what(c, seed));
    }
}
