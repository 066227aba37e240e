package dev.infonce;

import java.util.List;
import java.util.Objects;
import java.util.Set;

/**
 * InfoNCE: {@code l_i = log(1 + sum over negatives j of exp((s_ij - s_i+ + positiveMargin) / tau))}, s_i+ being the similarity
 * of query i and key i (1807.03748 eq. 4; symmetric: 2103.00020 fig. 3; the margin: 2203.02167). Decoupled (2110.06848 eq. 6)
 * it is without the 1; debiased (2007.00224) see {@link #debiased}.
 *
 * <p>Shapes: {@code Shape.of(n, m, dim)}. In-batch: keys m x dim with m >= n, and every key but i is a negative of query i;
 * m = n if symmetric. {@link Negatives#SHARED} and {@link Negatives#OWN}: keys n x dim, m >= 0 counts negatives (for each row,
 * if own). {@link Negatives#IN_BATCH_AND_OWN}: in-batch, and each row has {@link Shape#ownNegatives} negatives more. In-batch and not
 * symmetric, a {@link Shape#withQueue queue} may stand behind the keys, whose rows are negatives of every query. A row without
 * negatives has loss 0 and gradient 0.
 *
 * <p>With {@link #across blocks} the sum of row i has further negatives: similarities of two queries, of key i and queries, and of
 * two keys.
 *
 * @param temperature tau, in [1e-9, 1e9]; a call may bring another
 * @param similarity s
 * @param negatives IN_BATCH, SHARED, OWN or IN_BATCH_AND_OWN
 * @param isSymmetric whether l_i is half the sum of the losses of row i and of column i; in-batch only
 * @param blocks which pairs beside query i and other keys are negatives of row i; in enum order, unmodifiable; only in-batch, and
 *     where neither isSymmetric nor classPrior is used
 * @param hasKeyOffsets whether calls bring an offset of each key; only in-batch, and where none of isSymmetric, blocks and classPrior is
 *     used
 * @param denominator what the positive competes against
 * @param positiveMargin what is taken off the similarity of the positive, in the loss and not in metrics; in [0, 1e100]
 * @param classPrior how likely a negative is really a positive, for which the sum over negatives is corrected; 0 for no
 *     correction; in [0, 1), and above 0 only of cosines, with the denominator ALL and nothing excluded
 * @param hardness by how much of their similarity negatives count more, in [0, 1000]; above 0 only with a classPrior of 0
 * @param excluded which other keys are no negatives; groups in-batch only, a threshold, which own negatives beside those of the batch
 *     go through too, not where all are a row's own
 * @param reduction how row losses become the loss
 */
