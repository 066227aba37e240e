package dev.infonce;

import java.util.Objects;
import java.util.OptionalDouble;
import java.util.function.Consumer;

/**
 * What a call reads. r is the number of rows that have a loss: n, or t for one tower. Nothing is copied: matrices and arrays
 * must not change during a call.
 *
 * @param queries n x dim
 * @param keys as the loss says; null for one tower in one matrix
 * @param negatives as the loss says; null if it takes none, or m = 0
 * @param queue the {@link Shape#queue} rows that are further keys, x dim; null if there are none
 * @param labels n numbers, 1 alike and 0 not, for {@link PairwiseContrastive}; r numbers, equal for rows that are alike and below
 *     0 for a row that is like no other, for {@link SupCon} and where {@link ContrastiveLoss#isMined()}; else null
 * @param keyLabels likewise m + queue numbers for the keys of two towers and the queue, for {@link SupCon}; else null
 * @param groups r numbers, for losses that exclude rows of the same group; a number below 0 is in no group; else null
 * @param keyGroups likewise m + queue numbers for the keys of two towers and the queue; else null
 * @param keyOffsets m + queue numbers in [-30, 30], of keys and queue, for an {@link InfoNce} with offsets; else null
 * @param teacherScores n x (m + 1) numbers in [-1e30, 1e30], row by row, the key's first, for {@link KlDistillation} and {@link
 *     MarginMse}; else null
 * @param weights r finite numbers >= 0, or null for all 1
 * @param upstream gradient of the caller's objective by the loss: one number, or r numbers for {@link Reduction#NONE}; finite;
 *     null for 1
 * @param temperature tau in [1e-9, 1e9] in place of the loss's own; empty for losses without one
 * @param bias in [-1e30, 1e30] in place of the loss's own; empty for all losses but {@link SigLip}
 */
