package dev.infonce.cli;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Exclude;
import dev.infonce.InfoNce;
import dev.infonce.Matryoshka;
import dev.infonce.Negatives;
import dev.infonce.Reduction;
import dev.infonce.Threshold;
import dev.infonce.suite.Case;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** A case as the command line gets it: its numbers in .npy files of a folder, its loss as options. */
final class CaseFiles {
    /** Components of losses that the files, or the loss's word, tell. */
    private static final Set<String> NO_OPTIONS =
            Set.of("negatives", "isSymmetric", "excluded", "twoTowers", "blocks", "hasKeyOffsets");

    private CaseFiles() {}

    /** Writes the files of a case; the arguments that name them and say the loss. */
    static List<String> write(Path folder, Case c) throws IOException {
        Files.createDirectories(folder);
        List<String> arguments = new ArrayList<>(List.of("loss", "--loss", new LossKind(c.loss()).word()));
        addOptions(arguments, c.loss());
        addThreshold(arguments, c.loss());
        addBlocks(arguments, c.loss());
        if (c.loss() instanceof Matryoshka it) {
            add(
                    arguments,
                    "prefixes",
                    String.join(
                            ",",
                            it.prefixes().stream()
                                    .map(prefix -> "" + prefix.dim())
                                    .toList()));
        }
        add(arguments, "queries", matrix(folder, "queries", c.dtype(), c.queries()));
        if (c.keys() != null) {
            add(arguments, "keys", matrix(folder, "keys", c.dtype(), c.keys()));
        }
        if (c.negatives() != null) {
            long[] sizes = switch (c.loss().negatives()) {
                case OWN -> new long[] {c.shape().n(), c.shape().m(), c.shape().dim()};
                case IN_BATCH_AND_OWN ->
                    c.shape().n() % 2 == 0
                            ? new long[] {
                                c.shape().n(),
                                c.shape().ownNegatives(),
                                c.shape().dim()
                            }
                            : sizes(c.negatives());
                case IN_BATCH, SHARED, PAIRED -> sizes(c.negatives());
            };
            if (c.loss().negatives() == Negatives.IN_BATCH_AND_OWN) {
                arguments.add("--own-negatives-too");
            }
            add(arguments, "negatives", matrix(folder, "negatives", c.dtype(), c.negatives(), sizes));
        }
        if (c.queue() != null) {
            add(arguments, "queue", matrix(folder, "queue", c.dtype(), c.queue()));
        }
        addFloats(arguments, folder, "key-offsets", c.keyOffsets());
        if (c.teacherScores() != null) {
            double[][] scores = new double[c.rows()][(int) c.shape().m() + 1];
            for (int k = 0; k < c.teacherScores().length; k++) {
                scores[k / scores[0].length][k % scores[0].length] = c.teacherScores()[k];
            }
            add(arguments, "teacher-scores", matrix(folder, "teacher-scores", c.dtype(), scores));
        }
        if (c.labels() != null) {
            addLabels(arguments, folder, c.loss().takesClassLabels() ? "row-labels" : "labels", c.labels());
        }
        if (c.keyLabels() != null) {
            addLabels(arguments, folder, "key-labels", c.keyLabels());
        }
        addGroups(arguments, folder, "groups", c.groups());
        addGroups(arguments, folder, "key-groups", c.keyGroups());
        addFloats(arguments, folder, "weights", c.weights());
        return arguments;
    }

    private static void addFloats(List<String> arguments, Path folder, String name, float... floats)
            throws IOException {
        if (floats != null) {
            double[] numbers = IntStream.range(0, floats.length)
                    .mapToDouble(i -> floats[i])
                    .toArray();
            add(arguments, name, NpyTestFiles.floats(folder.resolve(name + ".npy"), shape(numbers.length), numbers));
        }
    }

    private static void addLabels(List<String> arguments, Path folder, String name, int[] labels) throws IOException {
        Path file = folder.resolve(name + ".npy");
        add(arguments, name, NpyTestFiles.bytes(file, "|i1", shape(labels.length), labels));
    }

    private static void addGroups(List<String> arguments, Path folder, String name, int[] groups) throws IOException {
        if (groups != null) {
            double[] numbers = Arrays.stream(groups).asDoubleStream().toArray();
            add(arguments, name, NpyTestFiles.floats(folder.resolve(name + ".npy"), shape(numbers.length), numbers));
        }
    }

    /** A matrix as a file that has its name and elements of its type. */
    static Path matrix(Path folder, String name, DType dtype, double[][] rows, long... sizes) throws IOException {
        double[] numbers = Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
        Path file = folder.resolve(name + ".npy");
        String shape = shape(sizes.length == 0 ? sizes(rows) : sizes);
        return dtype == DType.FLOAT32
                ? NpyTestFiles.floats(file, shape, numbers)
                : NpyTestFiles.doubles(file, shape, numbers);
    }

    private static long[] sizes(double[][] rows) {
        return new long[] {rows.length, rows[0].length};
    }

    private static String shape(long... sizes) {
        String numbers = Arrays.toString(sizes);
        return "(" + numbers.substring(1, numbers.length() - 1) + (sizes.length == 1 ? ",)" : ")");
    }

    private static void add(List<String> arguments, String name, Object value) {
        arguments.addAll(List.of("--" + name, value.toString()));
    }

    /** Every component of the loss as the option of its name; means are what is meant where nothing is said. */
    private static void addOptions(List<String> arguments, ContrastiveLoss loss) {
        loss.components().forEach((name, value) -> {
            if (!NO_OPTIONS.contains(name) && value != Reduction.MEAN) {
                String option = name.replaceAll("[A-Z]", "-$0").toLowerCase(Locale.ROOT);
                if (value instanceof Boolean flag) {
                    arguments.addAll(flag ? List.of("--" + option) : List.of());
                    return;
                }
                add(arguments, option, value instanceof Enum<?> word ? word(word) : value);
            }
        });
    }

    private static void addThreshold(List<String> arguments, ContrastiveLoss loss) {
        if (loss.components().get("excluded") instanceof Exclude excluded
                && !excluded.threshold().isNone()) {
            Threshold threshold = excluded.threshold();
            add(arguments, "exclude-above", word(threshold.kind()) + ":" + threshold.margin());
        }
    }

    private static void addBlocks(List<String> arguments, ContrastiveLoss loss) {
        if (loss instanceof InfoNce of && !of.blocks().isEmpty()) {
            add(arguments, "blocks", of.blocks().stream().map(CaseFiles::word).collect(Collectors.joining(",")));
        }
    }

    private static String word(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', '-').replace("negative-", "neg-");
    }
}
