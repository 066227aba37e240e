package dev.infonce.suite;

import dev.infonce.Circle;
import dev.infonce.Distance;
import dev.infonce.MultiSimilarity;
import dev.infonce.Similarity;
import java.util.Arrays;
import java.util.stream.IntStream;

/** Losses of all pairs of a tower that labels find, as their papers write them, sum by sum, in float64. */
final class PairsOracle extends TowerOracle {
    private final Similarity similarity;

    PairsOracle(Case c) {
        super(c, distanceOf(similarityOf(c)));
        this.similarity = similarityOf(c);
    }

    private static Similarity similarityOf(Case c) {
        return (Similarity) c.loss().components().get("similarity");
    }

    private static Distance distanceOf(Similarity similarity) {
        return switch (similarity) {
            case COSINE -> Distance.COSINE;
            case NEGATIVE_EUCLIDEAN -> Distance.EUCLIDEAN;
            case NEGATIVE_SQUARED_EUCLIDEAN -> Distance.SQUARED_EUCLIDEAN;
            case DOT -> throw new IllegalArgumentException("no distance");
        };
    }

    /** All distances of zero rows are those of cosine 0. */
    @Override
    double similarity(int i, int j) {
        return (similarity == Similarity.COSINE ? 1 : 0) - distances[i][j];
    }

    @Override
    double loss(int anchor) {
        return switch (c.loss()) {
            case MultiSimilarity of ->
                logOnePlus(exponents(of, anchor, true)) / of.positiveScale()
                        + logOnePlus(exponents(of, anchor, false)) / of.negativeScale();
            case Circle of ->
                count(anchor) == 0
                        ? 0
                        : Oracle.minusLogSigmoid(
                                -logSum(exponents(of, anchor, true)) - logSum(exponents(of, anchor, false)));
            default -> throw new AssertionError(c.loss());
        };
    }

    @Override
    double count(int anchor) {
        return c.loss() instanceof MultiSimilarity || positives(anchor).length > 0 && negatives(anchor).length > 0
                ? 1
                : 0;
    }

    /** Of positives, or of negatives. */
    private double[] exponents(MultiSimilarity of, int anchor, boolean alike) {
        return Arrays.stream(alike ? positives(anchor) : negatives(anchor))
                .mapToDouble(j -> similarity(anchor, j) - of.base())
                .map(over -> alike ? -of.positiveScale() * over : of.negativeScale() * over)
                .toArray();
    }

    /** Likewise. */
    private double[] exponents(Circle of, int anchor, boolean alike) {
        double m = of.margin();
        return Arrays.stream(alike ? positives(anchor) : negatives(anchor))
                .mapToDouble(j -> similarity(anchor, j))
                .map(s -> alike
                        ? -of.scale() * Math.max(0, 1 + m - s) * (s - (1 - m))
                        : of.scale() * Math.max(0, s + m) * (s - m))
                .toArray();
    }

    private static double logSum(double... z) {
        double largest = Arrays.stream(z).max().orElseThrow();
        return largest
                + Math.log(Arrays.stream(z).map(v -> Math.exp(v - largest)).sum());
    }

    private static double logOnePlus(double... z) {
        return z.length == 0 ? 0 : Oracle.minusLogSigmoid(-logSum(z));
    }

    @Override
    void slopes(int anchor, Slopes slopes) {
        if (count(anchor) == 0) {
            return;
        }
        slopes(anchor, slopes, true);
        slopes(anchor, slopes, false);
    }

    private void slopes(int anchor, Slopes slopes, boolean alike) {
        int[] others = alike ? positives(anchor) : negatives(anchor);
        if (others.length == 0) {
            return;
        }
        double[] z = switch (c.loss()) {
            case MultiSimilarity of -> exponents(of, anchor, alike);
            case Circle of -> exponents(of, anchor, alike);
            default -> throw new AssertionError(c.loss());
        };
        double all = switch (c.loss()) {
            case MultiSimilarity of -> Oracle.sigmoid(logSum(z)) / (alike ? of.positiveScale() : of.negativeScale());
            case Circle of ->
                Oracle.sigmoid(logSum(exponents(of, anchor, true)) + logSum(exponents(of, anchor, false)));
            default -> throw new AssertionError(c.loss());
        };
        for (int k = 0; k < others.length; k++) {
            double share = Math.exp(z[k] - logSum(z));
            slopes.add(others[k], -all * share * exponentSlope(similarity(anchor, others[k]), alike));
        }
    }

    /** The derivative of an exponent by its similarity, by the product rule. */
    private double exponentSlope(double s, boolean alike) {
        return switch (c.loss()) {
            case MultiSimilarity of -> alike ? -of.positiveScale() : of.negativeScale();
            case Circle of -> {
                double factor = alike ? 1 + of.margin() - s : s + of.margin();
                double rest = alike ? s - (1 - of.margin()) : s - of.margin();
                double slopeOfFactor = factor > 0 ? alike ? -1 : 1 : 0;
                yield (alike ? -1 : 1) * of.scale() * (slopeOfFactor * rest + Math.max(0, factor));
            }
            default -> throw new AssertionError(c.loss());
        };
    }

    @Override
    boolean isAmbiguous(double error) {
        return IntStream.range(0, x.length).anyMatch(a -> areNear(a, error) || areNearTheKink(a, error));
    }

    /** Where a negative of a circle begins to cost something. */
    private boolean areNearTheKink(int anchor, double error) {
        return c.loss() instanceof Circle of
                && of.margin() > 0
                && Arrays.stream(negatives(anchor))
                        .anyMatch(j -> Math.abs(similarity(anchor, j) + of.margin()) <= error);
    }
}