public record Inputs(
        Matrix queries,
        Matrix keys,
        Matrix negatives,
        Matrix queue,
        int[] labels,
        int[] keyLabels,
        int[] groups,
        int[] keyGroups,
        float[] keyOffsets,
        float[] teacherScores,
        float[] weights,
        float[] upstream,
        OptionalDouble temperature,
        OptionalDouble bias) {
    /**
     * Checks what needs no plan.
     *
     * @throws IllegalArgumentException if the temperature or the bias is out of range
     * @throws NullPointerException if queries, temperature or bias is null
     */
    public Inputs {
        Objects.requireNonNull(queries, "queries");
        Objects.requireNonNull(temperature, "temperature");
        Objects.requireNonNull(bias, "bias");
        temperature.ifPresent(Checks::temperature);
        bias.ifPresent(Checks::bias);
    }

    /**
     * One tower in one matrix.
     *
     * @param queries t x dim
     * @return the inputs
     */
    public static Inputs of(Matrix queries) {
        return of(queries, null);
    }

    /**
     * Queries and keys.
     *
     * @param queries n x dim
     * @param keys as the loss says
     * @return the inputs
     */
    public static Inputs of(Matrix queries, Matrix keys) {
        return new Inputs(
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
                OptionalDouble.empty(),
                OptionalDouble.empty());
    }

    /**
     * The same inputs with negatives.
     *
     * @param negatives as the loss says
     * @return new inputs
     */
    public Inputs withNegatives(Matrix negatives) {
        return with(copy -> copy.negatives = negatives);
    }

    /**
     * The same inputs with a queue: keys of earlier batches, say (MoCo, 1911.05722). To losses and metrics they are as further keys
     * behind those of the batch, and they have no gradient.
     *
     * @param queue as many rows as the {@link Shape#queue shape} says, of the element type and the columns of the keys
     * @return new inputs
     */
    public Inputs withQueue(Matrix queue) {
        return with(copy -> copy.queue = queue);
    }

    /**
     * The same inputs with labels.
     *
     * @param labels as the loss says; see {@link Labels} for ids and names
     * @return new inputs
     */
    public Inputs withLabels(int... labels) {
        return with(copy -> copy.labels = labels);
    }

    /**
     * The same inputs with the labels of two towers, for {@link SupCon}.
     *
     * @param queryLabels n numbers; keys of a query's number are its positives, and a number below 0 is like no other
     * @param keyLabels m numbers, likewise, and then one a row of the queue; see {@link Labels#of(long[], long[])} for ids
     * @return new inputs
     */
    public Inputs withLabels(int[] queryLabels, int[] keyLabels) {
        return with(copy -> {
            copy.labels = queryLabels;
            copy.keyLabels = keyLabels;
        });
    }

    /**
     * The same inputs with the groups of one tower, for {@link Exclude#sameGroup}.
     *
     * @param groups t numbers; rows of one number are no negatives of each other, and a number below 0 is in no group
     * @return new inputs
     */
    public Inputs withGroups(int... groups) {
        return with(copy -> copy.groups = groups);
    }

    /**
     * The same inputs with the groups of two towers, for {@link Exclude#sameGroup}.
     *
     * @param queryGroups n numbers; a query and a key of one number are no negatives of each other, and a number below 0 is in
     *     no group
     * @param keyGroups m numbers, likewise, and then one a row of the queue
     * @return new inputs
     */
    public Inputs withGroups(int[] queryGroups, int[] keyGroups) {
        return with(copy -> {
            copy.groups = queryGroups;
            copy.keyGroups = keyGroups;
        });
    }

    /**
     * The same inputs with offsets of keys, for {@link InfoNce#withKeyOffsets}.
     *
     * @param offsets what is added to the logits of each key, one number a key and then one a row of the queue, each in [-30, 30]; see
     *     {@link KeyOffsets}
     * @return new inputs
     */
    public Inputs withKeyOffsets(float... offsets) {
        return with(copy -> copy.keyOffsets = offsets);
    }

    /**
     * The same inputs with a teacher's scores of each query's candidates, for {@link KlDistillation} and {@link MarginMse}.
     *
     * @param scores n x (m + 1) numbers, each in [-1e30, 1e30]: row by row, of the key and then of the row's m negatives
     * @return new inputs
     */
    public Inputs withTeacherScores(float... scores) {
        return with(copy -> copy.teacherScores = scores);
    }

    /**
     * The same inputs with weights.
     *
     * @param weights r finite numbers >= 0
     * @return new inputs
     */
    public Inputs withWeights(float... weights) {
        return with(copy -> copy.weights = weights);
    }

    /**
     * The same inputs with an upstream gradient.
     *
     * @param upstream one finite number, or r for {@link Reduction#NONE}
     * @return new inputs
     */
    public Inputs withUpstream(float... upstream) {
        return with(copy -> copy.upstream = upstream);
    }

    /**
     * The same inputs with a temperature in place of the loss's own.
     *
     * @param temperature tau, in [1e-9, 1e9]
     * @return new inputs
     * @throws IllegalArgumentException if it is out of range
     */
    public Inputs withTemperature(double temperature) {
        return with(copy -> copy.temperature = OptionalDouble.of(temperature));
    }

    /**
     * The same inputs with a learned temperature; {@link GradientResult#dLogTemperature()} is the gradient by it.
     *
     * @param logTemperature ln tau, with tau in [1e-9, 1e9]
     * @return new inputs
     * @throws IllegalArgumentException if it is out of range
     */
    public Inputs withLogTemperature(double logTemperature) {
        return withTemperature(Math.exp(logTemperature));
    }

    /**
     * The same inputs with a bias in place of the loss's own; {@link GradientResult#dBias()} is the gradient by it.
     *
     * @param bias what is added to every logit, in [-1e30, 1e30]
     * @return new inputs
     * @throws IllegalArgumentException if it is out of range
     */
    public Inputs withBias(double bias) {
        return with(copy -> copy.bias = OptionalDouble.of(bias));
    }

    private Inputs with(Consumer<Copy> change) {
        Copy copy = new Copy();
        change.accept(copy);
        return copy.made();
    }

    /** The components, to be changed. Not by name as {@link Components} does it, since inputs are made for every call. */
    private final class Copy {
        private Matrix negatives = Inputs.this.negatives;
        private Matrix queue = Inputs.this.queue;
        private int[] labels = Inputs.this.labels;
        private int[] keyLabels = Inputs.this.keyLabels;
        private int[] groups = Inputs.this.groups;
        private int[] keyGroups = Inputs.this.keyGroups;
        private float[] keyOffsets = Inputs.this.keyOffsets;
        private float[] teacherScores = Inputs.this.teacherScores;
        private float[] weights = Inputs.this.weights;
        private float[] upstream = Inputs.this.upstream;
        private OptionalDouble temperature = Inputs.this.temperature;
        private OptionalDouble bias = Inputs.this.bias;

        Inputs made() {
            return new Inputs(
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
                    temperature,
                    bias);
        }
    }
}
