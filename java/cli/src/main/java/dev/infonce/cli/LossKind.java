package dev.infonce.cli;

import java.util.Locale;

/** The losses of {@code infonce loss}. */
enum LossKind {
    INFONCE,
    SYMMETRIC,
    NTXENT,
    NT_LOGISTIC,
    CONTRASTIVE,
    TRIPLET;

    /** What {@code --loss} calls it. */
    String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Whether it has a margin and a distance; else it has a temperature and a similarity. */
    boolean hasMargin() {
        return this == CONTRASTIVE || this == TRIPLET;
    }

    /** Whether one tower of two views may come as one matrix. */
    boolean allowsOneMatrix() {
        return this == NTXENT || this == NT_LOGISTIC;
    }

    boolean allowsNegatives() {
        return this == INFONCE || this == NT_LOGISTIC || this == TRIPLET;
    }
}
