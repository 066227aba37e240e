package dev.infonce;

/**
 * What a call saw, over the same similarities s as its loss, without weights. A metric without meaning for the loss, or the
 * mean of nothing, is NaN. Unit vectors x^ = x / |x|, 0 for zero rows. For {@link PairwiseContrastive} and {@link Triplet} s is
 * minus the distance; for a symmetric loss the rows are queries.
 *
 * <p>Accuracies count a row by the chance of its positive to be among the first, ties being broken at random: with g negatives
 * more similar than the positive and t just as similar, clamp((k - g) / (1 + t), 0, 1). So a model that maps everything to one
 * vector is as good as chance. Rankings in the field mostly take the order that a sort leaves ties in, or the positive first,
 * which gives such a model any accuracy up to 1.
 *
 * <p>Where triplets are mined, every row with a label is an anchor: all rows of its label are positives, all rows of other labels
 * or of none are negatives, whichever the loss is made of. The accuracies are of anchors that have both, and of the nearest
 * positive among the negatives. So it is of {@link MultiSimilarity} and {@link Circle}.
 *
 * <p>Of an {@link InfoNce} with {@link Block}s negatives are those among the other keys, and the row's own where it has some beside
 * them, but for effectiveNegatives, which is of all that a row has.
 *
 * <p>Of {@link SupCon} the positive of a row stands for its positives, with the mean of their similarities. Rows without any are in
 * no mean over rows or positives.
 *
 * @param top1Accuracy mean of that chance with k = 1, in [0, 1]
 * @param topKAccuracy mean of that chance, in [0, 1]
 * @param positiveSimilarity mean of s over positives; in [-1, 1] for cosine similarities
 * @param negativeSimilarity mean of s over all negatives, likewise
 * @param alignment mean of |x^ - y^|^2 over positives, in [0, 4] (2005.10242 eq. 1, alpha = 2); NaN for {@link SupCon}
 * @param uniformity ln of the mean of exp(-2 |x^ - y^|^2) over negatives, in [-8, 0] (2005.10242 eq. 2, t = 2, across towers)
 * @param effectiveNegatives mean over rows of exp(entropy of the softmax over the row's negatives), at least 1 and at most as many
 *     as a row has; InfoNce, NtXent and SupCon only; NaN where keys have offsets
 * @param rows rows that have a loss
 * @param zeroRows input rows of norm 0, over queries, keys, queue and negatives
 * @param nonFiniteRows input rows with a NaN or an infinity; 0 on devices that refuse them, as java and cpu do
 * @param rowsWithoutPositives of the rows that have a loss: those of a label that no other has, or of pairs that are not alike
 * @param rowsWithoutNegatives likewise, those whose columns are all positives or excluded, or of pairs that are alike
 */
public record Metrics(
        double top1Accuracy,
        double topKAccuracy,
        double positiveSimilarity,
        double negativeSimilarity,
        double alignment,
        double uniformity,
        double effectiveNegatives,
        long rows,
        long zeroRows,
        long nonFiniteRows,
        long rowsWithoutPositives,
        long rowsWithoutNegatives) {}
