package dev.infonce.internal;

import dev.infonce.ContrastiveLoss;
import dev.infonce.Denominator;
import dev.infonce.Distance;
import dev.infonce.Exclude;
import dev.infonce.InfoNce;
import dev.infonce.Negatives;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.Triplet;
import dev.infonce.internal.java.row.RowFunction;
import dev.infonce.internal.java.row.RowRule;

/**
 * What a loss is: the one place that tells losses apart. Everything else asks for the property that it needs.
 *
 * @param name the record's, for messages
 * @param word what command lines and files call it
 * @param code nce_loss of infonce.h
 * @param terms what rows are made of
 * @param negatives PAIRED where key i is itself the negative of a row with label 0
 * @param negativeReduction how the terms of a row's negatives are put together; null where they have no terms of their own
 * @param oneTower whether rows and columns are one tower of two views
 * @param symmetric whether columns have a loss too
 * @param labels whether rows have labels
 * @param groups whether rows have groups, and those of one group are no negatives of each other
 * @param reduction how row losses become the loss
 */
public record LossSpec(
        String name,
        String word,
        int code,
        Terms terms,
        Negatives negatives,
        Reduction negativeReduction,
        boolean oneTower,
        boolean symmetric,
        boolean labels,
        boolean groups,
        Reduction reduction) {
    /** The rows of a matrix that a loss does not take. */
    public static final long NONE = -1;

    /** What the rows of a loss are made of. */
    public sealed interface Terms {
        /** Similarities divided by a temperature. */
        record Logits(
                RowFunction.OfLogits row,
                double temperature,
                Similarity similarity,
                double positiveMargin,
                double classPrior)
                implements Terms {}

        /** Distances compared with a margin. */
        record Distances(RowFunction.OfDistances row, double margin, Distance distance) implements Terms {}
    }

    /** How rows and columns meet. */
    public enum Engine {
        /** Every row meets the same columns. */
        DENSE,
        /** Every row has columns of its own. */
        ROWWISE
    }

    /** What a loss is. */
    public static LossSpec of(ContrastiveLoss loss) {
        Draft draft = new Draft(loss);
        switch (loss) {
            case InfoNce it ->
                draft.named("infonce", 0)
                        .odds(it.denominator(), it.temperature(), it.similarity(), it.positiveMargin(), it.classPrior())
                        .twoTowers(it.negatives(), it.isSymmetric())
                        .excluding(it.excluded());
            case NtXent it ->
                draft.named("ntxent", 1)
                        .odds(it.denominator(), it.temperature(), it.similarity(), it.positiveMargin(), it.classPrior())
                        .oneTower(Negatives.IN_BATCH)
                        .excluding(it.excluded());
            case NtLogistic it ->
                draft.named("nt-logistic", 2)
                        .logits(RowFunction.OfLogits.LOGISTIC, it.temperature(), it.similarity(), 0.0)
                        .oneTower(it.negatives())
                        .reducing(it.negativeReduction());
            case PairwiseContrastive it ->
                draft.named("contrastive", 3)
                        .distances(RowFunction.OfDistances.CONTRASTIVE, it.margin(), it.distance())
                        .labelled();
            case Triplet it ->
                draft.named("triplet", 4).distances(RowFunction.OfDistances.TRIPLET, it.margin(), it.distance());
        }
        return draft.made();
    }

    private static RowFunction.OfLogits rowOf(Denominator denominator, double classPrior) {
        return switch (denominator) {
            case ALL -> classPrior > 0.0 ? RowFunction.OfLogits.DEBIASED : RowFunction.OfLogits.SOFTMAX;
            case NEGATIVES -> RowFunction.OfLogits.DECOUPLED;
        };
    }

    /** A spec in the making. */
    private static final class Draft {
        private final ContrastiveLoss loss;
        private String word;
        private int code;
        private Terms terms;
        private Negatives negatives;
        private Reduction negativeReduction;
        private boolean oneTower;
        private boolean symmetric;
        private boolean labels;
        private boolean groups;

        Draft(ContrastiveLoss loss) {
            this.loss = loss;
        }

        Draft named(String newWord, int newCode) {
            word = newWord;
            code = newCode;
            return this;
        }

        Draft logits(RowFunction.OfLogits row, double temperature, Similarity similarity, double positiveMargin) {
            terms = new Terms.Logits(row, temperature, similarity, positiveMargin, 0.0);
            return this;
        }

        Draft odds(
                Denominator denominator,
                double temperature,
                Similarity similarity,
                double positiveMargin,
                double classPrior) {
            terms = new Terms.Logits(
                    rowOf(denominator, classPrior), temperature, similarity, positiveMargin, classPrior);
            return this;
        }

        Draft distances(RowFunction.OfDistances row, double margin, Distance distance) {
            terms = new Terms.Distances(row, margin, distance);
            negatives = Negatives.PAIRED;
            return this;
        }

        Draft twoTowers(Negatives newNegatives, boolean newSymmetric) {
            negatives = newNegatives;
            symmetric = newSymmetric;
            return this;
        }

        /** One tower as far as negatives are in-batch. */
        Draft oneTower(Negatives newNegatives) {
            negatives = newNegatives;
            oneTower = switch (newNegatives) {
                case IN_BATCH -> true;
                case SHARED, OWN, PAIRED -> false;
            };
            return this;
        }

        Draft reducing(Reduction ofNegatives) {
            negativeReduction = ofNegatives;
            return this;
        }

        Draft excluding(Exclude excluded) {
            groups = excluded.groups();
            return this;
        }

        Draft labelled() {
            labels = true;
            return this;
        }

        LossSpec made() {
            return new LossSpec(
                    loss.getClass().getSimpleName(),
                    word,
                    code,
                    terms,
                    negatives,
                    negativeReduction,
                    oneTower,
                    symmetric,
                    labels,
                    groups,
                    loss.reduction());
        }
    }

    /** Whether there is a temperature; else there is a margin. */
    public boolean hasTemperature() {
        return switch (terms) {
            case Terms.Logits _ -> true;
            case Terms.Distances _ -> false;
        };
    }

    /** The loss's own temperature, NaN for losses without one. */
    public double temperature() {
        return switch (terms) {
            case Terms.Logits logits -> logits.temperature();
            case Terms.Distances _ -> Double.NaN;
        };
    }

    /** How rows and columns meet. */
    public Engine engine() {
        return switch (negatives) {
            case IN_BATCH, SHARED -> Engine.DENSE;
            case OWN, PAIRED -> Engine.ROWWISE;
        };
    }

    /** Whether calls bring a third matrix. */
    public boolean takesNegatives() {
        return switch (negatives) {
            case IN_BATCH -> false;
            case SHARED, OWN, PAIRED -> !labels;
        };
    }

    /** Whether every row keeps its loss. */
    public boolean perRow() {
        return switch (reduction) {
            case NONE -> true;
            case MEAN, SUM -> false;
        };
    }

    /** What rows of so many negatives have in common. */
    public RowRule rowRule(long count) {
        double share = switch (negativeReduction) {
            case MEAN -> count > 0 ? 1.0 / count : 1.0;
            case SUM, NONE -> 1.0;
            case null -> 1.0;
        };
        return switch (terms) {
            case Terms.Logits logits -> new RowRule(share, logits.positiveMargin(), logits.classPrior(), count);
            case Terms.Distances _ -> new RowRule(share, 0.0, 0.0, count);
        };
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
        return switch (negatives) {
            case IN_BATCH -> oneTower ? rowsOfTower(n, m) : rowsOfTowers(n, m);
            case SHARED -> new Rows(n, m, n);
            case OWN -> new Rows(n, n * m, n);
            case PAIRED -> {
                check(m == n, "shape: %s needs m = n, but got n = %d, m = %d", name, n, m);
                yield new Rows(n, takesNegatives() ? n : NONE, n);
            }
        };
    }

    private Rows rowsOfTower(long n, long m) {
        if (m == 0) {
            check(n % 2 == 0, "shape: one tower of two views needs an even number of rows, but got n = %d", n);
            return new Rows(NONE, NONE, n);
        }
        check(
                m == n,
                "shape: %s needs m = n, or m = 0 for both views in one matrix, but got n = %d, m = %d",
                name,
                n,
                m);
        return new Rows(n, NONE, 2 * n);
    }

    private Rows rowsOfTowers(long n, long m) {
        check(m >= n, "shape: %s in-batch needs m >= n, but got n = %d, m = %d", name, n, m);
        check(m == n || !symmetric, "shape: a symmetric %s needs m = n, but got n = %d, m = %d", name, n, m);
        return new Rows(m, NONE, n);
    }

    private static void check(boolean valid, String format, Object... args) {
        if (!valid) {
            throw new IllegalArgumentException(String.format(format, args));
        }
    }
}
