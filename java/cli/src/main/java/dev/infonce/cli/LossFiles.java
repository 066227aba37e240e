package dev.infonce.cli;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Inputs;
import dev.infonce.Matryoshka;
import dev.infonce.Negatives;
import dev.infonce.Shape;
import dev.infonce.cli.npy.NpyArray;
import dev.infonce.cli.npy.NpyInput;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.DoublePredicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The files of one {@code infonce loss}, checked against each other.
 *
 * @param queries never null
 * @param keys null for one tower in one matrix
 * @param negatives null if not given
 * @param queue null if not given
 * @param labels null if not given
 * @param keyLabels null if not given
 * @param groups null if not given
 * @param keyGroups null if not given, or for one tower
 * @param keyOffsets null if not given
 * @param teacherScores null if not given
 * @param weights null if not given
 * @param loss with the negatives that the files hold
 */
record LossFiles(
        MatrixFile queries,
        MatrixFile keys,
        MatrixFile negatives,
        MatrixFile queue,
        int[] labels,
        int[] keyLabels,
        int[] groups,
        int[] keyGroups,
        float[] keyOffsets,
        float[] teacherScores,
        float[] weights,
        ContrastiveLoss loss,
        Shape shape) {
    private static final DoublePredicate WEIGHTS = weight -> weight >= 0 && Float.isFinite((float) weight);
    private static final DoublePredicate OFFSETS = offset -> Math.abs(offset) <= 30;
    private static final DoublePredicate SCORES = score -> Math.abs((float) score) <= 1e30f;

    /** Reads the files into memory that lives as long as the arena. */
    static LossFiles read(LossCommand options, ContrastiveLoss given, Arena arena) throws CliException {
        boolean own = given.possibleNegatives().contains(Negatives.OWN) || isOwnToo(given);
        int dimensions = own ? 3 : 2;
        MatrixFile queries = MatrixFile.read("--queries", options.queries, 2, arena);
        MatrixFile keys = MatrixFile.read("--keys", options.keys, 2, arena);
        MatrixFile negatives = MatrixFile.read("--negatives", options.negatives, dimensions, arena);
        MatrixFile queue = MatrixFile.read("--queue", options.queue, 2, arena);
        if (queries.rows() == 0) {
            throw queries.wrong("has no rows; at least 1 is needed");
        }
        ContrastiveLoss loss = settled(given, negatives);
        Shape shape = shape(loss, queries, keys, negatives);
        if (queue != null) {
            queue.requireDim(queries);
            shape = shape.withQueue(queue.rows());
        }
        long keyRows = keys == null ? 0 : Math.addExact(keys.rows(), shape.queue());
        long rows = loss.isOneTower() && keys != null ? Math.multiplyExact(2, queries.rows()) : queries.rows();
        Ids classes = new Ids(arena);
        int[] labels = loss.takesClassLabels()
                ? classes.read("--row-labels", options.rowLabels, rows)
                : options.labels == null ? null : labels(options.labels, queries.rows(), arena);
        int[] keyLabels = options.keyLabels == null ? null : classes.read("--key-labels", options.keyLabels, keyRows);
        Ids ids = new Ids(arena);
        int[] groups = options.groups == null ? null : ids.read("--groups", options.groups, rows);
        int[] keyGroups =
                groups == null || loss.isOneTower() ? null : keyGroups(ids, options.keyGroups, groups, keyRows);
        if (keyGroups == null && options.keyGroups != null) {
            throw new CliException("--key-groups: " + options.keyGroups + " is given, but one tower has no keys apart");
        }
        float[] keyOffsets = options.keyOffsets == null
                ? null
                : numbers("--key-offsets", options.keyOffsets, keyRows, OFFSETS, "numbers from -30 to 30", arena);
        float[] teacherScores =
                options.teacherScores == null ? null : teacherScores(options.teacherScores, shape, arena);
        float[] weights = options.weights == null
                ? null
                : numbers("--weights", options.weights, rows, WEIGHTS, "finite float32 numbers >= 0", arena);
        return new LossFiles(
                queries,
                keys,
                negatives,
                queue,
                labels,
                keyLabels,
                groups,
                keyGroups,
                keyOffsets,
                teacherScores,
                weights,
                loss,
                shape);
    }

    /** The narrowest type that holds the numbers of every matrix: that of all, or float32, or float64. */
    DType dtype() {
        Set<DType> types = Stream.of(queries, keys, negatives, queue)
                .filter(Objects::nonNull)
                .map(MatrixFile::dtype)
                .collect(Collectors.toSet());
        if (types.size() == 1) {
            return queries.dtype();
        }
        return types.contains(DType.FLOAT64) ? DType.FLOAT64 : DType.FLOAT32;
    }

    /** What a plan of that element type reads. */
    Inputs inputs(DType dtype, Arena arena) {
        Inputs inputs = Inputs.of(queries.matrix(dtype, arena), keys == null ? null : keys.matrix(dtype, arena));
        if (negatives != null) {
            inputs = inputs.withNegatives(negatives.matrix(dtype, arena));
        }
        if (queue != null) {
            inputs = inputs.withQueue(queue.matrix(dtype, arena));
        }
        if (keyOffsets != null) {
            inputs = inputs.withKeyOffsets(keyOffsets);
        }
        if (teacherScores != null) {
            inputs = inputs.withTeacherScores(teacherScores);
        }
        if (labels != null) {
            inputs = inputs.withLabels(labels, keyLabels);
        }
        if (groups != null) {
            inputs = inputs.withGroups(groups, keyGroups);
        }
        return weights == null ? inputs : inputs.withWeights(weights);
    }

    /** The array that an option names. */
    static NpyArray array(String option, String name, Arena arena) throws CliException {
        try {
            return NpyInput.of(name).read(arena);
        } catch (IOException e) {
            throw new CliException(option + ": " + CommandRunner.message(e), e);
        }
    }

    private static boolean isOwnToo(ContrastiveLoss loss) {
        return loss.negatives() == Negatives.IN_BATCH_AND_OWN;
    }

    /** With a file, those negatives that have a matrix of its dimensions, own ones N x M x D, others two, unless an option says which. */
    private static ContrastiveLoss settled(ContrastiveLoss loss, MatrixFile negatives) {
        if (isOwnToo(loss) || loss.takesTeacherScores()) {
            return loss;
        }
        return LossKind.forms(loss).stream()
                .filter(form -> !isOwnToo(form))
                .filter(form -> negatives == null
                        ? !form.takesNegatives()
                        : form.takesNegatives() && (form.negatives() == Negatives.OWN) == (negatives.dimensions() == 3))
                .findFirst()
                .orElseThrow();
    }

    private static Shape shape(ContrastiveLoss loss, MatrixFile queries, MatrixFile keys, MatrixFile negatives)
            throws CliException {
        long n = queries.rows();
        long dim = queries.dim();
        if (loss instanceof Matryoshka it && it.prefixes().getLast().dim() > dim) {
            throw queries.wrong("has rows of " + dim + " numbers; --prefixes wants "
                    + it.prefixes().getLast().dim());
        }
        if (keys == null) {
            if (n % 2 != 0 && !loss.takesClassLabels()) {
                throw queries.wrong("has " + n + " rows; one tower of two views needs an even number");
            }
            return Shape.tower(n, dim);
        }
        keys.requireDim(queries);
        if (negatives != null) {
            negatives.requireDim(queries);
        }
        if (loss.isOneTower() || loss.isSymmetric() || !(loss.negatives() == Negatives.IN_BATCH || isOwnToo(loss))) {
            keys.requireRows(n, "as --queries");
        } else if (loss.takesClassLabels() && keys.rows() == 0) {
            throw keys.wrong("has no rows; at least 1 is needed");
        } else if (!loss.takesClassLabels() && keys.rows() < n) {
            throw keys.wrong("has " + keys.rows() + " rows; needed are at least the " + n + " of --queries");
        }
        return switch (loss.negatives()) {
            case IN_BATCH -> Shape.of(n, keys.rows(), dim);
            case SHARED -> Shape.of(n, negatives.rows(), dim);
            case OWN -> {
                if (negatives.dimensions() != 3) {
                    yield Shape.of(n, ownNegatives(n, negatives), dim);
                }
                negatives.requireRows(n, "as --queries, each with its negatives (N x M x D)");
                yield Shape.of(n, negatives.array().size(1), dim);
            }
            case IN_BATCH_AND_OWN -> Shape.of(n, keys.rows(), dim).withOwnNegatives(ownNegatives(n, negatives));
            case PAIRED -> {
                if (negatives != null) {
                    negatives.requireRows(n, "as --queries");
                }
                yield Shape.pairs(n, dim);
            }
        };
    }

    /** How many each row has of N x K x D, or of NK x D. */
    private static long ownNegatives(long n, MatrixFile negatives) throws CliException {
        boolean cube = negatives.dimensions() == 3;
        if (cube) {
            negatives.requireRows(n, "as --queries, each with its negatives (N x K x D)");
        }
        long perRow = cube ? negatives.array().size(1) : negatives.rows() / n;
        if (perRow == 0) {
            throw negatives.wrong("has no negatives; at least 1 is needed for each row");
        }
        if (!cube && negatives.rows() % n != 0) {
            throw negatives.wrong(
                    "has " + negatives.rows() + " rows; needed is a multiple of the " + n + " of --queries");
        }
        return perRow;
    }

    private static int[] labels(String name, long rows, Arena arena) throws CliException {
        NpyArray array = vector("--labels", name, rows, arena);
        int[] labels = new int[Math.toIntExact(rows)];
        for (int i = 0; i < labels.length; i++) {
            double label = array.get(i);
            if (label != 0 && label != 1) {
                throw new CliException(
                        "--labels: " + name + " has " + number(label) + " at row " + i + "; allowed are 0 and 1");
            }
            labels[i] = (int) label;
        }
        return labels;
    }

    private static int[] keyGroups(Ids ids, String name, int[] groups, long keyRows) throws CliException {
        if (name != null) {
            return ids.read("--key-groups", name, keyRows);
        }
        if (keyRows != groups.length) {
            throw new CliException("--key-groups: needed, as --keys, with --queue, has " + keyRows
                    + " rows and --groups " + groups.length + " numbers");
        }
        return groups;
    }

    /** Ids of any size as ints, equal where they are, and numbered as they come; -1 for those below 0. */
    private static final class Ids {
        private static final double LARGEST = 0x1p53; // from here on ids that differ might become one double

        private final Arena arena;
        private final Map<Double, Integer> ints = new HashMap<>();

        Ids(Arena arena) {
            this.arena = arena;
        }

        int[] read(String option, String name, long rows) throws CliException {
            NpyArray array = vector(option, name, rows, arena);
            int[] result = new int[Math.toIntExact(rows)];
            for (int i = 0; i < result.length; i++) {
                double id = array.get(i);
                if (id != Math.rint(id) || Math.abs(id) >= LARGEST) {
                    throw new CliException(option + ": " + name + " has " + number(id) + " at row " + i
                            + "; allowed are whole numbers below 2^53 in size");
                }
                result[i] = id < 0 ? -1 : ints.computeIfAbsent(id, _ -> ints.size());
            }
            return result;
        }
    }

    /** As float32. */
    private static float[] numbers(
            String option, String name, long rows, DoublePredicate areAllowed, String allowed, Arena arena)
            throws CliException {
        return numbers(option, name, vector(option, name, rows, arena), 1, areAllowed, allowed);
    }

    private static float[] numbers(
            String option, String name, NpyArray array, long perRow, DoublePredicate areAllowed, String allowed)
            throws CliException {
        float[] numbers = new float[Math.toIntExact(array.header().elements())];
        for (int i = 0; i < numbers.length; i++) {
            double number = array.get(i);
            numbers[i] = (float) number;
            if (!areAllowed.test(number)) {
                throw new CliException(option + ": " + name + " has " + number(number) + " at row " + i / perRow
                        + "; allowed are " + allowed);
            }
        }
        return numbers;
    }

    /** One for each query's key, and then for its negatives. */
    private static float[] teacherScores(String name, Shape shape, Arena arena) throws CliException {
        String option = "--teacher-scores";
        NpyArray array = array(option, name, arena);
        long candidates = shape.m() + 1;
        if (!array.header().shape().equals(List.of(shape.n(), candidates))) {
            throw new CliException(option + ": " + name + " has shape "
                    + array.header().shapeText() + "; needed is " + shape.n() + " x " + candidates
                    + ", for each query its key and then its negatives");
        }
        return numbers(option, name, array, candidates, SCORES, "numbers from -1e30 to 1e30");
    }

    /** A number for each row that has a loss, as one dimension or as a column. */
    private static NpyArray vector(String option, String name, long rows, Arena arena) throws CliException {
        NpyArray array = array(option, name, arena);
        List<Long> shape = array.header().shape();
        if (!shape.equals(List.of(rows)) && !shape.equals(List.of(rows, 1L))) {
            throw new CliException(option + ": " + name + " has shape "
                    + array.header().shapeText() + "; allowed are " + rows + " and " + rows
                    + " x 1, for the rows that "
                    + (option.startsWith("--key-") ? "--keys has, and then --queue" : "have a loss"));
        }
        return array;
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? String.valueOf((long) value)
                : String.valueOf(value);
    }
}
