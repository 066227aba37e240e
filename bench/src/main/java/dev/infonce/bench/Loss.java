package dev.infonce.bench;

import dev.infonce.ContrastiveLoss;
import dev.infonce.InfoNce;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.Shape;
import dev.infonce.Triplet;
import java.util.Arrays;
import java.util.Locale;

/** The losses that are measured, all with cosine similarity, or cosine distance. */
public enum Loss {
    /** InfoNCE, in-batch negatives. */
    INFONCE,
    /** InfoNCE of both directions, as in CLIP. */
    SYMMETRIC,
    /** NT-Xent of one tower of n rows, two views. */
    NT_XENT,
    /** NT-Logistic of one tower of n rows, two views. */
    NT_LOGISTIC,
    /** Triplets of rows. */
    TRIPLET;

    /** The temperature of all that have one. */
    public static final double TEMPERATURE = 0.07;

    /** So wide that every triplet counts. */
    private static final double MARGIN = 10;

    /** The loss of a name such as nt-xent. */
    public static Loss named(String name) {
        return Arrays.stream(values())
                .filter(loss -> loss.word().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no loss " + name));
    }

    /** The name, such as nt-xent. */
    public String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    ContrastiveLoss loss() {
        return switch (this) {
            case INFONCE -> InfoNce.withTemperature(TEMPERATURE);
            case SYMMETRIC -> InfoNce.withTemperature(TEMPERATURE).symmetric();
            case NT_XENT -> NtXent.withTemperature(TEMPERATURE);
            case NT_LOGISTIC -> NtLogistic.withTemperature(TEMPERATURE);
            case TRIPLET -> Triplet.withMargin(MARGIN);
        };
    }

    Shape shape(int n, int dim) {
        return isTower() ? Shape.tower(n, dim) : Shape.of(n, n, dim);
    }

    boolean isTower() {
        return this == NT_XENT || this == NT_LOGISTIC;
    }

    /** Whether all rows meet all others, so that work is counted in products of matrices. */
    boolean isDense() {
        return this != TRIPLET;
    }
}
