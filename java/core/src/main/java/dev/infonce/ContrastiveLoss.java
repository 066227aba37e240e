package dev.infonce;

import dev.infonce.internal.LossSpec;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * What to compute, apart from shapes, types and device. Every loss is an immutable record.
 *
 * <p>Words: queries Q[n x dim], keys K[m x dim], similarity s, temperature tau; rows are queries, columns are keys; l_i is
 * the loss of row i.
 */
public sealed interface ContrastiveLoss
        permits InfoNce,
                NtXent,
                NtLogistic,
                PairwiseContrastive,
                Triplet,
                SigLip,
                SupCon,
                KlDistillation,
                MarginMse,
                MultiSimilarity,
                Circle,
                Matryoshka {
    /**
     * One loss of every kind there is, with default values: temperature, margin and scales 1, bias 0, base 0.5, cosine similarity (dot
     * products for {@link MarginMse}) or Euclidean distance, in-batch negatives where a kind has a choice, not symmetric, one tower,
     * means. A {@link Matryoshka} is of the kind of the loss
     * within.
     *
     * @return the losses, in the order in which this interface permits them; unmodifiable
     */
    static List<ContrastiveLoss> kinds() {
        return Arrays.stream(ContrastiveLoss.class.getPermittedSubclasses())
                .filter(kind -> kind != Matryoshka.class)
                .map(kind -> (ContrastiveLoss) Components.defaults(kind.asSubclass(Record.class)))
                .toList();
    }

    /**
     * The word by which command lines and files call this kind of loss.
     *
     * @return infonce, ntxent, nt-logistic, contrastive, triplet, siglip, supcon, kl-distillation, margin-mse, multi-similarity or circle
     */
    default String word() {
        return LossSpec.of(this).word();
    }

    /**
     * Which rows are the negatives of row i.
     *
     * @return the negatives; {@link Negatives#PAIRED} for {@link PairwiseContrastive}, whose key i is itself the negative where
     *     label i is 0; {@link Negatives#IN_BATCH} where {@link #isMined()}
     */
    default Negatives negatives() {
        return LossSpec.of(this).negatives();
    }

    /**
     * Which negatives this loss can have, its other components being as they are.
     *
     * @return those that {@link #with} takes for the component "negatives", in the order of {@link Negatives}; {@link
     *     #negatives()} alone for a kind without that component
     */
    default List<Negatives> possibleNegatives() {
        return components().containsKey("negatives")
                ? Arrays.stream(Negatives.values()).filter(this::canHave).toList()
                : List.of(negatives());
    }

    private boolean canHave(Negatives negatives) {
        try {
            with(Map.of("negatives", negatives));
            return true;
        } catch (IllegalArgumentException _) {
            return false;
        }
    }

    /**
     * Whether similarities are divided by a temperature, which a call may bring and has a gradient.
     *
     * @return false for losses of distances, for {@link MarginMse}, and for {@link MultiSimilarity} and {@link Circle}, which have scales
     */
    default boolean hasTemperature() {
        return LossSpec.of(this).hasTemperature();
    }

    /**
     * Whether logits have a bias, which a call may bring and has a gradient.
     *
     * @return true for {@link SigLip}
     */
    default boolean hasBias() {
        return LossSpec.of(this).hasBias();
    }

    /**
     * Whether the loss has a margin that its distances, or similarities, are compared with.
     *
     * @return true for {@link PairwiseContrastive}, {@link Triplet} and {@link Circle}; false for losses with a temperature, whose
     *     positive may have a margin of its own, and for {@link MarginMse} and {@link MultiSimilarity}
     */
    default boolean hasMargin() {
        return LossSpec.of(this).hasMargin();
    }

    /**
     * Whether calls bring a label for each row.
     *
     * @return true for {@link PairwiseContrastive}, whose labels say whether a pair is alike, and where {@link #takesClassLabels()}
     */
    default boolean takesLabels() {
        return LossSpec.of(this).labels();
    }

    /**
     * Whether the labels that calls bring are of classes: rows of one label are alike, and a label below 0 is like no other. Keys of
     * two towers have labels of their own then.
     *
     * @return true for {@link SupCon}, and where {@link #isMined()}
     */
    default boolean takesClassLabels() {
        return LossSpec.of(this).classLabels();
    }

    /**
     * Whether calls bring a group for each row.
     *
     * @return true for losses that exclude rows of the same group
     */
    default boolean takesGroups() {
        return LossSpec.of(this).groups();
    }

    /**
     * Whether the columns are keys behind which a {@link Shape#withQueue queue} of further ones may stand.
     *
     * @return true for an {@link InfoNce} with negatives of the batch, not symmetric, and a {@link SupCon} of two towers
     */
    default boolean takesQueue() {
        return LossSpec.of(this).takesQueue();
    }

    /**
     * Whether calls bring an offset of each key, which is added to its logits.
     *
     * @return true for an {@link InfoNce} with offsets of keys
     */
    default boolean takesKeyOffsets() {
        return LossSpec.of(this).offsets();
    }

    /**
     * Whether calls bring a teacher's scores of each row's candidates, its key and its own negatives.
     *
     * @return true for {@link KlDistillation} and {@link MarginMse}
     */
    default boolean takesTeacherScores() {
        return LossSpec.of(this).takesTeacherScores();
    }

    /**
     * Whether calls bring a matrix of negatives beside queries and keys.
     *
     * @return false where the negatives are among the other rows, or where there is no third matrix
     */
    default boolean takesNegatives() {
        return LossSpec.of(this).takesNegatives();
    }

    /**
     * Whether l_i is half the sum of the losses of row i and of column i.
     *
     * @return true for a symmetric {@link InfoNce}
     */
    default boolean isSymmetric() {
        return LossSpec.of(this).symmetric();
    }

    /**
     * Whether rows and columns are one tower, t rows that all have a loss: {@code Shape.tower(t, dim)} with one matrix, or, unless
     * {@link #isMined()}, {@code Shape.of(n, n, dim)} with the first views as queries and the second ones as keys, t = 2n.
     *
     * @return false for two towers
     */
    default boolean isOneTower() {
        return LossSpec.of(this).oneTower();
    }

    /**
     * Whether the loss finds its triplets, or its pairs, among the rows of one tower by their labels, so that there are no views: all
     * rows are in one matrix.
     *
     * @return true for a {@link Triplet} with a {@link Mining} other than NONE, for {@link MultiSimilarity} and for {@link Circle}
     */
    default boolean isMined() {
        return LossSpec.of(this).isMined();
    }

    /**
     * How row losses become the loss.
     *
     * @return the reduction
     */
    Reduction reduction();

    /**
     * The same loss with another reduction.
     *
     * @param reduction how row losses become the loss
     * @return a new loss
     */
    ContrastiveLoss withReduction(Reduction reduction);

    /**
     * The sum of this loss over several prefixes of the rows, each with the weight 1, so that embeddings may be cut off later.
     *
     * @param dims how many of the first coordinates each prefix has: one or more, rising, in 1 ... 2^20, and at most those of the
     *     plan
     * @return a new loss
     * @throws IllegalArgumentException if they are not, or this is a Matryoshka already
     */
    default Matryoshka matryoshka(int... dims) {
        return Matryoshka.of(this, dims);
    }

    /**
     * What this loss is made of, by name: of temperature, bias, margin, scale, positiveScale, negativeScale, base, similarity, distance, negatives, negativeReduction,
     * isSymmetric, blocks, hasKeyOffsets, denominator, positiveMargin, classPrior, excluded, aggregation, twoTowers, mining, softMargin
     * and reduction those that its kind has.
     *
     * @return the values in the order of the record's components; unmodifiable
     */
    default Map<String, Object> components() {
        return Components.of((Record) this);
    }

    /**
     * The same kind of loss with other components, which are put in place at once, and checked together.
     *
     * @param changes new values by the names of {@link #components()}, of the same types
     * @return a new loss
     * @throws IllegalArgumentException if this kind has no such component or one of another type, or the values are out of range
     *     or do not go together; the message begins with the component's name
     * @throws NullPointerException if a value is null
     */
    default ContrastiveLoss with(Map<String, ?> changes) {
        return (ContrastiveLoss) Components.with((Record) this, changes);
    }
}