public record InfoNce(
        double temperature,
        Similarity similarity,
        Negatives negatives,
        boolean isSymmetric,
        Set<Block> blocks,
        boolean hasKeyOffsets,
        Denominator denominator,
        @DefaultNumber(0) double positiveMargin,
        @DefaultNumber(0) double classPrior,
        @DefaultNumber(0) double hardness,
        Exclude excluded,
        Reduction reduction)
        implements ContrastiveLoss {
    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if the temperature, the margin or the prior is out of range, negatives are PAIRED, a
     *     symmetric loss is not IN_BATCH, one that has blocks or excludes groups has no negatives of the batch, one with blocks is
     *     symmetric or debiased, one with key offsets is symmetric or debiased or has blocks or no negatives of the batch, or one with
     *     OWN negatives has a threshold
     * @throws NullPointerException if an argument is null
     */
    public InfoNce {
        Checks.temperature(temperature);
        Objects.requireNonNull(similarity, "similarity");
        Objects.requireNonNull(negatives, "negatives");
        blocks = Checks.constants("blocks", Block.class, blocks);
        Objects.requireNonNull(denominator, "denominator");
        Checks.positiveMargin(positiveMargin);
        Objects.requireNonNull(excluded, "excluded");
        Checks.classPrior(classPrior, denominator, similarity, excluded);
        Checks.hardness(hardness, classPrior);
        Objects.requireNonNull(reduction, "reduction");
        switch (negatives) {
            case IN_BATCH -> {}
            case IN_BATCH_AND_OWN -> checkOneDirection(isSymmetric, negatives);
            case SHARED -> {
                checkOneDirection(isSymmetric, negatives);
                checkNoGroups(excluded, negatives);
            }
            case OWN -> {
                checkOneDirection(isSymmetric, negatives);
                checkNoGroups(excluded, negatives);
                Checks.argument(
                        excluded.threshold().isNone(),
                        "excluded: an InfoNce with a threshold has IN_BATCH or SHARED negatives, as OWN ones are chosen for "
                                + "being similar, but got %s",
                        excluded.threshold());
            }
            case PAIRED ->
                throw Checks.invalid(
                        "negatives: InfoNce takes IN_BATCH, SHARED, OWN or IN_BATCH_AND_OWN, but got %s", negatives);
        }
        if (!blocks.isEmpty()) {
            checkBlocks(negatives, isSymmetric, classPrior, blocks);
        }
        if (hasKeyOffsets) {
            checkOffsets(negatives, isSymmetric, classPrior, blocks);
        }
    }

    private static void checkOffsets(Negatives negatives, boolean isSymmetric, double classPrior, Set<Block> blocks) {
        Checks.argument(
                negatives == Negatives.IN_BATCH || negatives == Negatives.IN_BATCH_AND_OWN,
                "hasKeyOffsets: an InfoNce with offsets of keys has IN_BATCH or IN_BATCH_AND_OWN negatives, but got %s",
                negatives);
        Checks.argument(
                !isSymmetric,
                "hasKeyOffsets: a symmetric InfoNce has none, as the offset of a column cancels in its softmax");
        Checks.argument(
                classPrior == 0,
                "hasKeyOffsets: a debiased InfoNce has none, as it needs the smallest logit, which is a cosine's alone, but got %s",
                classPrior);
        Checks.argument(
                blocks.isEmpty(),
                "hasKeyOffsets: an InfoNce with blocks has none, as queries have no offsets, but got %s",
                blocks);
    }

    private static void checkBlocks(Negatives negatives, boolean isSymmetric, double classPrior, Set<Block> blocks) {
        Checks.argument(
                negatives == Negatives.IN_BATCH || negatives == Negatives.IN_BATCH_AND_OWN,
                "blocks: an InfoNce with blocks has IN_BATCH or IN_BATCH_AND_OWN negatives, but got %s with %s",
                blocks,
                negatives);
        Checks.argument(
                !isSymmetric,
                "blocks: a symmetric InfoNce has none, as it has the negatives of a row and of a column apart, but got %s",
                blocks);
        Checks.argument(
                classPrior == 0,
                "blocks: a debiased InfoNce has none, as its prior is that of other keys, but got %s with %s",
                blocks,
                classPrior);
    }

    private static void checkOneDirection(boolean isSymmetric, Negatives negatives) {
        Checks.argument(!isSymmetric, "isSymmetric: a symmetric InfoNce has IN_BATCH negatives, but got %s", negatives);
    }

    private static void checkNoGroups(Exclude excluded, Negatives negatives) {
        Checks.argument(
                !excluded.groups(),
                "excluded: an InfoNce that excludes groups has IN_BATCH or IN_BATCH_AND_OWN negatives, but got %s",
                negatives);
    }

    /**
     * Cosine similarity, in-batch negatives, not symmetric, mean.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static InfoNce withTemperature(double temperature) {
        return new InfoNce(
                temperature,
                Similarity.COSINE,
                Negatives.IN_BATCH,
                false,
                Set.of(),
                false,
                Denominator.ALL,
                0,
                0,
                0,
                Exclude.nothing(),
                Reduction.MEAN);
    }

    /**
     * The same loss, half of rows and half of columns, as CLIP has it.
     *
     * @return a new loss
     */
    public InfoNce symmetric() {
        return Components.with(this, "isSymmetric", true);
    }

    /**
     * The same loss with further pairs among the negatives of row i, as GTE has it (2308.03281 eq. 3): {@code l_i = log(1 + sum of
     * exp((s - s_i+ + positiveMargin) / tau))} over s(q_i, k_j), j != i, of all m keys, and over the similarities of each {@link
     * Block}. Decoupled it is without the 1. The positive is counted once. Groups say of two queries, and of two keys, what they say
     * of a query and a key; the limit of a threshold is that of row i whatever pair it is compared with, so that a pair of two
     * queries may count in one of their rows and not in the other. Metrics are of queries and keys alone but for {@link
     * Metrics#effectiveNegatives}, which is of all negatives.
     *
     * @param blocks which; they take the place of those that the loss had
     * @return a new loss
     * @throws IllegalArgumentException if the loss is not in-batch, or symmetric, or debiased
     */
    public InfoNce across(Block... blocks) {
        return Components.with(this, "blocks", Set.copyOf(List.of(blocks)));
    }

    /**
     * The same loss with an offset of each key, which is added to its logits, the positive's too: {@code z_ij = s_ij / tau + o_j}, and
     * {@code l_i = log(1 + sum over negatives j of exp(z_ij - z_i+ + positiveMargin / tau))}. With {@code o_j = -ln q_j}, q_j being how
     * likely key j is drawn as a negative, the loss estimates that over all keys alike (logQ correction: 1706.07881 sec. 3.2): in a
     * batch of pairs a popular key is a negative as often as it is popular, and would be pushed away for that alone. See {@link
     * KeyOffsets#ofProbabilities}. Calls bring the offsets ({@link Inputs#withKeyOffsets}).
     *
     * <p>A number that is added to all offsets changes nothing, but where rows have negatives of their own, whose offset is 0. Gradients
     * by the temperature are of similarities alone; thresholds and metrics do not see offsets, and {@link Metrics#effectiveNegatives} is
     * NaN.
     *
     * @return a new loss
     * @throws IllegalArgumentException if the loss is symmetric or debiased, or has blocks or no negatives of the batch
     */
    public InfoNce withKeyOffsets() {
        return Components.with(this, "hasKeyOffsets", true);
    }

    /**
     * The same loss with m negatives that all rows share.
     *
     * @return a new loss
     */
    public InfoNce withSharedNegatives() {
        return Components.with(this, "negatives", Negatives.SHARED);
    }

    /**
     * The same loss with m negatives of each row's own.
     *
     * @return a new loss
     */
    public InfoNce withOwnNegatives() {
        return Components.with(this, "negatives", Negatives.OWN);
    }

    /**
     * The same loss with negatives of each row's own beside those of the batch, mined for it and strangers to the other rows: {@code
     * l_i = log(1 + sum of exp((s - s_i+ + positiveMargin) / tau))} over s(q_i, k_j), j != i, of all m keys, and over s(q_i, n) of the
     * row's own negatives n, of which a {@link Shape#withOwnNegatives shape} says how many each row has. Decoupled it is without the 1.
     * Groups never leave out a row's own; a threshold does as it does keys. Metrics are of the other keys and of the row's own.
     *
     * @return a new loss
     * @throws IllegalArgumentException if the loss is symmetric
     */
    public InfoNce withOwnNegativesToo() {
        return Components.with(this, "negatives", Negatives.IN_BATCH_AND_OWN);
    }

    /**
     * The same loss, in which the positive competes against the negatives alone, as DCL has it.
     *
     * @return a new loss
     */
    public InfoNce decoupled() {
        return Components.with(this, "denominator", Denominator.NEGATIVES);
    }

    /**
     * The same loss, which wants the positive more similar than the negatives by a margin.
     *
     * @param positiveMargin in units of the similarity, in [0, 1e100]
     * @return a new loss
     */
    public InfoNce withPositiveMargin(double positiveMargin) {
        return Components.with(this, "positiveMargin", positiveMargin);
    }

    /**
     * The same loss, debiased (2007.00224 eqs. 7 and 8): with k negatives and u = sum over them of {@code exp((s_ij - s_i+ +
     * positiveMargin) / tau)}, {@code l_i = log(1 + max((u - classPrior k) / (1 - classPrior), k exp((-1 - s_i+ + positiveMargin)
     * / tau)))}. Rows where the second is larger, which are most rows of a model that has learned well, are not pushed away from
     * their negatives.
     *
     * @param classPrior how likely a negative is really a positive, such as 1 / classes; in [0, 1)
     * @return a new loss
     * @throws IllegalArgumentException if it is out of range, or the similarity is not the cosine
     */
    public InfoNce debiased(double classPrior) {
        return Components.with(this, "classPrior", classPrior);
    }

    /**
     * The same loss, in which hard negatives count more: the exponential of negative j is that of {@code z_ij + hardness s_ij}, and the
     * second part is not differentiated (2503.04812 eq. 5). {@link Metrics#effectiveNegatives} is of the softmax with it.
     *
     * @param hardness in [0, 1000]; 0 for the loss as it is, and 9 in the paper
     * @return a new loss
     * @throws IllegalArgumentException if it is out of range, or the loss is debiased
     */
    public InfoNce withHardness(double hardness) {
        return Components.with(this, "hardness", hardness);
    }

    /**
     * The same loss without some keys among the negatives: {@code excluding(Exclude.sameGroup())}, {@code
     * excluding(Exclude.aboveThreshold(Threshold.relative(0.05)))}, or one {@link Exclude#and} the other.
     *
     * @param excluded which
     * @return a new loss
     * @throws IllegalArgumentException if the loss is debiased, or has negatives that do not go with the rule
     */
    public InfoNce excluding(Exclude excluded) {
        return Components.with(this, "excluded", excluded);
    }

    /**
     * The same loss with another similarity.
     *
     * @param similarity s
     * @return a new loss
     */
    public InfoNce withSimilarity(Similarity similarity) {
        return Components.with(this, "similarity", similarity);
    }

    @Override
    public InfoNce withReduction(Reduction reduction) {
        return Components.with(this, "reduction", reduction);
    }
}
