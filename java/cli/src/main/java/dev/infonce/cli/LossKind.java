package dev.infonce.cli;

import dev.infonce.Block;
import dev.infonce.ContrastiveLoss;
import dev.infonce.Exclude;
import dev.infonce.Negatives;
import dev.infonce.Threshold;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * A loss that {@code --loss} names: one of every kind that the library has, and another one where it can be symmetric.
 *
 * @param loss with default values
 */
record LossKind(ContrastiveLoss loss) {
    private static final String SYMMETRIC = "isSymmetric";

    static List<LossKind> all() {
        return ContrastiveLoss.kinds().stream()
                .flatMap(kind -> kind.components().containsKey(SYMMETRIC)
                        ? Stream.of(kind, kind.with(Map.of(SYMMETRIC, true)))
                        : Stream.of(kind))
                .map(LossKind::new)
                .toList();
    }

    /** What {@code --loss} calls it: "symmetric" if it is InfoNCE, "symmetric-" and the kind's word for others that are. */
    String word() {
        return loss.isSymmetric() ? "symmetric-".concat(loss.word()).replace("-infonce", "") : loss.word();
    }

    /** The loss with each of the negatives that it can have; what a call brings depends on them. */
    static List<ContrastiveLoss> forms(ContrastiveLoss loss) {
        return loss.possibleNegatives().stream()
                .map(negatives -> negatives == loss.negatives() ? loss : loss.with(Map.of("negatives", negatives)))
                .toList();
    }

    /** Whether some form is so. */
    boolean can(Predicate<ContrastiveLoss> property) {
        return forms(loss).stream().anyMatch(property);
    }

    /** Whether every form is so. */
    boolean must(Predicate<ContrastiveLoss> property) {
        return forms(loss).stream().allMatch(property);
    }

    /** Whether negatives may be left out because they are too similar. */
    boolean takesThreshold() {
        return takes("excluded", Exclude.aboveThreshold(Threshold.relative(0)));
    }

    /** Whether rows may have negatives of their own beside the other keys. */
    boolean takesOwnNegativesToo() {
        return takes("negatives", Negatives.IN_BATCH_AND_OWN);
    }

    /** Whether pairs of two queries, or two keys, may be negatives. */
    boolean takesBlocks() {
        return takes("blocks", Set.of(Block.values()));
    }

    /** Whether keys may have offsets. */
    boolean takesKeyOffsets() {
        return takes("hasKeyOffsets", true);
    }

    /** Whether a queue may stand behind the keys, of two towers if the kind has a choice. */
    boolean takesQueue() {
        return has("twoTowers") || loss.takesQueue();
    }

    private boolean takes(String component, Object value) {
        if (!has(component)) {
            return false;
        }
        try {
            loss.with(Map.of(component, value));
            return true;
        } catch (IllegalArgumentException _) {
            return false;
        }
    }

    boolean has(String component) {
        return loss.components().containsKey(component);
    }
}
