package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.Aggregation;
import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Denominator;
import dev.infonce.Distance;
import dev.infonce.InfoNce;
import dev.infonce.Mining;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.SigLip;
import dev.infonce.Similarity;
import dev.infonce.SupCon;
import dev.infonce.Triplet;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The oracle is right, so that what agrees with it is. */
class OracleTest {
    private static final long SEED = 11;

    /** Step 1e-3 to the fourth power, times derivatives of the fifth order at tau 0.4, which stay below 1e4. */
    private static final double BOUND = 1e-7;

    static List<ContrastiveLoss> losses() {
        return Cases.all(0.4);
    }

    /** Cases are made from what losses say of themselves; none of these may get lost on the way. */
    @Test
    void thereIsACaseOfEveryForm() {
        InfoNce infoNce = InfoNce.withTemperature(0.4).withSimilarity(Similarity.DOT);
        NtLogistic logistic = NtLogistic.withTemperature(0.4).withSimilarity(Similarity.DOT);
        SupCon supCon = SupCon.withTemperature(0.4).withSimilarity(Similarity.DOT);
        assertThat(Cases.withTemperature(Similarity.DOT, 0.4))
                .contains(
                        infoNce,
                        infoNce.symmetric(),
                        infoNce.withSharedNegatives(),
                        infoNce.withOwnNegatives(),
                        NtXent.withTemperature(0.4).withSimilarity(Similarity.DOT),
                        logistic,
                        logistic.withNegativeReduction(Reduction.SUM),
                        logistic.withPairedNegatives(),
                        SigLip.withTemperatureAndBias(0.4, -2.5).withSimilarity(Similarity.DOT),
                        supCon,
                        supCon.ofTwoTowers().aggregating(Aggregation.SUM),
                        supCon.aggregating(Aggregation.INSIDE).decoupled().withPositiveMargin(0.2))
                .doesNotHaveDuplicates();
        assertThat(Cases.withMargin(0.8, Distance.COSINE))
                .contains(
                        PairwiseContrastive.withMargin(0.8).withDistance(Distance.COSINE),
                        Triplet.withMargin(0.8).withDistance(Distance.COSINE),
                        Triplet.withMargin(0.8).withDistance(Distance.COSINE).withSoftMargin())
                .doesNotHaveDuplicates();
        assertThat(Cases.all(0.4))
                .contains(
                        Triplet.withMargin(0.3).mining(Mining.BATCH_ALL),
                        Triplet.withMargin(0.3).mining(Mining.SEMI_HARD).withSoftMargin())
                .doesNotHaveDuplicates();
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreThoseOfCentralDifferences(ContrastiveLoss loss) {
        for (int n : new int[] {4, 5}) {
            Case plain = Cases.random(loss, n, 6, 3, DType.FLOAT64, SEED);
            Case weighted = plain.withLoss(loss.withReduction(Reduction.NONE))
                    .withWeights(Cases.weights(plain.rows(), SEED))
                    .withUpstream(Cases.weights(plain.rows(), SEED + 1));
            for (Case c : List.of(plain, weighted)) {
                Result exact = Oracle.evaluate(c);
                Result numeric = CentralDifferences.of(c, Oracle::objective);
                String what = c + ", seed " + SEED;
                Compare.frobenius(exact.dQueries(), numeric.dQueries(), BOUND, what + ": dQueries");
                Compare.frobenius(exact.dKeys(), numeric.dKeys(), BOUND, what + ": dKeys");
                Compare.frobenius(exact.dNegatives(), numeric.dNegatives(), BOUND, what + ": dNegatives");
                Compare.relative(exact.dTemperature(), numeric.dTemperature(), BOUND, what + ": dTemperature");
                Compare.relative(exact.dBias(), numeric.dBias(), BOUND, what + ": dBias");
            }
        }
    }

    /** Where limits move with the inputs, but no negative comes to the other side of one. */
    @ParameterizedTest
    @EnumSource
    void gradientsWithThresholdsAreThoseOfCentralDifferences(Similarity similarity) {
        for (ContrastiveLoss loss : Cases.withThresholds(similarity, 0.4)) {
            Case c = Cases.awayFromLimits(0.02, SEED, seed -> Cases.random(loss, 4, 6, 3, DType.FLOAT64, seed));
            Result exact = Oracle.evaluate(c);
            Result numeric = CentralDifferences.of(c, Oracle::objective);
            Compare.frobenius(exact.dQueries(), numeric.dQueries(), BOUND, c + ": dQueries");
            Compare.frobenius(exact.dKeys(), numeric.dKeys(), BOUND, c + ": dKeys");
            Compare.frobenius(exact.dNegatives(), numeric.dNegatives(), BOUND, c + ": dNegatives");
            Compare.relative(exact.dTemperature(), numeric.dTemperature(), BOUND, c + ": dTemperature");
        }
    }

    @ParameterizedTest
    @EnumSource
    void gradientsAcrossBlocksAreThoseOfCentralDifferences(Similarity similarity) {
        for (ContrastiveLoss loss : Cases.withBlocks(similarity, 0.4)) {
            Case c = Cases.awayFromLimits(0.01, SEED, seed -> Cases.random(loss, 4, 6, 3, DType.FLOAT64, seed));
            Result exact = Oracle.evaluate(c);
            Result numeric = CentralDifferences.of(c, Oracle::objective);
            Compare.frobenius(exact.dQueries(), numeric.dQueries(), BOUND, c + ": dQueries");
            Compare.frobenius(exact.dKeys(), numeric.dKeys(), BOUND, c + ": dKeys");
            Compare.relative(exact.dTemperature(), numeric.dTemperature(), BOUND, c + ": dTemperature");
        }
    }

    /** As the papers have them, with sums of exponentials as they are. */
    @Test
    void severalPositivesAreAsTheirPapersWriteThem() {
        for (ContrastiveLoss loss : Cases.withTemperature(Similarity.DOT, 0.4)) {
            if (loss instanceof SupCon of) {
                for (int n : new int[] {9, 10}) {
                    Case c = Cases.random(loss.withReduction(Reduction.NONE), n, 12, 3, DType.FLOAT64, SEED);
                    double[] rowLosses = Oracle.evaluate(c).rowLosses();
                    for (Terms.Term term : Terms.of(c).terms()) {
                        double expected = literal(of, c, term);
                        assertThat(rowLosses[term.row()])
                                .as("%s, row %d", c, term.row())
                                .isCloseTo(expected, within(1e-12));
                    }
                }
            }
        }
    }

    private static double literal(SupCon loss, Case c, Terms.Term term) {
        if (term.positives().length == 0 || term.negatives().length == 0) {
            return 0;
        }
        double[][] vectors = Stream.of(c.queries(), c.keys())
                .filter(rows -> rows != null)
                .flatMap(Arrays::stream)
                .toArray(double[][]::new);
        double[] anchor = vectors[term.anchor()];
        double[] z = Arrays.stream(term.positives())
                .mapToDouble(p -> (Oracle.dot(anchor, vectors[p]) - loss.positiveMargin()) / loss.temperature())
                .toArray();
        double ofPositives = Arrays.stream(z).map(Math::exp).sum();
        double denominator = Arrays.stream(term.negatives())
                        .mapToDouble(j -> Math.exp(Oracle.dot(anchor, vectors[j]) / loss.temperature()))
                        .sum()
                + (loss.denominator() == Denominator.ALL ? ofPositives : 0);
        return switch (loss.aggregation()) {
            case OUTSIDE ->
                Arrays.stream(z)
                                .map(one -> -Math.log(Math.exp(one) / denominator))
                                .sum()
                        / z.length;
            case INSIDE -> -Math.log(ofPositives / denominator / z.length);
            case SUM -> -Math.log(ofPositives / denominator);
        };
    }

    @Test
    void orthonormalRowsHaveTheirClosedForm() {
        double[][] e = Cases.identity(128);
        Result infoNce = Oracle.evaluate(Case.of(InfoNce.withTemperature(0.5), 0.5, DType.FLOAT64, e, e));
        Result ntXent = Oracle.evaluate(Case.of(NtXent.withTemperature(0.5), 0.5, DType.FLOAT64, e, e));
        Compare.relative(infoNce.loss(), 2.900738996938, 1e-12, "InfoNCE");
        Compare.relative(infoNce.dTemperature(), 3.780069707656, 1e-12, "dL/dtau");
        Compare.relative(ntXent.loss(), 3.566009933821, 1e-12, "NT-Xent");
    }

    @Test
    void comparisonsRefuseWhatIsWrong() {
        Case c = Cases.random(InfoNce.withTemperature(0.4), 5, 6, 3, DType.FLOAT64, SEED);
        double[][] right = Oracle.evaluate(c).dQueries();
        double[][] wrong = Oracle.evaluate(c.withTemperature(0.4001)).dQueries();
        assertThat(refused(() -> Compare.frobenius(wrong, right, 1e-5, "gradient")))
                .isTrue();
        assertThat(refused(() -> Compare.relative(1.00002e-30, 1e-30, 1e-5, "loss")))
                .isTrue();
        assertThat(refused(() -> Compare.relative(Double.NaN, 1, 1e-5, "loss"))).isTrue();
        assertThat(refused(() ->
                        Compare.frobenius(new double[][] {{Double.NaN}}, new double[][] {{1}}, 1e-5, "gradient")))
                .isTrue();
    }

    private static boolean refused(Runnable comparison) {
        try {
            comparison.run();
            return false;
        } catch (AssertionError _) {
            return true;
        }
    }
}
