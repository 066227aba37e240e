package dev.infonce;

import java.util.Objects;
import java.util.function.Consumer;

/**
 * What {@link Plan#enqueue} reads: all of it in memory of the device, and unchanged until the call has run. r is the number of
 * rows that have a loss: n, or t for one tower. Values are checked on the device, and {@link PendingCall} tells.
 *
 * @param queries n x dim
 * @param keys as the loss says; null for one tower in one matrix
 * @param negatives as the loss says; null if it takes none, or m = 0
 * @param queue the {@link Shape#queue} rows that are further keys, x dim; null if there are none
 * @param temperature one double, tau in [1e-9, 1e9] or its logarithm; null for the loss's own
 * @param logTemperature whether temperature is ln tau, and the gradient is then by that
 * @param weights r finite floats >= 0, or null for all 1
 * @param labels n ints, 1 alike and 0 not, for {@link PairwiseContrastive}; r ints, equal for rows that are alike and below 0 for
 *     a row that is like no other, for {@link SupCon} and where {@link ContrastiveLoss#isMined()}; else null
 * @param keyLabels likewise m + queue ints for the keys of two towers and the queue, for {@link SupCon}; else null
 * @param groups r ints, for losses that exclude rows of the same group; a number below 0 is in no group; else null
 * @param keyGroups likewise m + queue ints for the keys of two towers and the queue; else null
 * @param keyOffsets m + queue floats in [-30, 30], of keys and queue, for an {@link InfoNce} with offsets; else null
 * @param teacherScores n x (m + 1) floats in [-1e30, 1e30], row by row, the key's first, for {@link KlDistillation} and {@link
 *     MarginMse}; else null
 * @param upstream gradient of the caller's objective by the loss: one float, or r floats for {@link Reduction#NONE}; finite;
 *     null for 1
 * @param bias one double in [-1e30, 1e30], in place of the loss's own; null for that, and for all losses but {@link SigLip}
 */
