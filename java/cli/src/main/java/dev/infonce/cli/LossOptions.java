package dev.infonce.cli;

import dev.infonce.ContrastiveLoss;
import dev.infonce.Distance;
import dev.infonce.InfoNce;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Triplet;
import java.util.Objects;

/** Checks that the options of {@code infonce loss} fit each other, before any file is opened. */
final class LossOptions {
    private LossOptions() {}

    /**
     * The loss that the options describe; for infonce its negatives are settled by {@link LossFiles}, which knows the
     * number of dimensions.
     *
     * @throws IllegalArgumentException naming the option that is missing, superfluous or out of range
     */
    static ContrastiveLoss loss(LossCommand options) {
        checkFiles(options);
        checkNumbers(options);
        Similarity similarity = Objects.requireNonNullElse(options.similarity, Similarity.COSINE);
        Distance distance = Objects.requireNonNullElse(options.distance, Distance.EUCLIDEAN);
        ContrastiveLoss loss = switch (options.kind) {
            case INFONCE -> InfoNce.withTemperature(options.temperature).withSimilarity(similarity);
            case SYMMETRIC ->
                InfoNce.withTemperature(options.temperature)
                        .withSimilarity(similarity)
                        .symmetric();
            case NTXENT -> NtXent.withTemperature(options.temperature).withSimilarity(similarity);
            case NT_LOGISTIC -> ntLogistic(options, similarity);
            case CONTRASTIVE -> PairwiseContrastive.withMargin(options.margin).withDistance(distance);
            case TRIPLET -> Triplet.withMargin(options.margin).withDistance(distance);
        };
        return loss.withReduction(options.reduction);
    }

    private static ContrastiveLoss ntLogistic(LossCommand options, Similarity similarity) {
        NtLogistic loss = NtLogistic.withTemperature(options.temperature).withSimilarity(similarity);
        return options.negatives != null
                ? loss.withPairedNegatives()
                : loss.withNegativeReduction(Objects.requireNonNullElse(options.negativeReduction, Reduction.MEAN));
    }

    private static void checkFiles(LossCommand options) {
        LossKind kind = options.kind;
        if (!kind.allowsOneMatrix()) {
            require(options.keys, "--keys", kind);
        }
        if (!kind.allowsNegatives()) {
            forbid(options.negatives, "--negatives", kind);
        }
        if (kind == LossKind.TRIPLET) {
            require(options.negatives, "--negatives", kind);
        }
        if (kind == LossKind.NT_LOGISTIC && options.negatives != null && options.keys == null) {
            throw new IllegalArgumentException("--negatives needs --keys for --loss nt-logistic");
        }
        if (kind == LossKind.CONTRASTIVE) {
            require(options.labels, "--labels", kind);
        } else {
            forbid(options.labels, "--labels", kind);
        }
    }

    private static void checkNumbers(LossCommand options) {
        LossKind kind = options.kind;
        if (kind.hasMargin()) {
            require(options.margin, "--margin", kind);
            forbid(options.similarity, "--similarity", kind);
        } else {
            require(options.temperature, "--temperature", kind);
            forbid(options.margin, "--margin", kind);
            forbid(options.distance, "--distance", kind);
        }
        if (kind != LossKind.NT_LOGISTIC) {
            forbid(options.negativeReduction, "--negative-reduction", kind);
        } else if (options.negatives != null && options.negativeReduction != null) {
            throw new IllegalArgumentException("--negative-reduction has no meaning with --negatives");
        }
    }

    private static void require(Object value, String option, LossKind kind) {
        if (value == null) {
            throw new IllegalArgumentException(option + " is needed for --loss " + kind.word());
        }
    }

    private static void forbid(Object value, String option, LossKind kind) {
        if (value != null) {
            throw new IllegalArgumentException(option + " has no meaning for --loss " + kind.word());
        }
    }
}
