package dev.infonce;

import java.util.Objects;

/**
 * How similar to its row a negative may be before it is taken for a positive that nobody told of, by the similarity of the row's
 * own positive s_i+: absent is what is above, strictly, so that with a margin of 0 a copy of the positive stays. GIST (2402.16829)
 * has the idea; CachedGISTEmbedLoss of sentence-transformers calls the kinds margin_strategy "absolute" and "relative";
 * Qwen3-Embedding (2506.05176) is absolute with a margin of -0.1.
 *
 * @param kind what the margin is relative to
 * @param margin by how much less similar than the positive a negative has to be. ABSOLUTE: of a size of at most 1e100, and below 0
 *     a negative may be that much more similar than the positive. RELATIVE: in [0, 1e100]. NONE: 0
 */
public record Threshold(Kind kind, @DefaultNumber(0) double margin) {
    private static final double LARGEST_MARGIN = 1e100;
    private static final Threshold NONE = new Threshold(Kind.NONE, 0);

    /** What a margin is relative to. */
    public enum Kind {
        /** No threshold. */
        NONE,
        /** Nothing: absent if {@code s_ij > s_i+ - margin}. */
        ABSOLUTE,
        /** The positive: absent if {@code s_ij > s_i+ - |s_i+| margin}. */
        RELATIVE
    }

    /**
     * Checks the margin.
     *
     * @throws IllegalArgumentException if it is out of range
     * @throws NullPointerException if there is no kind
     */
    public Threshold {
        Objects.requireNonNull(kind, "kind");
        switch (kind) {
            case NONE -> Checks.argument(margin == 0, "margin: must be 0 without a threshold, but got %s", margin);
            case ABSOLUTE ->
                Checks.argument(
                        Math.abs(margin) <= LARGEST_MARGIN,
                        "margin: of an absolute threshold must be in [-1e100, 1e100], but got %s",
                        margin);
            case RELATIVE ->
                Checks.argument(
                        margin >= 0 && margin <= LARGEST_MARGIN,
                        "margin: of a relative threshold must be in [0, 1e100], but got %s",
                        margin);
        }
    }

    /**
     * All negatives stay.
     *
     * @return the threshold
     */
    public static Threshold none() {
        return NONE;
    }

    /**
     * Absent if {@code s_ij > s_i+ - margin}.
     *
     * @param margin in units of the similarity, of a size of at most 1e100
     * @return the threshold
     * @throws IllegalArgumentException if it is out of range
     */
    public static Threshold absolute(double margin) {
        return new Threshold(Kind.ABSOLUTE, margin);
    }

    /**
     * Absent if {@code s_ij > s_i+ - |s_i+| margin}.
     *
     * @param margin a share of the positive's similarity, in [0, 1e100]
     * @return the threshold
     * @throws IllegalArgumentException if it is out of range
     */
    public static Threshold relative(double margin) {
        return new Threshold(Kind.RELATIVE, margin);
    }

    /**
     * Whether all negatives stay.
     *
     * @return whether there is no threshold
     */
    public boolean isNone() {
        return switch (kind) {
            case NONE -> true;
            case ABSOLUTE, RELATIVE -> false;
        };
    }

    /**
     * Above which similarity negatives are absent.
     *
     * @param positive the similarity of the row's positive
     * @return the limit, infinite for none
     */
    public double limit(double positive) {
        return switch (kind) {
            case NONE -> Double.POSITIVE_INFINITY;
            case ABSOLUTE -> positive - margin;
            case RELATIVE -> positive - Math.abs(positive) * margin;
        };
    }
}
