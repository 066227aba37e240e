package dev.infonce;

/** Losses by the names that papers and other libraries give them, with their settings. Thread-safe. */
public final class Losses {
    private Losses() {}

    /**
     * SimCLR's loss (2002.05709 eq. 1), {@code NTXentLoss(temperature)} of lightly: {@link NtXent} of cosines.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static NtXent simclr(double temperature) {
        return NtXent.withTemperature(temperature);
    }

    /**
     * CLIP's loss (2103.00020 fig. 3), {@code ClipLoss} of open_clip with logit_scale = 1 / tau: symmetric {@link InfoNce} of
     * cosines.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static InfoNce clip(double temperature) {
        return InfoNce.withTemperature(temperature).symmetric();
    }

    /**
     * MoCo's loss (1911.05722 algorithm 1), {@code NTXentLoss(temperature, memory_bank_size)} of lightly: {@link InfoNce} of
     * cosines, the queue being the shared negatives. Ask for no gradient of these.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static InfoNce moco(double temperature) {
        return InfoNce.withTemperature(temperature).withSharedNegatives();
    }

    /**
     * GTE's loss (2308.03281 eq. 3): {@link InfoNce} of cosines across all blocks. {@code
     * MultipleNegativesRankingLoss(scale=1/temperature, directions=("query_to_doc", "query_to_query", "doc_to_query",
     * "doc_to_doc"))} of sentence-transformers, but that its doc_to_query has the positive among the other queries: with u being the
     * sum over the negatives of row i, l_i is log(1 + u) here, where the positive is counted once, and log(2 + u) there. With hard
     * negatives after the first n keys its doc_to_doc compares documents with those too, and KEY_KEY does not.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static InfoNce gte(double temperature) {
        return InfoNce.withTemperature(temperature).across(Block.values());
    }

    /**
     * Qwen3-Embedding's loss (2506.05176 eq. 1): {@link InfoNce} of cosines with hard negatives of each row's own beside those of the
     * batch, across QUERY_QUERY and KEY_KEY, without negatives that are more similar than the row's positive by more than a margin, for
     * which the paper takes 0.1. Hard negatives go through the same threshold as all others. A key that equals a row's own is left out
     * in the paper whatever its similarity: give the two one group, and the loss {@link Exclude#sameGroup()} too.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @param margin by how much more similar than the positive a negative may be, of a size of at most 1e100
     * @return the loss
     */
    public static InfoNce qwen3(double temperature, double margin) {
        return InfoNce.withTemperature(temperature)
                .withOwnNegativesToo()
                .across(Block.QUERY_QUERY, Block.KEY_KEY)
                .excluding(Exclude.aboveThreshold(Threshold.absolute(-margin)));
    }

    /**
     * DCL (2110.06848 eq. 6), {@code DCLLoss(temperature)} of lightly: decoupled {@link NtXent} of cosines.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static NtXent dcl(double temperature) {
        return NtXent.withTemperature(temperature).decoupled();
    }

    /**
     * SupCon (2004.11362 eq. 2), {@code SupConLoss(temperature)} of SupContrast with base_temperature = temperature, and of
     * pytorch-metric-learning: {@link SupCon} of cosines, outside. Another base_temperature multiplies the loss by temperature /
     * base_temperature.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static SupCon supcon(double temperature) {
        return SupCon.withTemperature(temperature);
    }

    /**
     * The soft nearest neighbour loss (1902.01889 eq. 1): {@link SupCon} of squared Euclidean distances, summing. {@code
     * SoftNearestNeighborLoss("sql2", temperature)} of tf-similarity, whose mean counts rows without positives too; {@code
     * NCALoss(softmax_scale = 1 / temperature)} of pytorch-metric-learning, which normalises rows unless told otherwise.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return the loss
     */
    public static SupCon softNearestNeighbours(double temperature) {
        return SupCon.withTemperature(temperature)
                .withSimilarity(Similarity.NEGATIVE_SQUARED_EUCLIDEAN)
                .aggregating(Aggregation.SUM);
    }

    /**
     * SigLIP's loss (2303.15343 eq. 1), {@code SigLipLoss} of open_clip, where its training starts; temperature and bias are to be
     * learned.
     *
     * @return the loss
     */
    public static SigLip siglip() {
        return SigLip.learned();
    }
}
