package dev.infonce.cli;

import dev.infonce.ContrastiveLoss;
import dev.infonce.Exclude;
import dev.infonce.Mining;
import dev.infonce.Negatives;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** Checks that the options of {@code infonce loss} fit each other, before any file is opened. */
final class LossOptions {
    private static final String MINING = "mining";
    private static final String TWO_TOWERS = "twoTowers";

    private final LossKind kind;
    private final Map<String, Object> components = new HashMap<>();

    private LossOptions(LossKind kind) {
        this.kind = kind;
    }

    /**
     * The loss that the options describe; its negatives are settled by {@link LossFiles}, which knows their shape.
     *
     * @throws IllegalArgumentException naming the option that is missing, superfluous or out of range
     */
    static ContrastiveLoss loss(LossCommand command) {
        LossOptions options = new LossOptions(kind(command));
        options.checkFiles(command);
        checkStandardInput(command);
        // a loss without a temperature ignores one
        if (command.kind.loss().hasTemperature()) {
            options.need("temperature", command.temperature);
        }
        options.take("bias", command.bias);
        options.need("margin", command.margin);
        options.need("scale", command.scale);
        options.need("positiveScale", command.positiveScale);
        options.need("negativeScale", command.negativeScale);
        options.take("base", command.base);
        options.take("similarity", command.similarity);
        options.take("distance", command.distance);
        options.take("denominator", command.denominator);
        options.take("aggregation", command.aggregation);
        options.take("positiveMargin", command.positiveMargin);
        options.take("classPrior", command.classPrior);
        options.take("hardness", command.hardness);
        options.takeExclusions(command);
        options.takeBlocks(command);
        options.takeOwnNegativesToo(command);
        options.checkQueue(command);
        options.takeKeyOffsets(command);
        options.checkTeacherScores(command);
        options.take("negativeReduction", command.negativeReduction);
        options.take(MINING, command.mining);
        options.take("softMargin", command.softMargin);
        options.take("reduction", command.reduction);
        if (command.negativeReduction != null && command.negatives != null) {
            throw new IllegalArgumentException("--negative-reduction has no meaning with --negatives");
        }
        ContrastiveLoss loss = options.kind.loss().with(options.components);
        return command.prefixes == null ? loss : command.prefixes.of(loss);
    }

    /** Which files there are to be depends on whether triplets are mined, and on whether keys have labels. */
    private static LossKind kind(LossCommand command) {
        if (command.keyLabels != null && command.kind.has(TWO_TOWERS)) {
            return new LossKind(command.kind.loss().with(Map.of(TWO_TOWERS, true)));
        }
        return command.mining == null || !command.kind.has(MINING)
                ? command.kind
                : new LossKind(command.kind.loss().with(Map.of(MINING, command.mining)));
    }

    private void checkFiles(LossCommand command) {
        if (!kind.has(TWO_TOWERS)) {
            forbid(command.keyLabels, "--key-labels");
        } else if (command.keyLabels != null && command.keys == null) {
            throw new IllegalArgumentException("--key-labels needs --keys");
        }
        if (kind.loss().isMined()) {
            forbid(command.keys, "--keys");
        } else if (!kind.can(ContrastiveLoss::isOneTower)) {
            require(command.keys, "--keys");
        }
        if (!kind.can(ContrastiveLoss::takesNegatives)) {
            forbid(command.negatives, "--negatives");
        } else if (kind.must(ContrastiveLoss::takesNegatives)) {
            require(command.negatives, "--negatives");
        } else if (command.negatives != null && command.keys == null) {
            throw new IllegalArgumentException("--negatives needs --keys for --loss " + kind.word());
        }
        boolean classes = kind.can(ContrastiveLoss::takesClassLabels);
        labels(command.labels, "--labels", !classes && kind.can(ContrastiveLoss::takesLabels));
        labels(command.rowLabels, "--row-labels", classes);
    }

    private void labels(String file, String option, boolean needed) {
        if (needed) {
            require(file, option);
        } else {
            forbid(file, option);
        }
    }

