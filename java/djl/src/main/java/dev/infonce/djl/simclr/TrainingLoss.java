package dev.infonce.djl.simclr;

import dev.infonce.ContrastiveLoss;
import dev.infonce.Distance;
import dev.infonce.Losses;
import dev.infonce.Mining;
import dev.infonce.NtLogistic;
import dev.infonce.Triplet;
import java.util.Arrays;
import java.util.function.DoubleFunction;
import java.util.stream.Collectors;

/** What a run can learn by. Temperatures and margins are those of the papers, but for NT-Xent's, which each recipe brings. */
public enum TrainingLoss {
    /** SimCLR's own (2002.05709 eq. 1). */
    NTXENT("ntxent", "NT-Xent", Labels.NO_CLASSES, Losses::simclr),

    /** 2110.06848 eq. 6. */
    DCL("dcl", "DCL", Labels.NO_CLASSES, _ -> Losses.dcl(0.1)),

    /** 2004.11362 eq. 2, section 4. */
    SUPCON("supcon", "SupCon", Labels.CLASSES, _ -> Losses.supcon(0.1)),

    /** 2303.15343 eq. 1, the two views as the two towers; temperature and bias are learned from where they start there. */
    SIGLIP("siglip", "SigLIP", Labels.NO_CLASSES, _ -> Losses.siglip()),

    /** 2002.05709 table 2, with one of the temperatures that its appendix tries. */
    NT_LOGISTIC("nt-logistic", "NT-Logistic", Labels.NO_CLASSES, _ -> NtLogistic.withTemperature(0.2)),

    /** 2002.05709 table 2 with semi-hard mining, cosines, and the middle one of the margins that its appendix tries. */
    TRIPLET(
            "triplet",
            "triplet",
            Labels.NO_CLASSES,
            _ -> Triplet.withMargin(0.4).withDistance(Distance.COSINE).mining(Mining.SEMI_HARD));

    private enum Labels {
        NO_CLASSES,
        CLASSES
    }

    private final String word;
    private final String title;
    private final Labels labels;
    private final DoubleFunction<ContrastiveLoss> maker;

    TrainingLoss(String word, String title, Labels labels, DoubleFunction<ContrastiveLoss> maker) {
        this.word = word;
        this.title = title;
        this.labels = labels;
        this.maker = maker;
    }

    /**
     * The loss of a word on the command line.
     *
     * @throws IllegalArgumentException if it is none of them
     */
    public static TrainingLoss ofWord(String word) {
        return Arrays.stream(values())
                .filter(loss -> loss.word.equals(word))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("--loss is " + word + ", allowed are "
                        + Arrays.stream(values()).map(TrainingLoss::word).collect(Collectors.joining(", "))));
    }

    /** Its name on the command line. */
    public String word() {
        return word;
    }

    /** Its name in texts. */
    public String title() {
        return title;
    }

    /** Whether it is told the images' classes, so that the encoder learns from labels. */
    public boolean seesClasses() {
        return labels == Labels.CLASSES;
    }

    /** The loss, given the temperature that the recipe has for NT-Xent. */
    ContrastiveLoss withTemperature(double temperature) {
        return maker.apply(temperature);
    }
}
