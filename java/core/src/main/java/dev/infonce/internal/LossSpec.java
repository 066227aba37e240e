package dev.infonce.internal;

import dev.infonce.Aggregation;
import dev.infonce.Block;
import dev.infonce.Circle;
import dev.infonce.ContrastiveLoss;
import dev.infonce.Denominator;
import dev.infonce.Distance;
import dev.infonce.Exclude;
import dev.infonce.InfoNce;
import dev.infonce.Inputs;
import dev.infonce.KlDistillation;
import dev.infonce.MarginMse;
import dev.infonce.Matryoshka;
import dev.infonce.Mining;
import dev.infonce.MultiSimilarity;
import dev.infonce.Negatives;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.SigLip;
import dev.infonce.Similarity;
import dev.infonce.SupCon;
import dev.infonce.Threshold;
import dev.infonce.Triplet;
import dev.infonce.internal.java.row.PairRule;
import dev.infonce.internal.java.row.RowFunction;
import dev.infonce.internal.java.row.RowRule;
import java.util.List;
import java.util.Set;

/**
 * What a loss is: the one place that tells losses apart. Everything else asks for the property that it needs.
 *
 * @param name the record's, for messages
 * @param word what command lines and files call it
 * @param code nce_loss of infonce.h
 * @param terms what rows are made of
 * @param negatives PAIRED where key i is itself the negative of a row with label 0
 * @param negativeReduction how the terms of a row's negatives are put together; null where they have no terms of their own
 * @param oneTower whether rows and columns are one tower, of two views unless rows have labels
 * @param symmetric whether columns have a loss too
 * @param labels whether rows have labels
 * @param groups whether rows have groups, and those of one group are no negatives of each other
 * @param threshold above which similarity rows have no negatives
 * @param blocks which pairs beside those of a row and a column are negatives, in enum order
 * @param offsets whether keys have offsets, which are added to their logits
 * @param reduction how row losses become the loss
 * @param weight what the loss and its gradients are multiplied by
 * @param prefixes whose losses add up; empty for one loss of the rows as they are
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
        Threshold threshold,
        Set<Block> blocks,
        boolean offsets,
        Reduction reduction,
        double weight,
        List<Matryoshka.Prefix> prefixes) {
    /** The rows of a matrix that a loss does not take. */
    public static final long NONE = -1;

    private static final double NO_TEMPERATURE = Double.NaN;
    private static final double NO_BIAS = Double.NaN;

    /** What the rows of a loss are made of. */
    public sealed interface Terms {
        /**
         * Similarities divided by a temperature, plus a bias; NaN: the loss has none.
         *
         * @param aggregation how several positives, which labels say, make one loss; null where each row has one
         */
        record Logits(
                RowFunction.OfLogits row,
                double temperature,
                double bias,
                Similarity similarity,
                double positiveMargin,
                double classPrior,
                double hardness,
                Aggregation aggregation)
                implements Terms {}

        /** Distances compared with a margin, of rows that the caller puts together, or that are mined. */
        record Distances(RowFunction.OfDistances row, double margin, Distance distance, Mining mining)
                implements Terms {}

        /**
         * Similarities of each row's own candidates, the key and the row's negatives, beside a teacher's scores of them.
         *
         * @param temperature what similarities are divided by; NaN: they are as they are
         */
        record Scores(RowFunction.OfScores row, double temperature, Similarity similarity) implements Terms {}
        /** Similarities that are 0, or 1 for cosines, less distances, of all pairs that labels find. */
        record Pairs(RowFunction.OfPairs row, PairRule rule, Similarity similarity) implements Terms {}
    }

    /** How rows and columns meet. */
    public enum Engine {
        /** Every row meets the same columns. */
        DENSE,
        /** Every row has columns of its own. */
        ROWWISE,
        /** Every row meets all others, and has its loss with some of them. */
        MINED
    }

    /** What a loss is. */
    public static LossSpec of(ContrastiveLoss loss) {
        Draft draft = new Draft(loss);
        switch (loss) {
            case InfoNce it ->
                draft.named("infonce", 0)
                        .odds(
                                it.denominator(),
                                it.temperature(),
                                it.similarity(),
                                it.positiveMargin(),
                                it.classPrior(),
                                it.hardness())
                        .twoTowers(it.negatives(), it.isSymmetric())
                        .across(it.blocks())
                        .offsetting(it.hasKeyOffsets())
                        .excluding(it.excluded());
            case NtXent it ->
                draft.named("ntxent", 1)
                        .odds(
                                it.denominator(),
                                it.temperature(),
                                it.similarity(),
                                it.positiveMargin(),
                                it.classPrior(),
                                it.hardness())
                        .oneTower(Negatives.IN_BATCH)
                        .excluding(it.excluded());
            case NtLogistic it ->
                draft.named("nt-logistic", 2)
                        .logits(RowFunction.OfLogits.LOGISTIC, it.temperature(), NO_BIAS, it.similarity())
                        .oneTower(it.negatives())
                        .reducing(it.negativeReduction());
            case PairwiseContrastive it ->
                draft.named("contrastive", 3)
                        .distances(RowFunction.OfDistances.CONTRASTIVE, it.margin(), it.distance())
                        .labelled();
            case Triplet it ->
                draft.named("triplet", 4)
                        .distances(
                                it.softMargin()
                                        ? RowFunction.OfDistances.SOFT_TRIPLET
                                        : RowFunction.OfDistances.TRIPLET,
                                it.margin(),
                                it.distance())
                        .mined(it.mining());
            case SigLip it ->
                draft.named("siglip", 5)
                        .logits(RowFunction.OfLogits.LOGISTIC, it.temperature(), it.bias(), it.similarity())
                        .twoTowers(Negatives.IN_BATCH, false)
                        .excluding(it.excluded());
            case SupCon it ->
                draft.named("supcon", it.twoTowers() ? 0 : 1)
                        .odds(it.denominator(), it.temperature(), it.similarity(), it.positiveMargin(), 0.0, 0.0)
                        .towers(it.twoTowers())
                        .aggregating(it.aggregation());
            case KlDistillation it ->
                draft.named("kl-distillation", 6)
                        .scores(RowFunction.OfScores.KL_DIVERGENCE, it.temperature(), it.similarity())
                        .twoTowers(Negatives.OWN, false);
            case MarginMse it ->
                draft.named("margin-mse", 7)
                        .scores(RowFunction.OfScores.MARGIN_MSE, NO_TEMPERATURE, it.similarity())
                        .twoTowers(Negatives.OWN, false);
            case MultiSimilarity it ->
                draft.named("multi-similarity", 8)
                        .pairs(
                                RowFunction.OfPairs.MULTI_SIMILARITY,
                                new PairRule(it.positiveScale(), it.negativeScale(), it.base(), 0.0),
                                it.similarity());
            case Circle it ->
                draft.named("circle", 9)
                        .pairs(
                                RowFunction.OfPairs.CIRCLE,
                                new PairRule(it.scale(), it.scale(), 0.0, it.margin()),
                                it.similarity());
            case Matryoshka it -> {
                return of(it.loss()).with(1.0, it.prefixes());
            }
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
        private Threshold threshold = Threshold.none();
        private Set<Block> blocks = Set.of();
        private boolean offsets;

        Draft(ContrastiveLoss loss) {
            this.loss = loss;
        }

        Draft named(String newWord, int newCode) {
            word = newWord;
            code = newCode;
            return this;
        }

        Draft logits(RowFunction.OfLogits row, double temperature, double bias, Similarity similarity) {
            terms = new Terms.Logits(row, temperature, bias, similarity, 0.0, 0.0, 0.0, null);
            return this;
        }

        Draft odds(
                Denominator denominator,
                double temperature,
                Similarity similarity,
                double positiveMargin,
                double classPrior,
                double hardness) {
            terms = new Terms.Logits(
                    rowOf(denominator, classPrior),
                    temperature,
                    NO_BIAS,
                    similarity,
                    positiveMargin,
                    classPrior,
                    hardness,
                    null);
            return this;
        }

        Draft distances(RowFunction.OfDistances row, double margin, Distance distance) {
            terms = new Terms.Distances(row, margin, distance, Mining.NONE);
            negatives = Negatives.PAIRED;
            return this;
        }

        Draft scores(RowFunction.OfScores row, double temperature, Similarity similarity) {
            terms = new Terms.Scores(row, temperature, similarity);
            return this;
        }

        Draft pairs(RowFunction.OfPairs row, PairRule rule, Similarity similarity) {
            terms = new Terms.Pairs(row, rule, similarity);
            return oneTower(Negatives.IN_BATCH).labelled();
        }

        /** For distances, after them. */
        Draft mined(Mining mining) {
            terms = switch (terms) {
                case Terms.Distances given ->
                    new Terms.Distances(given.row(), given.margin(), given.distance(), mining);
                case Terms.Logits given -> throw new IllegalStateException(given + " are not mined");
                case Terms.Scores given -> throw new IllegalStateException(given + " are not mined");
                case Terms.Pairs given -> throw new IllegalStateException(given + " are all there are");
            };
            return switch (mining) {
                case NONE -> this;
                case BATCH_ALL, BATCH_HARD, SEMI_HARD, EASY_POSITIVE, BATCH_EASY ->
                    oneTower(Negatives.IN_BATCH).labelled();
            };
        }

        /** For logits, after them. */
        Draft aggregating(Aggregation aggregation) {
            terms = switch (terms) {
                case Terms.Logits given ->
                    new Terms.Logits(
                            given.row(),
                            given.temperature(),
                            given.bias(),
                            given.similarity(),
                            given.positiveMargin(),
                            given.classPrior(),
                            given.hardness(),
                            aggregation);
                case Terms.Distances given -> throw new IllegalStateException(given + " have one positive");
                case Terms.Scores given -> throw new IllegalStateException(given + " have one positive");
                case Terms.Pairs given -> throw new IllegalStateException(given + " are summed up as they are");
            };
            return labelled();
        }

        /** In-batch. */
        Draft towers(boolean two) {
            return two ? twoTowers(Negatives.IN_BATCH, false) : oneTower(Negatives.IN_BATCH);
        }

        Draft twoTowers(Negatives newNegatives, boolean newSymmetric) {
            negatives = newNegatives;
            symmetric = newSymmetric;
            return this;
        }

        Draft across(Set<Block> newBlocks) {
            blocks = newBlocks;
            return this;
        }

        Draft offsetting(boolean keys) {
            offsets = keys;
            return this;
        }

        /** One tower as far as negatives are in-batch. */
        Draft oneTower(Negatives newNegatives) {
            negatives = newNegatives;
            oneTower = switch (newNegatives) {
                case IN_BATCH -> true;
                case SHARED, OWN, IN_BATCH_AND_OWN, PAIRED -> false;
            };
            return this;
        }

        Draft reducing(Reduction ofNegatives) {
            negativeReduction = ofNegatives;
            return this;
        }

        Draft excluding(Exclude excluded) {
            groups = excluded.groups();
            threshold = excluded.threshold();
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
                    threshold,
                    blocks,
                    offsets,
                    loss.reduction(),
                    1.0,
                    List.of());
        }
    }

    private LossSpec with(double newWeight, List<Matryoshka.Prefix> newPrefixes) {
        return new LossSpec(
                name,
                word,
                code,
                terms,
                negatives,
                negativeReduction,
                oneTower,
                symmetric,
                labels,
                groups,
                threshold,
                blocks,
                offsets,
                reduction,
                newWeight,
                newPrefixes);
    }

    /** What the loss of one of the prefixes is. */
    public LossSpec of(Matryoshka.Prefix prefix) {
        return with(prefix.weight(), List.of());
    }

    /** Whether there is a temperature. */
    public boolean hasTemperature() {
        return !Double.isNaN(temperature());
    }

    /** Whether distances are compared with a margin. */
    public boolean hasMargin() {
        return switch (terms) {
            case Terms.Logits _, Terms.Scores _ -> false;
            case Terms.Distances _ -> true;
            case Terms.Pairs pairs ->
                switch (pairs.row()) {
                    case MULTI_SIMILARITY -> false;
                    case CIRCLE -> true;
                };
        };
    }

    /** The loss's own temperature, NaN for losses without one. */
    public double temperature() {
        return switch (terms) {
            case Terms.Logits logits -> logits.temperature();
            case Terms.Scores scores -> scores.temperature();
            case Terms.Distances _, Terms.Pairs _ -> NO_TEMPERATURE;
        };
    }

    /** Whether logits have a bias. */
    public boolean hasBias() {
        return !Double.isNaN(bias());
    }

    /** The loss's own bias, NaN for losses without one. */
    public double bias() {
        return switch (terms) {
            case Terms.Logits logits -> logits.bias();
            case Terms.Distances _, Terms.Scores _, Terms.Pairs _ -> NO_BIAS;
        };
    }

    /** The bias of a call's logits, 0 for losses without one. */
    public double bias(Inputs in) {
        return in.bias().isPresent() ? in.bias().getAsDouble() : hasBias() ? bias() : 0.0;
    }

    /** How rows and columns meet. */
    public Engine engine() {
        return switch (negatives) {
            case IN_BATCH, SHARED, IN_BATCH_AND_OWN -> isMined() ? Engine.MINED : Engine.DENSE;
            case OWN, PAIRED -> Engine.ROWWISE;
        };
    }

    /** Whether triplets are mined, or pairs found by labels, among the rows of one tower. */
    public boolean isMined() {
        return switch (terms) {
            case Terms.Logits _, Terms.Scores _ -> false;
            case Terms.Pairs _ -> true;
            case Terms.Distances distances ->
                switch (distances.mining()) {
                    case NONE -> false;
                    case BATCH_ALL, BATCH_HARD, SEMI_HARD, EASY_POSITIVE, BATCH_EASY -> true;
                };
        };
    }

    /** How several positives, which labels say, make one loss; null where each row has one, or none. */
    public Aggregation aggregation() {
        return switch (terms) {
            case Terms.Logits logits -> logits.aggregation();
            case Terms.Distances _, Terms.Scores _, Terms.Pairs _ -> null;
        };
    }

    /** Whether the positives of a row are the columns of its label. */
    public boolean hasPositivesByLabels() {
        return aggregation() != null;
    }

    /** Whether rows of one label are alike, and one with a label below 0 is like no other; else labels are of pairs. */
    public boolean classLabels() {
        return isMined() || hasPositivesByLabels();
    }

    /** Whether calls bring a teacher's scores of each row's candidates. */
    public boolean takesTeacherScores() {
        return switch (terms) {
            case Terms.Scores _ -> true;
            case Terms.Logits _, Terms.Distances _, Terms.Pairs _ -> false;
        };
    }

    /** Whether calls bring a third matrix. */
    public boolean takesNegatives() {
        return switch (negatives) {
            case IN_BATCH -> false;
            case SHARED, OWN, IN_BATCH_AND_OWN, PAIRED -> !labels;
        };
    }

    /** Whether the rows of the third matrix are what every row meets. */
    public boolean sharesNegatives() {
        return switch (negatives) {
            case SHARED -> true;
            case IN_BATCH, OWN, IN_BATCH_AND_OWN, PAIRED -> false;
        };
    }

    /** Whether rows have negatives of their own beside those that every row meets. */
    public boolean hasOwnToo() {
        return switch (negatives) {
            case IN_BATCH_AND_OWN -> true;
            case IN_BATCH, SHARED, OWN, PAIRED -> false;
        };
    }

    /** Whether every row keeps its loss. */
    public boolean perRow() {
        return switch (reduction) {
            case NONE -> true;
            case MEAN, SUM -> false;
        };
    }

    /** What rows of so many negatives have in common, in a call with this bias. */
    public RowRule rowRule(long count, double bias) {
        double share = switch (negativeReduction) {
            case MEAN -> count > 0 ? 1.0 / count : 1.0;
            case SUM, NONE -> 1.0;
            case null -> 1.0;
        };
        return switch (terms) {
            case Terms.Logits logits ->
                new RowRule(
                        share,
                        logits.positiveMargin(),
                        bias,
                        logits.classPrior(),
                        logits.hardness(),
                        count,
                        logits.aggregation(),
                        threshold,
                        offsets);
            case Terms.Distances _, Terms.Scores _, Terms.Pairs _ ->
                new RowRule(share, 0.0, bias, 0.0, 0.0, count, null, threshold, false);
        };
    }

    /**
     * The rows of a plan's matrices beside the queries.
     *
     * @param keys NONE for one tower in one matrix
     * @param negatives NONE if the loss takes none
     * @param queue NONE if there is none
     * @param losses how many rows have a loss
     */
    public record Rows(long keys, long negatives, long queue, long losses) {
        private Rows(long keys, long negatives, long losses) {
            this(keys, negatives, NONE, losses);
        }
    }

    /** The rows that go with a shape. Throws IllegalArgumentException if it does not go with the loss. */
    public Rows rows(Shape shape) {
        if (!prefixes.isEmpty()) {
            int largest = prefixes.getLast().dim();
            check(
                    largest <= shape.dim(),
                    "shape: prefixes of up to %d coordinates need dim >= %d, but got dim = %d",
                    largest,
                    largest,
                    shape.dim());
        }
        long n = shape.n();
        long m = shape.m();
        checkOwn(shape.ownNegatives());
        checkQueue(shape.queue());
        Rows rows = rows(shape, n, m);
        return shape.queue() == 0 ? rows : new Rows(rows.keys, rows.negatives, shape.queue(), rows.losses);
    }

    private Rows rows(Shape shape, long n, long m) {
        return switch (negatives) {
            case IN_BATCH -> oneTower ? rowsOfTower(n, m) : rowsOfTowers(n, m);
            case SHARED -> new Rows(n, m, n);
            case OWN -> new Rows(n, n * m, n);
            case IN_BATCH_AND_OWN -> new Rows(rowsOfTowers(n, m).keys(), n * shape.ownNegatives(), n);
            case PAIRED -> {
                check(m == n, "shape: %s needs m = n, but got n = %d, m = %d", name, n, m);
                yield new Rows(n, takesNegatives() ? n : NONE, n);
            }
        };
    }

    private void checkOwn(long own) {
        if (hasOwnToo()) {
            check(own >= 1, "shape: %s with IN_BATCH_AND_OWN negatives needs ownNegatives >= 1, but got %d", name, own);
        } else {
            check(own == 0, "shape: %s with %s negatives needs ownNegatives = 0, but got %d", name, negatives, own);
        }
    }

    private void checkQueue(long queue) {
        check(
                queue == 0 || !symmetric,
                "shape: a symmetric %s needs queue = 0, as rows of a queue have no queries, but got %d",
                name,
                queue);
        check(
                queue == 0 || takesQueue(),
                "shape: %s needs queue = 0, as only InfoNce with IN_BATCH or IN_BATCH_AND_OWN negatives and SupCon of two towers have"
                        + " keys that a queue lengthens, but got %d",
                name,
                queue);
    }

    /** Whether the columns are keys that others may stand behind. */
    public boolean takesQueue() {
        boolean ofBatch = switch (negatives) {
            case IN_BATCH, IN_BATCH_AND_OWN -> !oneTower && !symmetric;
            case SHARED, OWN, PAIRED -> false;
        };
        return ofBatch
                && switch (terms) {
                    case Terms.Logits logits ->
                        switch (logits.row()) {
                            case SOFTMAX, DECOUPLED, DEBIASED -> true;
                            case LOGISTIC -> false;
                        };
                    case Terms.Distances _, Terms.Scores _, Terms.Pairs _ -> false;
                };
    }

    private Rows rowsOfTower(long n, long m) {
        if (isMined()) {
            String mined = switch (terms) {
                case Terms.Logits _, Terms.Scores _, Terms.Pairs _ -> name;
                case Terms.Distances _ -> "mined " + name;
            };
            check(m == 0, "shape: a %s needs m = 0, all rows in one matrix, but got n = %d, m = %d", mined, n, m);
            return new Rows(NONE, NONE, n);
        }
        if (m == 0) {
            check(
                    n % 2 == 0 || hasPositivesByLabels(),
                    "shape: one tower of two views needs an even number of rows, but got n = %d",
                    n);
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
        if (hasPositivesByLabels()) {
            check(m >= 1, "shape: %s of two towers needs m >= 1, but got n = %d, m = %d", name, n, m);
            return new Rows(m, NONE, n);
        }
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
