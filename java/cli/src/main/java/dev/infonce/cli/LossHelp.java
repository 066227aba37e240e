package dev.infonce.cli;

import dev.infonce.ContrastiveLoss;
import dev.infonce.Negatives;
import dev.infonce.Similarity;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Enumeration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.ResourceBundle;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.IModelTransformer;
import picocli.CommandLine.Model.CommandSpec;

/** What the help of {@code infonce loss} says of the losses, from what they say of themselves; made when it is asked for. */
final class LossHelp extends ResourceBundle implements IModelTransformer {
    private static final int WIDTH = 80;

    private static final Map<String, Supplier<String>> TEXTS = Map.ofEntries(
            Map.entry(
                    "with negatives",
                    () -> String.join(", ", words(kind -> kind.can(ContrastiveLoss::takesNegatives)))),
            Map.entry("with labels", () -> String.join(", ", words(LossHelp::takesPairLabels))),
            Map.entry("with aggregation", () -> spoken(words(kind -> kind.has("aggregation")))),
            Map.entry("with a bias", () -> spoken(words(kind -> kind.has("bias")))),
            Map.entry("with row labels", () -> spoken(words(kind -> kind.can(ContrastiveLoss::takesClassLabels)))),
            Map.entry("with a scale", () -> spoken(words(kind -> kind.has("scale")))),
            Map.entry("with scales", () -> spoken(words(kind -> kind.has("positiveScale")))),
            Map.entry("with a margin", () -> spoken(words(kind -> kind.has("margin")))),
            Map.entry("with a distance", () -> spoken(words(kind -> kind.has("distance")))),
            Map.entry("with a denominator", () -> spoken(words(kind -> kind.has("denominator")))),
            Map.entry("with a negative reduction", () -> spoken(words(kind -> kind.has("negativeReduction")))),
            Map.entry("with a threshold", () -> spoken(words(LossKind::takesThreshold))),
            Map.entry("with blocks", () -> spoken(words(LossKind::takesBlocks))),
            Map.entry("with own negatives too", () -> spoken(words(LossKind::takesOwnNegativesToo))),
            Map.entry("with a queue", () -> spoken(words(LossKind::takesQueue))),
            Map.entry("with key offsets", () -> spoken(words(LossKind::takesKeyOffsets))),
            Map.entry(
                    "with teacher scores", () -> spoken(words(kind -> kind.can(ContrastiveLoss::takesTeacherScores)))),
            Map.entry("without cosine", () -> String.join(", ", words(LossHelp::isOfDots))),
            Map.entry("with mining", () -> spoken(words(kind -> kind.has("mining")))),
            Map.entry("matrices", LossHelp::matrices));

    /** Annotations have the texts as {@code ${bundle:...}}. */
    @Override
    public CommandSpec transform(CommandSpec command) {
        command.resourceBundle(this);
        return command;
    }

    @Override
    protected Object handleGetObject(String key) {
        return TEXTS.containsKey(key) ? TEXTS.get(key).get() : null;
    }

    @Override
    public Enumeration<String> getKeys() {
        return Collections.enumeration(TEXTS.keySet());
    }

    private static boolean isOfDots(LossKind kind) {
        return kind.loss().components().get("similarity") == Similarity.DOT;
    }

    private static boolean takesPairLabels(LossKind kind) {
        return kind.can(ContrastiveLoss::takesLabels) && !kind.can(ContrastiveLoss::takesClassLabels);
    }

    private static List<String> words(Predicate<LossKind> property) {
        return LossKind.all().stream().filter(property).map(LossKind::word).toList();
    }

    private static String spoken(List<String> words) {
        String allButLast = String.join(", ", words.subList(0, words.size() - 1));
        return allButLast.isEmpty() ? words.getLast() : allButLast + " and " + words.getLast();
    }

    /** The ways to bring matrices, loss by loss. */
    private static String matrices() {
        List<LossKind> kinds = LossKind.all();
        int column =
                4 + kinds.stream().mapToInt(kind -> kind.word().length()).max().orElseThrow();
        Map<List<String>, String> told = new HashMap<>();
        List<String> lines = new ArrayList<>();
        for (LossKind kind : kinds) {
            List<String> ways = ways(kind);
            String line = ("  " + kind.word() + " ".repeat(column)).substring(0, column);
            String separator = "";
            for (String way : shortened(ways, told)) {
                if (!separator.isEmpty() && line.length() + separator.length() + way.length() > WIDTH) {
                    lines.add(line + ";");
                    line = " ".repeat(column);
                    separator = "or ";
                }
                line += separator + way;
                separator = "; or ";
            }
            lines.add(line);
            told.putIfAbsent(ways, kind.word());
        }
        return String.join("%n", lines);
    }

    /** Where the ways begin with all those of an earlier loss, its word stands for them. */
    private static List<String> shortened(List<String> ways, Map<List<String>, String> told) {
        for (int count = ways.size(); count > 0; count--) {
            String word = told.get(ways.subList(0, count));
            if (word != null) {
                return Stream.concat(Stream.of("as " + word), ways.stream().skip(count))
                        .toList();
            }
        }
        return ways;
    }

    private static List<String> ways(LossKind kind) {
        Stream<String> mined = kind.has("mining") ? Stream.of("queries and row labels, with --mining") : Stream.empty();
        return Stream.concat(LossKind.forms(kind.loss()).stream().flatMap(form -> ways(kind, form)), mined)
                .distinct()
                .toList();
    }

    private static Stream<String> ways(LossKind kind, ContrastiveLoss form) {
        List<Negatives> negatives = kind.loss().possibleNegatives();
        return switch (form.negatives()) {
            case IN_BATCH -> inBatch(form);
            case SHARED, OWN ->
                form.takesTeacherScores()
                        ? Stream.of("N keys, negatives N x M x D (own) and teacher scores N x (M + 1)")
                        : Stream.of(negatives.stream()
                                .filter(Set.of(Negatives.SHARED, Negatives.OWN)::contains)
                                .map(which -> which == Negatives.SHARED ? "M x D (shared)" : "N x M x D (own)")
                                .collect(Collectors.joining(" or ", "N keys and negatives ", "")));
            case IN_BATCH_AND_OWN ->
                Stream.of("queries, keys (M rows) and negatives N x K x D, with --own-negatives-too");
            case PAIRED ->
                Stream.of(
                        form.takesLabels()
                                ? "queries, keys and labels (1 alike, 0 not)"
                                : negatives.size() > 1
                                        ? "triples: queries, keys, negatives"
                                        : "queries (anchors), keys (positives), negatives");
        };
    }

    private static Stream<String> inBatch(ContrastiveLoss form) {
        if (form.isMined()) {
            return Stream.of("queries and row labels");
        }
        if (form.takesClassLabels()) {
            return Stream.of(
                    "queries and row labels",
                    "one view each as queries and keys, and 2N row labels",
                    "two towers: queries, row labels, keys (M rows), key labels");
        }
        if (form.isOneTower()) {
            return Stream.of(
                    "queries (2N rows, row i and row i + N being two views)", "one view each as queries and keys");
        }
        return Stream.of(
                form.isSymmetric()
                        ? "queries, keys (N rows each)"
                        : "queries, keys (M rows, M >= N; row i's positive is key i)");
    }
}
