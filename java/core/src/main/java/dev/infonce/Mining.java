package dev.infonce;

/**
 * Which triplets of one tower a {@link Triplet} loss is made of. a is an anchor, a row with a label >= 0; p is another row of
 * its label, n a row of another label or of none (below 0); d is the distance, and a tie goes to the row of the smaller index.
 * An anchor without any p, or without any n, has no triplets. Selections have no gradient of their own.
 */
public enum Mining {
    /** Those that the caller gives: query i, key i, negative i (1503.03832 eq. 3). */
    NONE,
    /**
     * All (a, p, n) (1703.07737 section 2). The mean is over those that cost something, or over all with a soft margin.
     * Sentence-transformers: {@code BatchAllTripletLoss}; PML: {@code TripletMarginLoss} without a miner, whose default reducer
     * averages likewise.
     */
    BATCH_ALL,
    /**
     * The farthest p and the nearest n of each a (1703.07737 section 2). The mean is over the anchors that have both.
     * Sentence-transformers: {@code BatchHardTripletLoss}, or {@code BatchHardSoftMarginTripletLoss} with a soft margin, which
     * both count anchors without a p too, at the distance 0; PML: {@code BatchHardMiner}; tf-similarity: {@code TripletLoss} with
     * hard positives and hard negatives.
     */
    BATCH_HARD,
    /**
     * Each (a, p) with the nearest n that is farther than p, or the farthest n if none is, as FaceNet has it (1503.03832 section
     * 3.2). The mean is over (a, p). TensorFlow Addons: {@code triplet_semihard_loss}; sentence-transformers: {@code
     * BatchSemiHardTripletLoss}; tf-similarity: {@code TripletLoss} with semi-hard negatives, which has one p an anchor.
     */
    SEMI_HARD,
    /**
     * The nearest p and the nearest n of each a (1904.04370). The mean is over the anchors that have both. PML: {@code
     * BatchEasyHardMiner} with easy positives and hard negatives; tf-similarity: {@code TripletLoss} with easy positives and hard negatives.
     */
    EASY_POSITIVE,
    /**
     * The nearest p and the farthest n of each a. The mean is over the anchors that have both. PML: {@code BatchEasyHardMiner} with
     * easy positives and easy negatives; tf-similarity: {@code TripletLoss} with easy positives and easy negatives.
     */
    BATCH_EASY
}
