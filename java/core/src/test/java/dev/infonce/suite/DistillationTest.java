package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.InfoNceException;
import dev.infonce.KlDistillation;
import dev.infonce.MarginMse;
import dev.infonce.Matrix;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Status;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Losses of lists that a teacher has scored. */
class DistillationTest extends DeviceSuite {
    private static final long SEED = 207;
    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);
    private static final double TAU = 0.5;

    /** As in OracleTest. */
    private static final double BOUND = 1e-7;

    /** Of 40 terms in float64, each rounded a few times. */
    private static final double ROUNDINGS = 1e-13;

    static Stream<ContrastiveLoss> losses() {
        return Stream.of(Similarity.values()).flatMap(s -> Cases.distilled(s, TAU).stream());
    }

    private static KlDistillation divergence() {
        return KlDistillation.withTemperature(TAU).withSimilarity(Similarity.DOT);
    }

    private static Case lists(
            ContrastiveLoss loss, DType dtype, double[][] queries, double[][] keys, double[]... more) {
        double tau = (double) loss.components().getOrDefault("temperature", Double.NaN);
        return Case.of(loss, tau, dtype, queries, keys).withNegatives(more, more.length / queries.length);
    }

    /** Lists of one candidate and of many, of which negatives come in several blocks; rows enough for several strips. */
    @ParameterizedTest
    @MethodSource("losses")
    void lossGradientsAndMetricsAreTheOracles(ContrastiveLoss loss) {
        for (DType dtype : DTYPES) {
            for (int[] size : new int[][] {{1, 1}, {3, 0}, {5, 64}, {4, 65}, {35, 7}, {2, 200}}) {
                if (Devices.leavesOut(deviceName, size[0], size[1], 9, "lists")) {
                    continue;
                }
                for (Reduction reduction : Reduction.values()) {
                    Case c = Cases.random(loss.withReduction(reduction), size[0], size[1], 9, dtype, SEED);
                    float[] upstream =
                            reduction == Reduction.NONE ? Cases.weights(size[0], SEED + 1) : new float[] {-1.75f};
                    Case weighted = c.withWeights(Cases.weights(size[0], SEED)).withUpstream(upstream);
                    assertAsOracle(weighted, Oracle.evaluate(weighted), PlanOptions.defaults(), SEED);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreThoseOfCentralDifferences(ContrastiveLoss loss) {
        Case c = Cases.random(loss, 3, 4, 3, DType.FLOAT64, SEED);
        Result exact = Result.of(device, c);
        Result numeric =
                CentralDifferences.of(c, moved -> Result.of(device, moved).loss());
        String what = what(c, SEED);
        Compare.frobenius(exact.dQueries(), numeric.dQueries(), BOUND, what + ": dQueries");
        Compare.frobenius(exact.dKeys(), numeric.dKeys(), BOUND, what + ": dKeys");
        Compare.frobenius(exact.dNegatives(), numeric.dNegatives(), BOUND, what + ": dNegatives");
        Compare.relative(exact.dTemperature(), numeric.dTemperature(), BOUND, what + ": dTemperature");
    }

    /** A learned temperature among them. */
    @ParameterizedTest
    @ValueSource(doubles = {1e-4, 0.01, 0.07, 1, 1e3})
    void colderAndWarmerListsAreTheOracles(double tau) {
        for (Similarity similarity : Similarity.values()) {
            for (DType dtype : DTYPES) {
                if (tau < 0.01 && dtype == DType.FLOAT32) {
                    continue; // tolerances are for temperatures from 0.01 on
                }
                Case c = Cases.random(divergence().withSimilarity(similarity), 9, 11, 6, dtype, SEED)
                        .withTemperature(tau);
                assertAsOracle(c, Oracle.evaluate(c), PlanOptions.defaults(), SEED);
            }
        }
    }

    /** Scores that are the student's own similarities, over its temperature: products and quotients are exact. */
    @Test
    void aStudentThatIsItsTeacherLosesNothing() {
        double[][] queries = {{1, 2}, {-3, 0.5}};
        double[][] keys = {{2, 1}, {1, 4}};
        double[][] negatives = {{0, 3}, {-1, -1}, {2, 2}, {8, 0.25}};
        float[] similarities = {4, 6, -3, -1, -5, -23.875f};
        for (DType dtype : DTYPES) {
            Case margins =
                    lists(MarginMse.ofDots(), dtype, queries, keys, negatives).withTeacherScores(similarities);
            float[] logits = similarities.clone();
            for (int k = 0; k < logits.length; k++) {
                logits[k] /= (float) TAU;
            }
            Case lists = lists(divergence(), dtype, queries, keys, negatives).withTeacherScores(logits);
            for (Case c : List.of(margins, lists)) {
                Result result = Result.of(device, c);
                assertThat(result.loss()).as(what(c, 0)).isCloseTo(0, within(ROUNDINGS));
                assertThat(result.loss()).as(what(c, 0)).isNotNegative();
                assertThat(result.dTemperature()).as(what(c, 0)).isCloseTo(0, within(100 * ROUNDINGS));
                for (double[][] gradient : List.of(result.dQueries(), result.dKeys(), result.dNegatives())) {
                    assertThat(Compare.largest(gradient)).as(what(c, 0)).isLessThan(100 * ROUNDINGS);
                }
            }
            assertThat(Result.of(device, margins).loss()).isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void aKeyAloneLosesNothing(ContrastiveLoss loss) {
        for (DType dtype : DTYPES) {
            Case c = Cases.random(loss, 5, 0, 4, dtype, SEED);
            Result result = Result.of(device, c);
            assertThat(result.loss()).as(what(c, SEED)).isZero();
            assertThat(result.dTemperature()).as(what(c, SEED)).isZero();
            assertThat(result.dNegatives()).isNull();
            assertThat(Compare.largest(result.dQueries())).as(what(c, SEED)).isZero();
            assertThat(Compare.largest(result.dKeys())).as(what(c, SEED)).isZero();
            assertThat(result.metrics().rowsWithoutNegatives()).isEqualTo(5);
        }
    }

    /** Of two candidates q = sigmoid(z) and p = sigmoid(u): l = p ln(p / q) + (1 - p) ln((1 - p) / (1 - q)), dl/dz = q - p. */
    @Test
    void twoCandidatesHaveTheirClosedForm() {
        double[][] query = {{1, 0}};
        for (double difference : new double[] {0, 0.25, -3, 40}) {
            for (float score : new float[] {0, 2, -5, 50}) {
                double[][] key = {{difference, 1}};
                double[][] negative = {{0, 7}};
                Case c =
                        lists(divergence(), DType.FLOAT64, query, key, negative).withTeacherScores(score - 1, -1);
                double z = difference / TAU;
                double p = Oracle.sigmoid(score);
                double rest = Oracle.sigmoid(-score);
                double loss = p * (Oracle.minusLogSigmoid(z) - Oracle.minusLogSigmoid(score))
                        + rest * (Oracle.minusLogSigmoid(-z) - Oracle.minusLogSigmoid(-score));
                double slope = Oracle.sigmoid(z) - p;
                Result result = Result.of(device, c);
                double allowed = ROUNDINGS * (1 + Math.abs(z) + Math.abs(score));
                assertThat(result.loss()).as(what(c, 0)).isCloseTo(loss, within(allowed));
                assertThat(result.dKeys()[0][0]).as(what(c, 0)).isCloseTo(slope / TAU, within(allowed));
                assertThat(result.dNegatives()[0][0]).as(what(c, 0)).isCloseTo(-slope / TAU, within(allowed));
                assertThat(result.dTemperature())
                        .as(what(c, 0))
                        .isCloseTo(-slope * difference / (TAU * TAU), within(100 * allowed));
                Case margin = c.withLoss(MarginMse.ofDots()).withTemperature(Double.NaN);
                double missing = difference - score;
                Result squared = Result.of(device, margin);
                assertThat(squared.loss()).as(what(margin, 0)).isCloseTo(missing * missing, within(1e-9));
                assertThat(squared.dKeys()[0][0]).as(what(margin, 0)).isCloseTo(2 * missing, within(1e-11));
                assertThat(squared.dNegatives()[0][0]).as(what(margin, 0)).isCloseTo(-2 * missing, within(1e-11));
                assertThat(squared.dTemperature()).isZero();
            }
        }
    }

    /**
     * DistillKLDivLoss of sentence-transformers, temperature 0.5, by its formula in NumPy, which multiplies the divergence by the square
     * of the temperature; scores are rounded to float32, as calls take them.
     */
    @Test
    void theDivergenceIsSentenceTransformers() {
        Case c = lists(
                        KlDistillation.withTemperature(0.5),
                        DType.FLOAT64,
                        GaussianPairs.QUERIES,
                        GaussianPairs.KEYS,
                        NEGATIVES)
                .withTeacherScores(SCORES);
        Result result = Result.of(device, c.withUpstream(0.25f));
        Compare.relative(0.25 * result.loss(), DIVERGENCE, 1e-12, what(c, 0));
        published(result, DIVERGENCE_BY_QUERIES, DIVERGENCE_BY_KEYS, DIVERGENCE_BY_NEGATIVES);
    }

    /** MarginMSELoss of sentence-transformers, likewise. */
    @Test
    void theMarginsAreSentenceTransformers() {
        Case c = lists(
                        MarginMse.ofSimilarity(Similarity.COSINE),
                        DType.FLOAT64,
                        GaussianPairs.QUERIES,
                        GaussianPairs.KEYS,
                        NEGATIVES)
                .withTeacherScores(SCORES);
        Result result = Result.of(device, c);
        Compare.relative(result.loss(), MARGINS, 1e-12, what(c, 0));
        published(result, MARGINS_BY_QUERIES, MARGINS_BY_KEYS, MARGINS_BY_NEGATIVES);
    }

    private void published(Result result, double[][] byQueries, double[][] byKeys, double[][] byNegatives) {
        Compare.frobenius(result.dQueries(), byQueries, 1e-12, deviceName + ": dQueries");
        Compare.frobenius(result.dKeys(), byKeys, 1e-12, deviceName + ": dKeys");
        Compare.frobenius(result.dNegatives(), byNegatives, 1e-12, deviceName + ": dNegatives");
    }

    /** Scores of few bits, so that sums are exact. */
    @ParameterizedTest
    @MethodSource("losses")
    void aNumberThatIsAddedToTheScoresOfARowChangesNothing(ContrastiveLoss loss) {
        Case c = Cases.random(loss, 7, 9, 5, DType.FLOAT64, SEED);
        float[] scores = c.teacherScores().clone();
        float[] shifted = scores.clone();
        for (int k = 0; k < scores.length; k++) {
            scores[k] = Math.round(16 * scores[k]) / 16f;
            shifted[k] = scores[k] + 1000 * (k / 10) - 3000;
        }
        Compare.assertClose(
                Result.of(device, c.withTeacherScores(shifted)),
                withSizes(Result.of(device, c.withTeacherScores(scores)), Oracle.evaluate(c.withTeacherScores(scores))),
                Tolerances.of(deviceName, c),
                what(c, SEED));
    }

    private static Result withSizes(Result result, Result sizes) {
        return new Result(
                result.loss(),
                result.rowLosses(),
                result.dQueries(),
                result.dKeys(),
                result.dNegatives(),
                result.dTemperature(),
                result.dBias(),
                result.metrics(),
                sizes.sizes());
    }

    /** As far as float32 gradients hold them; a divergence sees only which score is the largest. */
    @ParameterizedTest
    @EnumSource
    void scoresOfAnySizeAreTheOracles(Similarity similarity) {
        for (ContrastiveLoss loss : Cases.distilled(similarity, TAU)) {
            for (DType dtype : DTYPES) {
                Case c = Cases.random(loss, 4, 6, 5, dtype, SEED);
                float[] scores = c.teacherScores();
                scores[0] = 1e30f;
                scores[8] = -1e30f;
                scores[15] = 1e20f;
                scores[16] = 1e20f;
                assertAsOracle(c, Oracle.evaluate(c), PlanOptions.defaults(), SEED);
            }
        }
    }

    /** exp(-1e30) is 0, and 0 ln 0 counts as 0, even where the student's logit is at minus infinity. */
    @Test
    void aCandidateThatTheTeacherRulesOutContributesNothing() {
        double[][] query = {{1}};
        double[][] negatives = {{-1e300}, {0}};
        Case c = lists(divergence(), DType.FLOAT64, query, new double[][] {{0}}, negatives)
                .withTemperature(1e-9)
                .withTeacherScores(0, -1e30f, 0);
        Result result = Result.of(device, c);
        assertThat(result.loss()).as(what(c, 0)).isCloseTo(0, within(ROUNDINGS));
        assertThat(result.dTemperature()).as(what(c, 0)).isZero();
        assertThat(result.dQueries()[0][0]).as(what(c, 0)).isZero();
    }

    @Test
    void divergencesAreNeverBelowZero() {
        KlDistillation rows = divergence().withReduction(Reduction.NONE);
        int n = Devices.orSmaller(deviceName, 300, 40, "lists of a student that is its teacher but for roundings");
        Case c = Cases.random(rows, n, 4, 3, DType.FLOAT64, SEED);
        float[] scores = new float[n * 5];
        for (int i = 0; i < n; i++) {
            scores[5 * i] = (float) (Oracle.dot(c.queries()[i], c.keys()[i]) / TAU);
            for (int k = 0; k < 4; k++) {
                scores[5 * i + 1 + k] = (float) (Oracle.dot(c.queries()[i], c.negatives()[4 * i + k]) / TAU);
            }
        }
        for (double loss : Result.of(device, c.withTeacherScores(scores)).rowLosses()) {
            assertThat(loss).as(what(c, SEED)).isBetween(0.0, ROUNDINGS);
        }
    }

    /** Whatever their share in the loss. */
    @Test
    void similaritiesBeyondTheRangeAreRefused() {
        double[][] query = {{1e200}};
        double[][] key = {{1}};
        double[][] negatives = {{-1e200}, {1}};
        for (ContrastiveLoss loss : List.of(divergence(), MarginMse.ofDots())) {
            Case c = lists(loss, DType.FLOAT64, query, key, negatives).withTeacherScores(0, -1e30f, 0);
            notFinite(c);
        }
    }

    @Test
    void gradientsThatOverflowAreRefusedWithOutputsUntouched() {
        double[][] query = {{100}, {1}};
        double[][] negatives = {{1}, {2}};
        Case c = lists(
                        MarginMse.ofDots().withReduction(Reduction.SUM),
                        DType.FLOAT32,
                        query,
                        new double[][] {{1}, {1}},
                        negatives)
                .withTeacherScores(0, 0, 1e30f, 0);
        notFinite(c.withUpstream(3e8f));
        notFinite(c.withTeacherScores(1e30f, 0, 0, 0).withUpstream(3e8f));
    }

    private void notFinite(Case c) {
        double[][] sevens = new double[c.negatives().length][(int) c.shape().dim()];
        for (double[] row : sevens) {
            Arrays.fill(row, 7);
        }
        Gradients out = new Gradients(c.matrix(Arrays.copyOf(sevens, c.rows())), null, c.matrix(sevens));
        PlanOptions options =
                PlanOptions.defaults().withoutMetrics(); // which are refused for similarities of their own accord
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype(), options)) {
            assertThatThrownBy(() -> plan.forwardBackward(c.inputs(), out))
                    .as(what(c, 0))
                    .isInstanceOfSatisfying(
                            InfoNceException.class,
                            refusal -> assertThat(refusal.status()).isEqualTo(Status.NON_FINITE));
            if (deviceName.startsWith("java")) {
                assertThat(out.dQueries().toDoubleArray()).as(what(c, 0)).containsOnly(7);
                assertThat(out.dNegatives().toDoubleArray()).as(what(c, 0)).containsOnly(7);
            }
        }
    }

    /** Ranks and similarities are those of InfoNCE with the same negatives; there is no softmax over the negatives alone. */
    @ParameterizedTest
    @EnumSource
    void metricsAreThoseOfOwnNegatives(Similarity similarity) {
        for (ContrastiveLoss loss : Cases.distilled(similarity, TAU)) {
            for (DType dtype : DTYPES) {
                Case c = Cases.random(loss, 8, 5, 6, dtype, SEED);
                InfoNce own =
                        InfoNce.withTemperature(TAU).withSimilarity(similarity).withOwnNegatives();
                var metrics = Result.of(device, c).metrics();
                var expected = Result.of(
                                device, c.withLoss(own).withTemperature(TAU).withTeacherScores((float[]) null))
                        .metrics();
                assertThat(metrics.effectiveNegatives()).isNaN();
                assertThat(metrics.top1Accuracy()).isEqualTo(expected.top1Accuracy());
                assertThat(metrics.topKAccuracy()).isEqualTo(expected.topKAccuracy());
                assertThat(metrics.positiveSimilarity()).isEqualTo(expected.positiveSimilarity());
                assertThat(metrics.negativeSimilarity()).isEqualTo(expected.negativeSimilarity());
                assertThat(metrics.alignment()).isEqualTo(expected.alignment());
                assertThat(metrics.uniformity()).isEqualTo(expected.uniformity());
            }
        }
    }

    /** A list's scores are the same for each prefix. */
    @ParameterizedTest
    @MethodSource("losses")
    void aMatryoshkaOfListsIsTheOracles(ContrastiveLoss loss) {
        for (DType dtype : DTYPES) {
            Case c =
                    Cases.random(loss.matryoshka(2, 5, 8), 7, 4, 9, dtype, SEED).withUpstream(1.5f);
            assertAsOracle(c, Oracle.evaluate(c), PlanOptions.defaults(), SEED);
        }
    }

    @Test
    void scoresThatDoNotFitAreRefused() {
        for (ContrastiveLoss loss :
                List.of(divergence(), MarginMse.ofDots(), divergence().matryoshka(2))) {
            Case c = Cases.random(loss, 3, 1, 2, DType.FLOAT32, SEED);
            String name = loss.word().equals("margin-mse") ? "MarginMse" : "KlDistillation";
            refused(c.withTeacherScores((float[]) null), "teacherScores: " + name + " needs 6, but got null");
            refused(
                    c.withTeacherScores(1, 2, 3),
                    "teacherScores: must be 6 numbers, m + 1 = 2 for each of 3 queries, but got 3");
            for (float wrong : new float[] {Float.NaN, Float.POSITIVE_INFINITY, -1.1e30f}) {
                refused(
                        c.withTeacherScores(1e30f, -1e30f, 0, 0, wrong, 0),
                        "teacherScores: must be in [-1e30, 1e30], but number 4 is " + wrong);
            }
        }
        Case other = Cases.random(InfoNce.withTemperature(1).withOwnNegatives(), 3, 1, 2, DType.FLOAT32, SEED);
        refused(
                other.withTeacherScores(1, 2, 3, 4, 5, 6),
                "teacherScores: InfoNce of Shape[n=3, m=1, dim=2, ownNegatives=0, queue=0] takes none, but got some");
        try (Plan plan = device.plan(MarginMse.ofDots(), other.shape(), DType.FLOAT32)) {
            assertThatThrownBy(() -> plan.forward(other.inputs().withTeacherScores(new float[6])))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("temperature: MarginMse has none");
        }
    }

    private void refused(Case c, String message) {
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
            Matrix dQueries = c.matrix(c.queries());
            double[] before = dQueries.toDoubleArray();
            assertThatThrownBy(() -> plan.forwardBackward(c.inputs(), new Gradients(dQueries, null, null)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(message);
            assertThat(dQueries.toDoubleArray()).isEqualTo(before);
        }
    }

    private static final double[][] NEGATIVES = {
        {0.6194393831506078, -1.7861078016013452, -0.7986902314106662, 0.19820049627842984, 0.12495797141168538},
        {-0.7542477879160797, 0.004983849972450611, 0.07989322729187834, 0.15244003291538477, 1.9917055158655426},
        {-1.1520214803393765, -1.303346309930149, -0.9728327674706886, 0.14088118019519763, 1.3599177072255333},
        {0.5313430151492856, -0.5399679693608109, -1.1080685448226135, -0.29741349570883113, -0.011401734742092882},
        {-0.30321557396854537, 0.03345624559078738, -0.31081612329021135, -0.7148685147137605, -0.8536438143851595},
        {-0.252876527155297, 1.0494361196663107, -0.35595213474929294, -1.166357563066276, -0.003226082877311497},
        {-1.0955642027368582, 1.004065422926848, 2.368761160985565, 0.4198491299332805, -1.0896154551661734},
        {0.030099452356371275, -0.2595003638710361, 0.9444880163946278, 1.6513226599069692, 0.9828851167118733},
        {1.2042561223628145, 0.12950828723703944, -0.17220804830031802, 0.47229806292127213, 0.17395642380112272},
        {-1.2778439612577488, -0.8943191701646174, 0.7307951970609002, 0.9157547635207448, -0.9549404049930663},
        {-0.5494430296832641, 1.8736255246242983, 0.3367515196073341, -0.6413065818751229, 1.170846233706453},
        {0.2943945885631175, -1.600648278958429, 0.25745121491283335, -0.019484642857781384, -1.8169682615424916},
        {-0.35076161927979427, -0.22105028585747302, 0.2838904648104432, 0.7452299552373727, 0.0634727772191969},
        {-0.6548156774347971, -0.8726788269175141, 1.5942746374639312, -0.6406742810969757, -0.6436633769067952},
        {-1.231319340048432, -0.49368525063339525, -0.6580655959681447, 1.668658662397547, 0.34975605626034817},
        {-1.6257652628688097, 0.047510608567311124, 1.967314133798873, -2.2677506592192156, -0.03680949782474416},
        {-0.8449395403950594, 0.09480702952059279, -0.6927027554268845, -0.9964889983461813, 0.5924596251674342},
        {-0.28422139833731686, 0.11034597338479821, -1.2962495570716301, -1.181378376210957, -0.7661902462654018}
    };

    private static final float[] SCORES = {
        0.90985984f,
        -1.9530532f,
        3.5589788f,
        -0.83202404f,
        0.649558f,
        -2.158494f,
        1.6203972f,
        1.5632294f,
        -1.7032347f,
        0.92560893f,
        -0.18009529f,
        2.8919485f,
        2.4949014f,
        0.4865728f,
        3.1375737f,
        -1.5982047f,
        -3.9132724f,
        1.1691735f,
        -1.7034769f,
        -1.9312049f,
        0.9543545f,
        1.9023798f,
        -2.1918685f,
        1.2720498f
    };

    private static final double DIVERGENCE = 0.23477486752217894;

    private static final double[][] DIVERGENCE_BY_QUERIES = {
        {-0.00991548888296305, -0.01653814422888066, 0.008945578572033677, -0.021914359596481893, -0.03269166802748214},
        {
            0.004787795628693071,
            -0.005164949307888038,
            -0.0009701167799182739,
            0.0050374606751483995,
            0.004293120607715519
        },
        {
            -0.008626319196116604,
            0.0061127886406910645,
            -8.910205068489186e-05,
            -0.012059808453185819,
            -0.002544369556896647
        },
        {0.0006085720620577187, 0.006864782715065287, 0.001589671026137245, 0.005673489154407556, 0.006526691573151553},
        {
            -0.0011592824029003957,
            0.00014167502370465658,
            -0.008349290291578017,
            -0.004701982042099816,
            0.0014742817827262398
        },
        {
            -0.0019480156965850542,
            -0.0015457853808389928,
            -0.02506360418173791,
            0.007854590387417093,
            -0.00934183353830046
        }
    };

    private static final double[][] DIVERGENCE_BY_KEYS = {
        {
            -0.00024340196948751723,
            0.00037087170451516636,
            0.00018252262124060303,
            -0.0006010050844082171,
            8.90960171378466e-05
        },
        {
            -7.693561074306765e-05,
            0.0029983362465796416,
            -0.0002478867963750677,
            -0.0015932200743756287,
            0.003276466564763358
        },
        {
            -0.002657191925400161,
            0.0041166770916694325,
            -0.004572517845906526,
            0.00676003693229268,
            -0.0021357035751254673
        },
        {
            0.003613437704954612,
            -0.0033632790787071027,
            0.0028436040293185975,
            0.005399898134023202,
            -0.0021212943828858703
        },
        {
            -9.01053620718393e-05,
            0.000450158689739654,
            0.00031947858200066705,
            0.0006882302719868975,
            -0.000517587750471847
        },
        {0.021931769131513915, 0.0009484267725214171, 0.01116821231554855, 0.010098979713083664, 0.013686622457523334}
    };

    private static final double[][] DIVERGENCE_BY_NEGATIVES = {
        {0.010136684150004141, 0.006012657712084129, -0.005451068618588112, 0.006181960946868842, -0.008953326471122326
        },
        {-0.014519022121281281, 0.016894529285388697, 0.016277605808166916, -0.010738375490180406, -0.005371603472094543
        },
        {
            0.0032535007476982352,
            -0.0024529114280848964,
            -0.0024860557160123376,
            0.001489169608729885,
            -0.0015274473844836523
        },
        {
            0.0010806518385511332,
            0.003911466229598419,
            -0.0006150009391142962,
            -0.0031599628520074616,
            0.007315476520367445
        },
        {
            -0.0002717403604218354,
            -0.011135708255582466,
            0.003403453487434263,
            0.013861431453546198,
            -0.013187130305330474
        },
        {
            0.0007902762969841139,
            0.0004559864096348823,
            0.00030668715991448615,
            0.00013591841685459366,
            0.003406874702600069
        },
        {
            7.262655998700097e-06,
            0.0002543742315971416,
            -0.0001735353922631136,
            0.00013228613818051582,
            -9.918362686416327e-05
        },
        {
            0.0001831914818242259,
            0.0019633023598608595,
            -0.0014838598623432078,
            0.0014444971729183325,
            -0.00048823543480985956
        },
        {0.00714178379725544, -0.022633582593521395, 0.018557403509732968, -0.008802919521685023, 0.009680790709345561},
        {
            -0.0008321345308779113,
            0.0002906098387771102,
            -0.0002493393499481191,
            -0.0005807182015624379,
            9.364843731357719e-05
        },
        {
            -0.0006934278363976906,
            -0.0002959237868231857,
            -0.0010846498903684006,
            -0.0011598034945525415,
            -0.00017515608879508962
        },
        {
            -0.0006759785376364529,
            0.00010046487399495014,
            -0.0005234896165884574,
            -0.001194130948283749,
            -0.0002593986828657489
        },
        {0.009159458962100839, -0.024889907001473373, 0.02377547196357207, -0.014559855217985621, 0.028542568082552577},
        {
            -0.0006342171595977467,
            0.00040242842287943674,
            -0.00015457996483161105,
            0.0006967850726063785,
            -0.000976831431481716
        },
        {
            -0.00047913842183446514,
            0.009016820658308578,
            -0.0036532041088540718,
            0.0031165965584771726,
            -0.010701987157451864
        },
        {
            -0.0066609020991231505,
            -0.00020260483062872373,
            -0.0034780894441628295,
            0.0017939672724687032,
            -0.002481088277517939
        },
        {
            0.0025478395218291303,
            0.00016734259913531914,
            -0.001239906601817114,
            -0.0002405118701693653,
            0.0017526104794040843
        },
        {
            -0.005588870781072167,
            -0.00018643764303896563,
            0.001959654777741068,
            -0.0004350763180852948,
            -0.0005981645686308578
        }
    };

    private static final double MARGINS = 6.938040963249378;

    private static final double[][] MARGINS_BY_QUERIES = {
        {-0.09588874672951371, -0.22386145782273098, -0.12764215016489616, -0.41595464239126656, 0.0020623498163840305},
        {0.05037228115389454, -0.04985876026235672, -0.05603908043069814, 0.035278764186574926, 0.03286132845690078},
        {0.09691537104276829, 0.08392501373091264, -0.16600328590799082, -0.4547479131346872, -0.019500950880842607},
        {-0.05805393737451066, 0.0943909684799318, -0.027402296177137752, 0.1478708629683398, 0.08802026343739211},
        {0.15541012666334258, 0.16017738251480707, 0.06864431063323966, -0.04098560831925061, -0.05752621793725768},
        {-0.027338008386028987, -0.0018250381187276945, -0.1339432046446442, 0.027479044180305258, 0.0347110359496021}
    };

    private static final double[][] MARGINS_BY_KEYS = {
        {-0.06138390725484351, 0.09353069065684876, 0.04603065323478698, -0.15156837242804402, 0.022469258010855996},
        {
            0.00024311011100624545,
            -0.009474492380054409,
            0.0007833015946930069,
            0.005034442508454884,
            -0.010353360980365591
        },
        {-0.08008220885068043, 0.12406804020234115, -0.13780612744192552, 0.20373337893861374, -0.06436564032558018},
        {0.1625026119755473, -0.15125254113090664, 0.12788184546667508, 0.24284286123916346, -0.0953983176506264},
        {-0.019492426829609753, 0.09738249888466478, 0.06911256711127232, 0.14888434950110155, -0.11196937809240466},
        {0.06999491502176533, 0.003026889939836846, 0.03564318351539628, 0.03223074356587614, 0.04368065203060988}
    };

    private static final double[][] MARGINS_BY_NEGATIVES = {
        {0.07918430055706166, 0.046968820215258424, -0.04258187879428713, 0.04829135902874903, -0.06994031616093678},
        {-0.055990002656554384, 0.06515071963308455, 0.06277166498050506, -0.04141061754710109, -0.020714624591121503},
        {0.06883615683206416, -0.05189763545567664, -0.052598887915346296, 0.0315072042963556, -0.03231706886357078},
        {0.02455906082887505, 0.0888925865259172, -0.013976606465384376, -0.07181380453068527, 0.16625265089706343},
        {-0.0016723360605000882, -0.06853102883248674, 0.020945427423572985, 0.08530558962213274, -0.08115582650248696},
        {
            -0.008260816131743341,
            -0.00476645940532781,
            -0.0032058233907413585,
            -0.0014207651866041126,
            -0.035612311301084984
        },
        {-0.0024738721191498014, -0.08664727057029224, 0.05911120789450581, -0.04506051079017794, 0.033784831502322005},
        {-0.0071236414207843865, -0.07634559136132832, 0.05770184002425387, -0.05617117013705047, 0.018985676254550863},
        {0.08432095065828742, -0.26722808408482124, 0.21910183087472648, -0.1039334938873576, 0.11429826201818553},
        {-0.056317835182679035, 0.0196681142236068, -0.016874978616882735, -0.039302289172726955, 0.006338010336113896},
        {
            -0.0006411307639080283,
            -0.0002736057503692354,
            -0.0010028475585826188,
            -0.0010723332139484728,
            -0.00016194613356700291
        },
        {-0.0605750543033945, 0.009002749139205232, -0.04691038278076679, -0.10700716518392513, -0.023244952947415007},
        {0.09057027072998812, -0.24611558661873423, 0.23509586552916512, -0.14397029719099588, 0.28223371372286576},
        {0.04101727462326486, -0.026026601279477386, 0.009997283695026884, -0.04506378334924655, 0.0631754636079778},
        {0.001079454347427926, -0.02031405918632806, 0.00823032943642016, -0.007021402481868568, 0.024110582739324572},
        {-0.042236584216254966, -0.0012847112694535268, -0.02205446282409544, 0.011375493687980224, -0.0157325077627465
        },
        {0.09206791972918406, 0.006047039011861614, -0.044804871150530515, -0.00869106055030185, 0.06333177562865497},
        {
            -0.059653444005915546,
            -0.001989963256492796,
            0.020916596774934848,
            -0.004643836258855506,
            -0.006384577135329323
        }
    };
}
