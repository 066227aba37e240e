package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Distance;
import dev.infonce.InfoNce;
import dev.infonce.Negatives;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Triplet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Losses and random inputs for them. */
public final class Cases {
    static final double[] TEMPERATURES = {1, 0.5, 0.07, 0.01};

    private Cases() {}

    /** Every loss that has a temperature. */
    static List<ContrastiveLoss> withTemperature(Similarity s, double tau) {
        InfoNce infoNce = InfoNce.withTemperature(tau).withSimilarity(s);
        NtLogistic logistic = NtLogistic.withTemperature(tau).withSimilarity(s);
        return List.of(
                infoNce,
                infoNce.symmetric(),
                infoNce.withSharedNegatives(),
                infoNce.withOwnNegatives(),
                NtXent.withTemperature(tau).withSimilarity(s),
                logistic,
                logistic.withNegativeReduction(Reduction.SUM),
                logistic.withPairedNegatives());
    }

    /** Every loss that has a margin. */
    static List<ContrastiveLoss> withMargin(double margin, Distance d) {
        return List.of(
                PairwiseContrastive.withMargin(margin).withDistance(d),
                Triplet.withMargin(margin).withDistance(d));
    }

    /** Every loss with every similarity or distance, at a temperature. */
    public static List<ContrastiveLoss> all(double tau) {
        List<ContrastiveLoss> losses = new ArrayList<>();
        for (Similarity s : Similarity.values()) {
            losses.addAll(withTemperature(s, tau));
        }
        for (Distance d : Distance.values()) {
            losses.addAll(withMargin(0.8, d));
        }
        return losses;
    }

    static double temperature(ContrastiveLoss loss) {
        return switch (loss) {
            case InfoNce l -> l.temperature();
            case NtXent l -> l.temperature();
            case NtLogistic l -> l.temperature();
            case PairwiseContrastive _, Triplet _ -> Double.NaN;
        };
    }

    /**
     * Random inputs: rows of norm about 1, keys like their queries. m counts the keys of InfoNCE in-batch (at least n) or
     * negatives; other losses have none of it. An odd n puts the views of a one-tower loss into two matrices.
     */
    public static Case random(ContrastiveLoss loss, int n, int m, int dim, DType dtype, long seed) {
        Random random = new Random(seed);
        double tau = temperature(loss);
        double[][] queries = gaussian(random, n, dim);
        switch (loss) {
            case InfoNce l
            when l.negatives() == Negatives.IN_BATCH -> {
                int keys = l.isSymmetric() ? n : Math.max(n, m);
                return Case.of(loss, tau, dtype, queries, alike(random, queries, keys));
            }
            case InfoNce l -> {
                int count = l.negatives() == Negatives.OWN ? n * m : m;
                double[][] negatives = count == 0 ? null : gaussian(random, count, dim);
                return Case.of(loss, tau, dtype, queries, alike(random, queries, n))
                        .withNegatives(negatives, m);
            }
            case NtLogistic l
            when l.negatives() == Negatives.PAIRED -> {
                return Case.of(loss, tau, dtype, queries, alike(random, queries, n))
                        .withNegatives(gaussian(random, n, dim), n);
            }
            case NtXent _, NtLogistic _ -> {
                if (n % 2 == 1) {
                    return Case.of(loss, tau, dtype, queries, alike(random, queries, n));
                }
                double[][] first = Arrays.copyOf(queries, n / 2);
                double[][] second = alike(random, first, n / 2);
                System.arraycopy(second, 0, queries, n / 2, n / 2);
                return Case.of(loss, tau, dtype, queries, null);
            }
            case PairwiseContrastive _ -> {
                int[] labels = random.ints(n, 0, 2).toArray();
                return Case.of(loss, tau, dtype, queries, alike(random, queries, n))
                        .withLabels(labels);
            }
            case Triplet _ -> {
                return Case.of(loss, tau, dtype, queries, alike(random, queries, n))
                        .withNegatives(alike(random, queries, n), n);
            }
        }
    }

    public static float[] weights(int rows, long seed) {
        Random random = new Random(seed);
        float[] weights = new float[rows];
        for (int i = 0; i < rows; i++) {
            weights[i] = i % 5 == 3 ? 0 : random.nextFloat() * 2;
        }
        return weights;
    }

    /** Rows of expected norm 1. */
    static double[][] gaussian(Random random, int rows, int dim) {
        double[][] x = new double[rows][dim];
        for (double[] row : x) {
            for (int d = 0; d < dim; d++) {
                row[d] = random.nextGaussian() / Math.sqrt(dim);
            }
        }
        return x;
    }

    /** Rows like those of x, as many as asked for; more than x has are unlike any. */
    static double[][] alike(Random random, double[][] x, int rows) {
        double[][] y = gaussian(random, rows, x[0].length);
        for (int i = 0; i < Math.min(rows, x.length); i++) {
            for (int d = 0; d < y[i].length; d++) {
                y[i][d] = x[i][d] + 0.6 * y[i][d];
            }
        }
        return y;
    }

    /** Rows uniform on the unit sphere. */
    static double[][] sphere(Random random, int rows, int dim) {
        double[][] x = gaussian(random, rows, dim);
        for (double[] row : x) {
            double norm = Oracle.norm(row);
            for (int d = 0; d < dim; d++) {
                row[d] /= norm;
            }
        }
        return x;
    }

    static double[][] identity(int n) {
        double[][] x = new double[n][n];
        for (int i = 0; i < n; i++) {
            x[i][i] = 1;
        }
        return x;
    }
}
