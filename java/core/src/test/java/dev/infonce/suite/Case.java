package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import dev.infonce.Shape;
import java.util.Arrays;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Consumer;

/**
 * A loss with everything that a call reads, as doubles. Values are what the device gets: already rounded to dtype.
 * keys, negatives, queue, labels, groups, offsets, teacherScores, weights and upstream are null where there are none; temperature is NaN for margin losses.
 */
public record Case(
        ContrastiveLoss loss,
        Shape shape,
        DType dtype,
        double[][] queries,
        double[][] keys,
        double[][] negatives,
        double[][] queue,
        int[] labels,
        int[] keyLabels,
        int[] groups,
        int[] keyGroups,
        float[] keyOffsets,
        float[] teacherScores,
        float[] weights,
        float[] upstream,
        double temperature) {

    public Case {
        queries = rounded(queries, dtype);
        keys = rounded(keys, dtype);
        negatives = rounded(negatives, dtype);
        queue = rounded(queue, dtype);
    }

    static Case of(ContrastiveLoss loss, double temperature, DType dtype, double[][] queries, double[][] keys) {
        int m = keys == null ? 0 : keys.length;
        Shape shape = Shape.of(queries.length, m, queries[0].length);
        return new Case(
                loss,
                shape,
                dtype,
                queries,
                keys,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                temperature);
    }

    /** The components, to be changed. */
    private static final class Draft {
        ContrastiveLoss loss;
        Shape shape;
        DType dtype;
        double[][] queries;
        double[][] keys;
        double[][] negatives;
        double[][] queue;
        int[] labels;
        int[] keyLabels;
        int[] groups;
        int[] keyGroups;
        float[] keyOffsets;
        float[] teacherScores;
        float[] weights;
        float[] upstream;
        double temperature;

        Draft(Case from) {
            loss = from.loss;
            shape = from.shape;
            dtype = from.dtype;
            queries = from.queries;
            keys = from.keys;
            negatives = from.negatives;
            queue = from.queue;
            labels = from.labels;
            keyLabels = from.keyLabels;
            groups = from.groups;
            keyGroups = from.keyGroups;
            keyOffsets = from.keyOffsets;
            teacherScores = from.teacherScores;
            weights = from.weights;
            upstream = from.upstream;
            temperature = from.temperature;
        }

        Case made() {
            return new Case(
                    loss,
                    shape,
                    dtype,
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
                    upstream,
                    temperature);
        }
    }

    private Case with(Consumer<Draft> change) {
        Draft draft = new Draft(this);
        change.accept(draft);
        return draft.made();
    }

    public Case withLoss(ContrastiveLoss other) {
        return with(to -> to.loss = other);
    }

    /** m negatives for all rows, or for each row. */
    public Case withNegatives(double[][] other, int m) {
        Shape withM = Shape.of(shape.n(), m, shape.dim());
        return with(to -> {
            to.shape = withM;
            to.negatives = other;
        });
    }

    /** Negatives of each row's own beside those of the batch. */
    public Case withOwnNegatives(double[][] other, int perRow) {
        return with(to -> {
            to.shape = shape.withOwnNegatives(perRow);
            to.negatives = other;
        });
    }

    /** Further keys without a gradient; labels and groups of keys are to be as many. */
    public Case withQueue(double[]... other) {
        return with(to -> {
            to.shape = shape.withQueue(other.length);
            to.queue = other.length == 0 ? null : other;
        });
    }

    /** Of keys, and then of the queue. */
    public Case withKeyOffsets(float... other) {
        return with(to -> to.keyOffsets = other);
    }

    /** Of each row's key, and then of its own negatives. */
    public Case withTeacherScores(float... other) {
        return with(to -> to.teacherScores = other);
    }

    /** Keys and queue in all; of two towers. */
    int keyColumns() {
        return keys.length + (int) shape.queue();
    }

    public Case withLabels(int... other) {
        return with(to -> to.labels = other);
    }

    /** Of two towers, or with no second ones of one. */
    public Case withLabels(int[] ofRows, int[] ofKeys) {
        return with(to -> {
            to.labels = ofRows;
            to.keyLabels = ofKeys;
        });
    }

    public Case withGroups(int[] ofRows, int[] ofKeys) {
        return with(to -> {
            to.groups = ofRows;
            to.keyGroups = ofKeys;
        });
    }

    public Case withWeights(float... other) {
        return with(to -> to.weights = other);
    }

    public Case withUpstream(float... other) {
        return with(to -> to.upstream = other);
    }

    public Case withTemperature(double other) {
        return with(to -> to.temperature = other);
    }

    /** The first columns of all rows, with another loss. */
    Case prefix(ContrastiveLoss other, int dim) {
        return with(to -> {
            to.loss = other;
            to.shape = new Shape(shape.n(), shape.m(), dim, shape.ownNegatives(), shape.queue());
            to.queries = cut(queries, dim);
            to.keys = cut(keys, dim);
            to.negatives = cut(negatives, dim);
            to.queue = cut(queue, dim);
        });
    }

    private static double[][] cut(double[][] rows, int dim) {
        return rows == null
                ? null
                : Arrays.stream(rows).map(row -> Arrays.copyOf(row, dim)).toArray(double[][]::new);
    }

    /** What is added to logits; 0 for losses without. */
    public double bias() {
        return (double) loss.components().getOrDefault("bias", 0.0);
    }

    public Case withBias(double other) {
        return withLoss(loss.with(Map.of("bias", other)));
    }

    public Case withMatrices(double[][] otherQueries, double[][] otherKeys, double[][] otherNegatives) {
        return with(to -> {
            to.queries = otherQueries;
            to.keys = otherKeys;
            to.negatives = otherNegatives;
        });
    }

    /** Rows that have a loss. */
    public int rows() {
        return Terms.rows(this);
    }

    Inputs inputs() {
        return inputs(matrix(queries), matrix(keys), matrix(negatives), matrix(queue));
    }

    Inputs inputs(Matrix queriesMatrix, Matrix keysMatrix, Matrix negativesMatrix) {
        return inputs(queriesMatrix, keysMatrix, negativesMatrix, matrix(queue));
    }

    Inputs inputs(Matrix queriesMatrix, Matrix keysMatrix, Matrix negativesMatrix, Matrix queueMatrix) {
        OptionalDouble tau = Double.isNaN(temperature) ? OptionalDouble.empty() : OptionalDouble.of(temperature);
        OptionalDouble bias = loss.hasBias() ? OptionalDouble.of(bias()) : OptionalDouble.empty();
        return new Inputs(
                queriesMatrix,
                keysMatrix,
                negativesMatrix,
                queueMatrix,
                labels,
                keyLabels,
                groups,
                keyGroups,
                keyOffsets,
                teacherScores,
                weights,
                upstream,
                tau,
                bias);
    }

    Matrix matrix(double[][] rows) {
        if (rows == null) {
            return null;
        }
        Matrix matrix = Matrix.zeros(dtype, rows.length, shape.dim());
        for (int i = 0; i < rows.length; i++) {
            for (int d = 0; d < rows[i].length; d++) {
                matrix.set(i, d, rows[i][d]);
            }
        }
        return matrix;
    }

    private static double[][] rounded(double[][] rows, DType dtype) {
        if (rows == null) {
            return null;
        }
        double[][] copy = new double[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            copy[i] = rows[i].clone();
            for (int d = 0; d < copy[i].length; d++) {
                copy[i][d] = rounded(copy[i][d], dtype);
            }
        }
        return copy;
    }

    private static double rounded(double value, DType dtype) {
        return switch (dtype) {
            case FLOAT64 -> value;
            case FLOAT32 -> (float) value;
            case FLOAT16 -> Float.float16ToFloat(Float.floatToFloat16((float) value));
            case BFLOAT16 -> {
                Matrix one = Matrix.zeros(dtype, 1, 1);
                one.set(0, 0, value);
                yield one.get(0, 0);
            }
        };
    }

    /** What failure messages say of it. */
    @Override
    public String toString() {
        return loss + " " + shape + " " + dtype + " tau=" + temperature
                + (weights == null ? "" : " weighted")
                + (upstream == null ? "" : " upstream x " + upstream.length);
    }
}