    private static void checkStandardInput(LossCommand command) {
        Map<String, String> files = command.files();
        files.values().removeIf(file -> !"-".equals(file));
        if (files.size() > 1) {
            throw new IllegalArgumentException(
                    String.join(" and ", files.keySet()) + " are all -; standard input can be read but once");
        }
    }

    /** Groups, and what is above a threshold. */
    private void takeExclusions(LossCommand command) {
        checkGroups(command);
        if (!kind.takesThreshold()) {
            forbid(command.excludeAbove, "--exclude-above");
        }
        Exclude excluded = command.groups == null ? Exclude.nothing() : Exclude.sameGroup();
        if (command.excludeAbove != null) {
            excluded = excluded.and(Exclude.aboveThreshold(command.excludeAbove));
        }
        if (kind.has("excluded")) {
            components.put("excluded", excluded);
        }
    }

    private void takeBlocks(LossCommand command) {
        if (!kind.takesBlocks()) {
            forbid(command.blocks, "--blocks");
        } else if (command.blocks != null) {
            checkOthersAreNegatives(command, "--blocks");
            components.put("blocks", command.blocks);
        }
    }

    private void takeOwnNegativesToo(LossCommand command) {
        if (!command.ownNegativesToo) {
            return;
        }
        if (!kind.takesOwnNegativesToo()) {
            throw new IllegalArgumentException("--own-negatives-too has no meaning for " + named());
        }
        if (command.negatives == null) {
            throw new IllegalArgumentException("--own-negatives-too needs --negatives");
        }
        components.put("negatives", Negatives.IN_BATCH_AND_OWN);
    }

    private void checkQueue(LossCommand command) {
        if (command.queue == null) {
            return;
        }
        if (!kind.takesQueue()) {
            forbid(command.queue, "--queue");
        }
        if (kind.has(TWO_TOWERS) && command.keyLabels == null) {
            throw new IllegalArgumentException("--queue needs --key-labels for " + named());
        }
        checkOthersAreNegatives(command, "--queue");
    }

    private void takeKeyOffsets(LossCommand command) {
        if (!kind.takesKeyOffsets()) {
            forbid(command.keyOffsets, "--key-offsets");
        } else if (command.keyOffsets != null) {
            checkOthersAreNegatives(command, "--key-offsets");
            components.put("hasKeyOffsets", true);
        }
    }

    private void checkTeacherScores(LossCommand command) {
        if (kind.must(ContrastiveLoss::takesTeacherScores)) {
            require(command.teacherScores, "--teacher-scores");
        } else {
            forbid(command.teacherScores, "--teacher-scores");
        }
    }

    /** Of an option that is about the other keys of a batch. */
    private static void checkOthersAreNegatives(LossCommand command, String option) {
        if (command.negatives != null && !command.ownNegativesToo) {
            throw new IllegalArgumentException(option + " has no meaning with --negatives without --own-negatives-too");
        }
    }

    private void checkGroups(LossCommand command) {
        if (!kind.has("excluded")) {
            forbid(command.groups, "--groups");
        }
        if (command.groups == null) {
            if (command.keyGroups != null) {
                throw new IllegalArgumentException("--key-groups needs --groups");
            }
            return;
        }
        checkOthersAreNegatives(command, "--groups");
    }

    /** The option named after a component, which has no default. */
    private void need(String component, Object value) {
        if (kind.has(component)) {
            require(value, option(component));
        }
        take(component, value);
    }

    private void take(String component, Object value) {
        if (!kind.has(component)) {
            forbid(value, option(component));
        } else if (value != null) {
            components.put(component, value);
        }
    }

    private static String option(String component) {
        return "--" + component.replaceAll("[A-Z]", "-$0").toLowerCase(Locale.ROOT);
    }

    private void require(Object value, String option) {
        if (value == null) {
            throw new IllegalArgumentException(option + " is needed for " + named());
        }
    }

    private void forbid(Object value, String option) {
        if (value != null) {
            throw new IllegalArgumentException(option + " has no meaning for " + named());
        }
    }

    private String named() {
        return "--loss " + kind.word()
                + (kind.loss().components().get(MINING) instanceof Mining mining
                                && kind.loss().isMined()
                        ? " --mining " + Choices.word(mining)
                        : "");
    }
}
