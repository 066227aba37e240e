package dev.infonce.bench;

import dev.infonce.ContrastiveLoss;
import dev.infonce.InfoNce;
import dev.infonce.Mining;
import dev.infonce.Negatives;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.Shape;
import dev.infonce.SigLip;
import dev.infonce.SupCon;
import dev.infonce.Triplet;
import java.util.Arrays;
import java.util.Locale;

/** The losses that are measured, with cosine similarity or the distance that is their default. */
public enum Loss {
    /** InfoNCE, in-batch negatives. */
    INFONCE(InfoNce.withTemperature(Loss.TEMPERATURE)),
    /** InfoNCE of both directions, as in CLIP. */
    SYMMETRIC(InfoNce.withTemperature(Loss.TEMPERATURE).symmetric()),
    /** NT-Xent of one tower of n rows, two views. */
    NT_XENT(NtXent.withTemperature(Loss.TEMPERATURE)),
    /** NT-Logistic of one tower of n rows, two views. */
    NT_LOGISTIC(NtLogistic.withTemperature(Loss.TEMPERATURE)),
    /** Triplets of rows, with so wide a margin that every one counts. */
    TRIPLET(Triplet.withMargin(10)),
    /** SupCon of one tower of n rows, {@link #ROWS_OF_A_LABEL} of each label. */
    SUPCON(SupCon.withTemperature(Loss.TEMPERATURE)),
    /** SigLIP with the bias that it starts from. */
    SIGLIP(SigLip.withTemperatureAndBias(0.1, Loss.BIAS)),
    /** Batch-hard triplets of one tower of n rows, by Euclidean distances. */
    BATCH_HARD(Triplet.withMargin(Loss.MARGIN).mining(Mining.BATCH_HARD));

    /** The temperature of all that have one. */
    public static final double TEMPERATURE = 0.07;

    /** The bias of {@link #SIGLIP}, whose temperature is 0.1. */
    public static final double BIAS = -10;

    /** The margin of {@link #BATCH_HARD}. */
    public static final double MARGIN = 0.2;

    /** Labels are {@code i % (n / ROWS_OF_A_LABEL)}. */
    private static final int ROWS_OF_A_LABEL = 8;

    private final ContrastiveLoss loss;

    Loss(ContrastiveLoss loss) {
        this.loss = loss;
    }

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
        return loss;
    }

    Shape shape(int n, int dim) {
        return loss.isOneTower() ? Shape.tower(n, dim) : Shape.of(n, n, dim);
    }

    /** Whether queries are all rows there are. */
    public boolean isOneTower() {
        return loss.isOneTower();
    }

    /** The label of row i of n. */
    public static int label(int i, int n) {
        return i % Math.max(1, n / ROWS_OF_A_LABEL);
    }

    /** Whether columns have a loss too. */
    public boolean isSymmetric() {
        return loss.isSymmetric();
    }

    /** Whether all rows meet all others, so that work is counted in products of matrices. */
    boolean isDense() {
        return loss.negatives() == Negatives.IN_BATCH && !loss.isMined();
    }
}
