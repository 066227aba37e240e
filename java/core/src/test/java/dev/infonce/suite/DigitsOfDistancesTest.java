package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Distance;
import dev.infonce.Negatives;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Similarity;
import dev.infonce.Triplet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Distances of rows far from the origin, and of rows near to each other, have all their digits. */
class DigitsOfDistancesTest extends DeviceSuite {
    private static final List<Similarity> EUCLIDEAN =
            List.of(Similarity.NEGATIVE_SQUARED_EUCLIDEAN, Similarity.NEGATIVE_EUCLIDEAN);
    private static final Tolerances PROMISED = new Tolerances(1e-5, 1e-5, false, 1e-5, 1e-5, Float.MIN_VALUE, 1e-5);

    /** Rows about as far apart as they are from their mean, which is offset away in every dimension. */
    @ParameterizedTest
    @ValueSource(doubles = {1e2, 1e3, 1e4, 1e6, 1e8, 1e10, 1e12})
    void farFromTheOrigin(double offset) {
        for (Similarity similarity : EUCLIDEAN) {
            for (ContrastiveLoss loss : losses(similarity, (int) Math.log10(offset))) {
                for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
                    // rounded to float32, rows of spread 1 would become one
                    double spread = dtype == DType.FLOAT32 ? Math.max(1, offset * 1e-6) : 1;
                    Case c = Cases.random(loss.with(Map.of("temperature", 0.5 * spread)), 24, 40, 7, dtype, 72);
                    assertAsOracle(
                            c.withMatrices(
                                    moved(c.queries(), spread, offset),
                                    moved(c.keys(), spread, offset),
                                    moved(c.negatives(), spread, offset)),
                            "offset " + offset);
                }
            }
        }
    }

    /** A negative of each row that is nearly the row itself, in a cloud of spread 1 away from the origin. */
    @ParameterizedTest
    @ValueSource(doubles = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1})
    void nearDuplicates(double distance) {
        for (Similarity similarity : EUCLIDEAN) {
            for (ContrastiveLoss loss : losses(similarity, (int) -Math.log10(distance))) {
                for (double offset : new double[] {0, 1e4}) {
                    nearDuplicate(loss.with(Map.of("temperature", Math.max(1e-3, distance))), distance, offset);
                }
            }
        }
    }

    private List<ContrastiveLoss> losses(Similarity similarity, int turn) {
        return Devices.orSome(deviceName, Cases.withTemperature(similarity, 0.5), turn, "losses of " + similarity);
    }

    private void nearDuplicate(ContrastiveLoss loss, double distance, double offset) {
        boolean own = loss.negatives() == Negatives.OWN;
        Case c = Cases.random(loss, 16, own ? 3 : 48, 6, DType.FLOAT64, 73);
        Random random = new Random(74);
        double[][] queries = moved(c.queries(), 1, offset);
        double[][] keys = moved(c.keys(), 1, offset);
        double[][] negatives = moved(c.negatives(), 1, offset);
        for (int i = 0; i < queries.length; i++) {
            double[][] others = negatives != null ? negatives : keys == null ? queries : keys;
            int j = switch (loss.negatives()) {
                case OWN, IN_BATCH_AND_OWN -> i * 3 + 1;
                case PAIRED -> i;
                case IN_BATCH, SHARED -> (i + 1) % others.length;
            };
            if (others == queries && i % 2 == 1) {
                continue;
            }
            for (int d = 0; d < 6; d++) {
                others[j][d] = queries[i][d] + distance * random.nextGaussian();
            }
        }
        assertAsOracle(
                c.withMatrices(queries, keys, negatives), "near duplicates at " + distance + ", offset " + offset);
    }

    private void assertAsOracle(Case c, String kind) {
        Result expected = Oracle.evaluate(c);
        Compare.assertClose(Result.of(device, c), expected, PROMISED, what(c, 72) + ", " + kind);
    }

    private static double[][] moved(double[][] rows, double spread, double offset) {
        if (rows == null) {
            return null;
        }
        double[][] moved = new double[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            moved[i] = rows[i].clone();
            for (int d = 0; d < moved[i].length; d++) {
                moved[i][d] = rows[i][d] * spread + offset * (1 + 0.25 * d);
            }
        }
        return moved;
    }

    @ParameterizedTest
    @EnumSource(names = {"NEGATIVE_SQUARED_EUCLIDEAN", "NEGATIVE_EUCLIDEAN"})
    void equalRowsFarFromTheOriginAreAtDistanceZero(Similarity similarity) {
        for (ContrastiveLoss loss : Cases.withTemperature(similarity, 0.5)) {
            Case c = Cases.random(loss, 8, 8, 3, DType.FLOAT64, 75);
            double[][] queries = moved(c.queries(), 1, 1e6);
            if (c.keys() != null) {
                double[][] keys = moved(c.keys(), 1, 1e6);
                keys[2] = queries[2].clone();
                assertAsOracle(c.withMatrices(queries, keys, moved(c.negatives(), 1, 1e6)), "an equal pair");
            } else {
                queries[6] = queries[2].clone();
                assertAsOracle(c.withMatrices(queries, null, null), "an equal pair");
            }
        }
    }

    /** Of (1, 0) and (1, t), about t^2 / 2: 1 less the cosine would have few digits of it. */
    @ParameterizedTest
    @ValueSource(doubles = {0x1p-10, 0x1p-20, 0x1p-26})
    void cosineDistancesOfNearlyEqualRows(double t) {
        double near = t * t / (1 + t * t + Math.sqrt(1 + t * t));
        double h = Math.sqrt(1 + t * t);
        double[][] query = new double[1][70];
        double[][] key = new double[1][70];
        query[0][3] = 2;
        key[0][3] = 0.5;
        key[0][66] = 0.5 * t;
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            Case pair = Case.of(
                            PairwiseContrastive.withMargin(0.5).withDistance(Distance.COSINE),
                            Double.NaN,
                            dtype,
                            query,
                            key)
                    .withLabels(1);
            Result result = Result.of(device, pair);
            String what = what(pair, 0) + ", t " + t;
            double unit = dtype == DType.FLOAT64 ? 1e-13 : 1e-7;
            Compare.relative(result.loss(), near * near / 2, 1e-13, what + ": loss");
            Compare.relative(result.metrics().positiveSimilarity(), -near, 1e-13, what + ": positiveSimilarity");
            Compare.relative(result.dQueries()[0][66], -near * t / h / 2, unit, what + ": dQueries");
            Compare.relative(result.dKeys()[0][66], near * t / h / h / h * 2, unit, what + ": dKeys");

            // two distances whose difference is as small
            double[][] negative = new double[1][70];
            negative[0][3] = 1;
            negative[0][66] = -t / 2;
            double other = t * t / 4 / (1 + t * t / 4 + Math.sqrt(1 + t * t / 4));
            Case triple = Case.of(
                            Triplet.withMargin(0x1p-300).withDistance(Distance.COSINE), Double.NaN, dtype, query, key)
                    .withNegatives(negative, 1);
            Compare.relative(Result.of(device, triple).loss(), near - other, 1e-13, what(triple, 0) + ", t " + t);
        }
    }
}
