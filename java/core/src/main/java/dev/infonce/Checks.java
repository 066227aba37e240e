package dev.infonce;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;

/** The checks of arguments that need no plan. Each message names the argument, what was given and what is allowed. */
final class Checks {
    private static final long MAX_DIM = 1L << 20;
    private static final long MAX_WORK = 1L << 60;

    private Checks() {}

    static void argument(boolean valid, String format, Object... args) {
        if (!valid) {
            throw invalid(format, args);
        }
    }

    /** What to throw where calls pass so often that not even the arguments of a message may be made in vain. */
    static IllegalArgumentException invalid(String format, Object... args) {
        return new IllegalArgumentException(String.format(format, args));
    }

    static void range(String name, long value, long min, long max) {
        argument(value >= min && value <= max, "%s: must be in [%d, %d], but got %d", name, min, max, value);
    }

    static void temperature(double temperature) {
        argument(
                temperature >= 1e-9 && temperature <= 1e9,
                "temperature: must be in [1e-9, 1e9], but got %s",
                temperature);
    }

    static void classPrior(double classPrior, Denominator denominator, Similarity similarity, Exclude excluded) {
        argument(classPrior >= 0 && classPrior < 1, "classPrior: must be in [0, 1), but got %s", classPrior);
        if (classPrior > 0) {
            argument(
                    denominator == Denominator.ALL,
                    "classPrior: a debiased loss has the denominator ALL, but got %s",
                    denominator);
            argument(
                    similarity == Similarity.COSINE,
                    "classPrior: a debiased loss is of COSINE, which has a smallest similarity, but got %s",
                    similarity);
            argument(
                    !excluded.groups(),
                    "classPrior: a debiased loss excludes no groups, as these leave rows different numbers of negatives");
            argument(
                    excluded.threshold().isNone(),
                    "classPrior: a debiased loss has no threshold, as that leaves rows different numbers of negatives, but got %s",
                    excluded.threshold());
        }
    }

    /** The constants in their order, unmodifiable; elements of another type come from callers that know components by name only. */
    static <E extends Enum<E>> Set<E> constants(String name, Class<E> type, Set<E> given) {
        Objects.requireNonNull(given, name);
        EnumSet<E> constants = EnumSet.noneOf(type);
        for (Object one : given) {
            argument(type.isInstance(one), "%s: must be of %s, but got %s", name, type.getSimpleName(), one);
            constants.add(type.cast(one));
        }
        return Collections.unmodifiableSet(constants);
    }

    static void bias(double bias) {
        argument(bias >= -1e30 && bias <= 1e30, "bias: must be in [-1e30, 1e30], but got %s", bias);
    }

    static void hardness(double hardness, double classPrior) {
        argument(hardness >= 0 && hardness <= 1e3, "hardness: must be in [0, 1000], but got %s", hardness);
        argument(
                hardness == 0 || classPrior == 0,
                "hardness: a debiased loss has none, as its prior is that of all negatives alike, but got %s with %s",
                hardness,
                classPrior);
    }

    static void positiveMargin(double positiveMargin) {
        argument(
                positiveMargin >= 0 && positiveMargin <= 1e100,
                "positiveMargin: must be in [0, 1e100], but got %s",
                positiveMargin);
    }

    static void scale(String name, double scale) {
        argument(scale > 0 && scale <= 1e4, "%s: must be in (0, 1e4], but got %s", name, scale);
    }

    /** Of losses whose rows are compared by their distances. */
    static void ofDistances(String loss, Similarity similarity) {
        boolean has = switch (Objects.requireNonNull(similarity, "similarity")) {
            case COSINE, NEGATIVE_SQUARED_EUCLIDEAN, NEGATIVE_EUCLIDEAN -> true;
            case DOT -> false;
        };
        argument(
                has,
                "similarity: %s compares rows by distances, and there is none of DOT; normalise the rows and use COSINE",
                loss);
    }

    static void shape(long n, long m, long dim, long ownNegatives, long queue) {
        range("n", n, 1, Long.MAX_VALUE);
        range("m", m, 0, Long.MAX_VALUE);
        range("dim", dim, 1, MAX_DIM);
        range("ownNegatives", ownNegatives, 0, Long.MAX_VALUE);
        range("queue", queue, 0, Long.MAX_VALUE);
        argument(
                isSmall(n, Math.max(1, m), dim),
                "shape: n * max(1, m) * dim must be < 2^60, but got n = %d, m = %d, dim = %d",
                n,
                m,
                dim);
        argument(
                isSmall(n, Math.max(1, ownNegatives), dim),
                "shape: n * ownNegatives * dim must be < 2^60, but got n = %d, ownNegatives = %d, dim = %d",
                n,
                ownNegatives,
                dim);
        argument(
                queue < MAX_WORK && isSmall(n, Math.max(1, m + queue), dim),
                "shape: n * (m + queue) * dim must be < 2^60, but got n = %d, m = %d, queue = %d, dim = %d",
                n,
                m,
                queue,
                dim);
    }

    private static boolean isSmall(long n, long perRow, long dim) {
        return Math.multiplyHigh(n, perRow) == 0
                && n * perRow > 0
                && Math.multiplyHigh(n * perRow, dim) == 0
                && n * perRow * dim > 0
                && n * perRow * dim < MAX_WORK;
    }

    /** The elements from the first of the first row to the last of the last row. */
    static long span(long rows, long dim, long rowStride) {
        range("rows", rows, 0, Long.MAX_VALUE);
        range("dim", dim, 1, MAX_DIM);
        argument(rowStride >= dim, "rowStride: must be >= dim = %d, but got %d", dim, rowStride);
        if (rows == 0) {
            return 0;
        }
        boolean fits = Math.multiplyHigh(rows - 1, rowStride) == 0
                && (rows - 1) * rowStride >= 0
                && (rows - 1) * rowStride + dim > 0
                && (rows - 1) * rowStride + dim < MAX_WORK;
        argument(fits, "rows * rowStride: must be < 2^60, but got %d * %d", rows, rowStride);
        return (rows - 1) * rowStride + dim;
    }
}