public record DeviceInputs(
        Matrix queries,
        Matrix keys,
        Matrix negatives,
        Matrix queue,
        DeviceBuffer temperature,
        boolean logTemperature,
        DeviceBuffer weights,
        DeviceBuffer labels,
        DeviceBuffer keyLabels,
        DeviceBuffer groups,
        DeviceBuffer keyGroups,
        DeviceBuffer keyOffsets,
        DeviceBuffer teacherScores,
        DeviceBuffer upstream,
        DeviceBuffer bias) {
    /**
     * Checks what needs no plan.
     *
     * @throws NullPointerException if queries is null
     */
    public DeviceInputs {
        Objects.requireNonNull(queries, "queries");
    }

    /**
     * One tower in one matrix.
     *
     * @param queries t x dim
     * @return the inputs
     */
    public static DeviceInputs of(Matrix queries) {
        return of(queries, null);
    }

    /**
     * Queries and keys.
     *
     * @param queries n x dim
     * @param keys as the loss says
     * @return the inputs
     */
    public static DeviceInputs of(Matrix queries, Matrix keys) {
        return new DeviceInputs(
                queries, keys, null, null, null, false, null, null, null, null, null, null, null, null, null);
    }

    /**
     * The same inputs with negatives.
     *
     * @param negatives as the loss says
     * @return new inputs
     */
    public DeviceInputs withNegatives(Matrix negatives) {
        return with(copy -> copy.negatives = negatives);
    }

    /**
     * The same inputs with a queue of further keys, which have no gradient; see {@link Inputs#withQueue}.
     *
     * @param queue as many rows as the {@link Shape#queue shape} says
     * @return new inputs
     */
    public DeviceInputs withQueue(Matrix queue) {
        return with(copy -> copy.queue = queue);
    }

    /**
     * The same inputs with a temperature in place of the loss's own.
     *
     * @param temperature tau, one double
     * @return new inputs
     */
    public DeviceInputs withTemperature(DeviceBuffer temperature) {
        return with(copy -> {
            copy.temperature = temperature;
            copy.logTemperature = false;
        });
    }

    /**
     * The same inputs with a learned temperature; the temperature's gradient is then by the logarithm.
     *
     * @param logTemperature ln tau, one double
     * @return new inputs
     */
    public DeviceInputs withLogTemperature(DeviceBuffer logTemperature) {
        return with(copy -> {
            copy.temperature = logTemperature;
            copy.logTemperature = true;
        });
    }

    /**
     * The same inputs with weights.
     *
     * @param weights r floats
     * @return new inputs
     */
    public DeviceInputs withWeights(DeviceBuffer weights) {
        return with(copy -> copy.weights = weights);
    }

    /**
     * The same inputs with labels.
     *
     * @param labels n or r ints, as the loss says
     * @return new inputs
     */
    public DeviceInputs withLabels(DeviceBuffer labels) {
        return with(copy -> copy.labels = labels);
    }

    /**
     * The same inputs with the labels of two towers, for {@link SupCon}.
     *
     * @param queryLabels n ints; keys of a query's number are its positives, and a number below 0 is like no other
     * @param keyLabels m ints, likewise, and then one a row of the queue
     * @return new inputs
     */
    public DeviceInputs withLabels(DeviceBuffer queryLabels, DeviceBuffer keyLabels) {
        return with(copy -> {
            copy.labels = queryLabels;
            copy.keyLabels = keyLabels;
        });
    }

    /**
     * The same inputs with groups, for {@link Exclude#sameGroup}.
     *
     * @param groups r ints; a number below 0 is in no group
     * @param keyGroups m ints for the keys of two towers, and then one a row of the queue; null for one tower
     * @return new inputs
     */
    public DeviceInputs withGroups(DeviceBuffer groups, DeviceBuffer keyGroups) {
        return with(copy -> {
            copy.groups = groups;
            copy.keyGroups = keyGroups;
        });
    }

    /**
     * The same inputs with offsets of keys, for {@link InfoNce#withKeyOffsets}.
     *
     * @param keyOffsets m floats, and then one a row of the queue, each in [-30, 30]
     * @return new inputs
     */
    public DeviceInputs withKeyOffsets(DeviceBuffer keyOffsets) {
        return with(copy -> copy.keyOffsets = keyOffsets);
    }

    /**
     * The same inputs with a teacher's scores, for {@link KlDistillation} and {@link MarginMse}.
     *
     * @param scores n x (m + 1) floats, each in [-1e30, 1e30]: row by row, of the key and then of the row's m negatives
     * @return new inputs
     */
    public DeviceInputs withTeacherScores(DeviceBuffer scores) {
        return with(copy -> copy.teacherScores = scores);
    }

    /**
     * The same inputs with an upstream gradient.
     *
     * @param upstream one float, or r floats for {@link Reduction#NONE}
     * @return new inputs
     */
    public DeviceInputs withUpstream(DeviceBuffer upstream) {
        return with(copy -> copy.upstream = upstream);
    }

    /**
     * The same inputs with a bias in place of the loss's own.
     *
     * @param bias what is added to every logit, one double
     * @return new inputs
     */
    public DeviceInputs withBias(DeviceBuffer bias) {
        return with(copy -> copy.bias = bias);
    }

    private DeviceInputs with(Consumer<Copy> change) {
        Copy copy = new Copy();
        change.accept(copy);
        return copy.made();
    }

    /** The components, to be changed. */
    private final class Copy {
        private Matrix negatives = DeviceInputs.this.negatives;
        private Matrix queue = DeviceInputs.this.queue;
        private DeviceBuffer temperature = DeviceInputs.this.temperature;
        private boolean logTemperature = DeviceInputs.this.logTemperature;
        private DeviceBuffer weights = DeviceInputs.this.weights;
        private DeviceBuffer labels = DeviceInputs.this.labels;
        private DeviceBuffer keyLabels = DeviceInputs.this.keyLabels;
        private DeviceBuffer groups = DeviceInputs.this.groups;
        private DeviceBuffer keyGroups = DeviceInputs.this.keyGroups;
        private DeviceBuffer keyOffsets = DeviceInputs.this.keyOffsets;
        private DeviceBuffer teacherScores = DeviceInputs.this.teacherScores;
        private DeviceBuffer upstream = DeviceInputs.this.upstream;
        private DeviceBuffer bias = DeviceInputs.this.bias;

        DeviceInputs made() {
            return new DeviceInputs(
                    queries,
                    keys,
                    negatives,
                    queue,
                    temperature,
                    logTemperature,
                    weights,
                    labels,
                    keyLabels,
                    groups,
                    keyGroups,
                    keyOffsets,
                    teacherScores,
                    upstream,
                    bias);
        }
    }
}
