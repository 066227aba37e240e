package dev.infonce.cli;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import dev.infonce.Negatives;
import dev.infonce.Shape;
import dev.infonce.cli.npy.NpyArray;
import dev.infonce.cli.npy.NpyFile;
import dev.infonce.cli.npy.NpyType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * The files of one {@code infonce loss}, checked against each other.
 *
 * @param queries never null
 * @param keys null for one tower in one matrix
 * @param negatives null if not given
 * @param loss with the negatives that the files hold
 * @param dtype float32 if every matrix is, else float64
 */
record LossFiles(
        MatrixFile queries,
        MatrixFile keys,
        MatrixFile negatives,
        ContrastiveLoss loss,
        Shape shape,
        DType dtype,
        Inputs inputs) {
    /** Maps the files into memory that lives as long as the arena. */
    static LossFiles read(LossCommand options, ContrastiveLoss given, Arena arena) throws IOException, CliException {
        int dimensions = given.possibleNegatives().contains(Negatives.OWN) ? 3 : 2;
        MatrixFile queries = MatrixFile.read("--queries", options.queries, 2, arena);
        MatrixFile keys = MatrixFile.read("--keys", options.keys, 2, arena);
        MatrixFile negatives = MatrixFile.read("--negatives", options.negatives, dimensions, arena);
        if (queries.rows() == 0) {
            throw queries.wrong("has no rows; at least 1 is needed");
        }
        ContrastiveLoss loss = settled(given, negatives);
        Shape shape = shape(loss, queries, keys, negatives);
        DType dtype =
                Stream.of(queries, keys, negatives).anyMatch(file -> file != null && file.type() == NpyType.FLOAT64)
                        ? DType.FLOAT64
                        : DType.FLOAT32;
        Matrix keyMatrix = keys == null ? null : keys.matrix(dtype, arena);
        Matrix queryMatrix = queries.matrix(dtype, arena);
        Inputs inputs = keys == null ? Inputs.of(queryMatrix) : Inputs.of(queryMatrix, keyMatrix);
        if (negatives != null) {
            inputs = inputs.withNegatives(negatives.matrix(dtype, arena));
        }
        if (options.labels != null) {
            inputs = inputs.withLabels(labels(options.labels, queries.rows(), arena));
        }
        if (options.weights != null) {
            long rows = loss.isOneTower() && keys != null ? Math.multiplyExact(2, queries.rows()) : queries.rows();
            inputs = inputs.withWeights(weights(options.weights, rows, arena));
        }
        return new LossFiles(queries, keys, negatives, loss, shape, dtype, inputs);
    }

    /** With a file, those negatives that have a matrix of its dimensions: own ones N x M x D, others two. */
    private static ContrastiveLoss settled(ContrastiveLoss loss, MatrixFile negatives) {
        return LossKind.forms(loss).stream()
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
        if (keys == null) {
            if (n % 2 != 0) {
                throw queries.wrong("has " + n + " rows; one tower of two views needs an even number");
            }
            return Shape.tower(n, dim);
        }
        keys.requireDim(queries);
        if (negatives != null) {
            negatives.requireDim(queries);
        }
        if (loss.isOneTower() || loss.isSymmetric() || loss.negatives() != Negatives.IN_BATCH) {
            keys.requireRows(n, "as --queries");
        } else if (keys.rows() < n) {
            throw keys.wrong("has " + keys.rows() + " rows; needed are at least the " + n + " of --queries");
        }
        return switch (loss.negatives()) {
            case IN_BATCH -> Shape.of(n, keys.rows(), dim);
            case SHARED -> Shape.of(n, negatives.rows(), dim);
            case OWN -> {
                negatives.requireRows(n, "as --queries, each with its negatives (N x M x D)");
                yield Shape.of(n, negatives.array().size(1), dim);
            }
            case PAIRED -> {
                if (negatives != null) {
                    negatives.requireRows(n, "as --queries");
                }
                yield Shape.pairs(n, dim);
            }
        };
    }

    private static int[] labels(Path path, long rows, Arena arena) throws IOException, CliException {
        NpyArray array = vector("--labels", path, rows, arena);
        int[] labels = new int[Math.toIntExact(rows)];
        for (int i = 0; i < labels.length; i++) {
            double label = array.get(i);
            if (label != 0 && label != 1) {
                throw new CliException(
                        "--labels: " + path + " has " + number(label) + " at row " + i + "; allowed are 0 and 1");
            }
            labels[i] = (int) label;
        }
        return labels;
    }

    private static float[] weights(Path path, long rows, Arena arena) throws IOException, CliException {
        NpyArray array = vector("--weights", path, rows, arena);
        float[] weights = new float[Math.toIntExact(rows)];
        for (int i = 0; i < weights.length; i++) {
            double weight = array.get(i);
            weights[i] = (float) weight;
            if (!(weight >= 0) || Float.isInfinite(weights[i])) {
                throw new CliException("--weights: " + path + " has " + number(weight) + " at row " + i
                        + "; allowed are finite float32 numbers >= 0");
            }
        }
        return weights;
    }

    private static NpyArray vector(String option, Path path, long rows, Arena arena) throws IOException, CliException {
        NpyArray array = NpyFile.read(path, arena);
        if (array.header().dimensions() != 1 || array.size(0) != rows) {
            throw new CliException(
                    option + ": " + path + " has shape " + array.header().shapeText() + "; needed is one dimension of "
                            + rows + ", the rows that have a loss");
        }
        return array;
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? String.valueOf((long) value)
                : String.valueOf(value);
    }
}
