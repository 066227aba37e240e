package dev.infonce.internal;

import dev.infonce.ContrastiveLoss;
import dev.infonce.Distance;
import dev.infonce.InfoNce;
import dev.infonce.Negatives;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.Triplet;

/**
 * What a loss is: the one place that tells losses apart. Everything else asks for the property that it needs.
 *
 * @param name the record's, for messages
 * @param word what command lines and files call it
 * @param code nce_loss of infonce.h
 * @param temperature NaN for losses with a margin
 * @param similarity null for losses with a margin
 * @param margin NaN for losses with a temperature
 * @param distance null for losses with a temperature
 * @param negatives PAIRED where key i is itself the negative of a row with label 0
 * @param negativeReduction how terms of a row's negatives are put together; null where they have no terms of their own
 * @param oneTower whether rows and columns are one tower of two views
 * @param symmetric whether columns have a loss too
 * @param labels whether rows have labels
 * @param reduction how row losses become the loss
 */
public record LossSpec(
        String name,
        String word,
        int code,
        double temperature,
        Similarity similarity,
        double margin,
        Distance distance,
        Negatives negatives,
        Reduction negativeReduction,
        boolean oneTower,
        boolean symmetric,
        boolean labels,
        Reduction reduction) {
    /** The rows of a matrix that a loss does not take. */
    public static final long NONE = -1;

    /** What a loss is. */
    public static LossSpec of(ContrastiveLoss loss) {
        return switch (loss) {
            case InfoNce it ->
                ofLogits(it, "infonce", 0, it.temperature(), it.similarity(), it.negatives(), null, it.isSymmetric());
            case NtXent it ->
                ofLogits(it, "ntxent", 1, it.temperature(), it.similarity(), Negatives.IN_BATCH, null, false)
                        .ofOneTower();
            case NtLogistic it -> {
                LossSpec triples = ofLogits(
                        it,
                        "nt-logistic",
                        2,
                        it.temperature(),
                        it.similarity(),
                        it.negatives(),
                        it.negativeReduction(),
                        false);
                yield it.negatives() == Negatives.IN_BATCH ? triples.ofOneTower() : triples;
            }
            case PairwiseContrastive it -> ofDistances(it, "contrastive", 3, it.margin(), it.distance(), true);
            case Triplet it -> ofDistances(it, "triplet", 4, it.margin(), it.distance(), false);
        };
    }

    private static LossSpec ofLogits(
            ContrastiveLoss loss,
            String word,
            int code,
            double temperature,
            Similarity similarity,
            Negatives negatives,
            Reduction negativeReduction,
            boolean symmetric) {
        return new LossSpec(
                loss.getClass().getSimpleName(),
                word,
                code,
                temperature,
                similarity,
                Double.NaN,
                null,
                negatives,
                negativeReduction,
                false,
                symmetric,
                false,
                loss.reduction());
    }

    private static LossSpec ofDistances(
            ContrastiveLoss loss, String word, int code, double margin, Distance distance, boolean labels) {
        return new LossSpec(
                loss.getClass().getSimpleName(),
                word,
                code,
                Double.NaN,
                null,
                margin,
                distance,
                Negatives.PAIRED,
                null,
                false,
                false,
                labels,
                loss.reduction());
    }

    private LossSpec ofOneTower() {
        return new LossSpec(
                name,
                word,
                code,
                temperature,
                similarity,
                margin,
                distance,
                negatives,
                negativeReduction,
                true,
                symmetric,
                labels,
                reduction);
    }

    /** Whether there is a temperature; else there is a margin. */
    public boolean hasTemperature() {
        return !Double.isNaN(temperature);
    }

    /** Whether calls bring a third matrix. */
    public boolean takesNegatives() {
        return negatives != Negatives.IN_BATCH && !labels;
    }

    /**
     * The rows of a plan's matrices beside the queries.
     *
     * @param keys NONE for one tower in one matrix
     * @param negatives NONE if the loss takes none
     * @param losses how many rows have a loss
     */
    public record Rows(long keys, long negatives, long losses) {}

    /** The rows that go with a shape. Throws IllegalArgumentException if it does not go with the loss. */
    public Rows rows(Shape shape) {
        long n = shape.n();
        long m = shape.m();
        boolean oneMatrix = oneTower && m == 0;
        boolean twoTowers = !oneTower && negatives == Negatives.IN_BATCH;
        if (twoTowers) {
            check(m >= n, "shape: %s in-batch needs m >= n, but got n = %d, m = %d", name, n, m);
            check(m == n || !symmetric, "shape: a symmetric %s needs m = n, but got n = %d, m = %d", name, n, m);
        } else if (oneMatrix) {
            check(n % 2 == 0, "shape: one tower of two views needs an even number of rows, but got n = %d", n);
        } else if (oneTower || negatives == Negatives.PAIRED) {
            String hint = oneTower ? ", or m = 0 for both views in one matrix" : "";
            check(m == n, "shape: %s needs m = n%s, but got n = %d, m = %d", name, hint, n, m);
        }
        long keys = oneMatrix ? NONE : twoTowers ? m : n;
        long ofNegatives = switch (negatives) {
            case IN_BATCH -> NONE;
            case SHARED -> m;
            case OWN -> n * m;
            case PAIRED -> takesNegatives() ? n : NONE;
        };
        return new Rows(keys, ofNegatives, oneTower && !oneMatrix ? 2 * n : n);
    }

    private static void check(boolean valid, String format, Object... args) {
        if (!valid) {
            throw new IllegalArgumentException(String.format(format, args));
        }
    }
}
