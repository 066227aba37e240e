package dev.infonce.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.loss.Loss;
import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.GradientResult;
import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Labels;
import dev.infonce.Matrix;
import dev.infonce.Plan;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A contrastive loss of this library as a DJL loss, for {@code Trainer} and hand-written loops alike. The fused kernels
 * compute loss and gradients at once, reading the embeddings in PyTorch's own memory and writing the gradients there; the
 * result enters autograd through {@link Autograd#scalar}, so that {@code backward} goes on into the network.
 *
 * <p>Predictions, each rows x dim: queries and keys; then negatives for losses that take them (M x dim shared, N x M x dim
 * own, N x dim paired); losses of one tower, as NT-Xent, also take one array with 2N rows, view i and view i + N being of one
 * thing. Labels are read by losses that take them ({@link ContrastiveLoss#takesLabels}): N numbers, 1 alike and 0 not, or, of
 * classes ({@link ContrastiveLoss#takesClassLabels}), a whole number for each row that has a loss, equal for rows that are alike and
 * below 0 for one like no other; one tower with class labels is of any number of rows; or a teacher's scores, N x (M + 1), of each
 * row's key and then of its negatives ({@link ContrastiveLoss#takesTeacherScores}).
 *
 * <p>Keeps a plan for each shape it met. The device stays the caller's. For use by one thread.
 */
public final class FusedContrastiveLoss extends Loss implements AutoCloseable {
    private final Device device;
    private final ContrastiveLoss loss;
    private final LearnedLogits learned;
    private final Map<PlanKey, Plan> plans = new HashMap<>();
    private GradientResult last;

    private record PlanKey(Shape shape, DType type) {}

    /**
     * A loss with the temperature, or the margin, that it has.
     *
     * @param device computes it; must stay open
     * @param loss with reduction mean or sum: a training loss is one number
     */
    public FusedContrastiveLoss(Device device, ContrastiveLoss loss) {
        this(device, loss, LearnedLogits.NOTHING);
    }

    private FusedContrastiveLoss(Device device, ContrastiveLoss loss, LearnedLogits learned) {
        super(loss.getClass().getSimpleName());
        if (loss.reduction() == Reduction.NONE) {
            throw new IllegalArgumentException(
                    "reduction is NONE, allowed are MEAN and SUM: a training loss is one number");
        }
        this.device = device;
        this.loss = loss;
        this.learned = learned;
    }

    /** The same, but the last of the predictions is ln(temperature), which gets its gradient; see {@link LogTemperature}. */
    public static FusedContrastiveLoss withLearnedTemperature(Device device, ContrastiveLoss loss) {
        return new FusedContrastiveLoss(device, loss, LearnedLogits.TEMPERATURE);
    }

    /**
     * The same, but the last two of the predictions are ln(temperature) and the bias, which get their gradients; see {@link
     * LogTemperature} and {@link LogitBias}.
     *
     * @throws IllegalArgumentException if the loss has no bias
     */
    public static FusedContrastiveLoss withLearnedTemperatureAndBias(Device device, ContrastiveLoss loss) {
        if (!loss.hasBias()) {
            throw new IllegalArgumentException(
                    "loss is " + loss.getClass().getSimpleName() + ", which has no bias; allowed is SigLip");
        }
        return new FusedContrastiveLoss(device, loss, LearnedLogits.TEMPERATURE_AND_BIAS);
    }

    /**
     * The loss, ready to go backward from.
     *
     * @param labels what the loss needs of whole numbers, one a row: labels, or groups of rows, and behind them those of the keys of
     *     two towers where these are not those of their queries; numbers below 0 are like no other, and in no group; or a teacher's
     *     scores
     * @param predictions queries, and keys, negatives and the learned temperature and bias where the loss has them
     * @return a scalar of the first prediction's manager
     * @throws IllegalArgumentException if there are too few or too many arrays, or shapes that do not fit
     * @throws dev.infonce.InfoNceException if the device refuses, for example a row that is not finite
     */
    @Override
    public NDArray evaluate(NDList labels, NDList predictions) {
        LossArrays arrays = LossArrays.of(loss, predictions, learned);
        NDList embeddings = arrays.embeddings();
        NDManager manager = arrays.queries().getManager();
        try (NDManager scope = manager.newSubManager()) {
            NDList gradients = gradients(scope, embeddings);
            Inputs inputs = inputs(arrays, labels);
            DType type = NdMatrix.type("queries", arrays.queries().getDataType());
            Plan plan = plans.computeIfAbsent(
                    new PlanKey(arrays.shape(loss), type), key -> device.plan(loss, key.shape(), key.type()));
            last = plan.forwardBackward(inputs, outputs(gradients));
            if (arrays.logTemperature() != null) {
                embeddings.add(arrays.logTemperature());
                gradients.add(scope.full(arrays.logTemperature().getShape(), (float) last.dLogTemperature()));
            }
            if (arrays.bias() != null) {
                embeddings.add(arrays.bias());
                gradients.add(scope.full(arrays.bias().getShape(), (float) last.dBias()));
            }
            NDArray result = Autograd.scalar(last.loss(), embeddings, onDeviceOf(embeddings, gradients));
            result.attach(manager);
            return result;
        }
    }

    /**
     * What the latest evaluation gave: loss, temperature and its gradient, metrics.
     *
     * @return null before the first one; its matrices are no longer valid
     */
    public GradientResult lastResult() {
        return last;
    }

    /** Closes the plans; more than once does nothing more. */
    @Override
    public void close() {
        plans.values().forEach(Plan::close);
        plans.clear();
    }

    private Inputs inputs(LossArrays arrays, NDList labels) {
        Matrix queries = NdMatrix.of("queries", arrays.queries());
        Inputs inputs =
                arrays.keys() == null ? Inputs.of(queries) : Inputs.of(queries, NdMatrix.of("keys", arrays.keys()));
        if (arrays.negatives() != null) {
            inputs = inputs.withNegatives(NdMatrix.of("negatives", arrays.negatives()));
        }
        if (arrays.logTemperature() != null) {
            inputs = inputs.withLogTemperature(number(arrays.logTemperature()));
        }
        if (arrays.bias() != null) {
            inputs = inputs.withBias(number(arrays.bias()));
        }
        if (loss.takesClassLabels()) {
            Object[] ofRows = ids(present(labels, "a whole number a row"));
            if (loss.isOneTower()) {
                return inputs.withLabels(Labels.of(ofRows));
            }
            Labels.OfTowers both = Labels.of(ofRows, ofKeys(labels, ofRows));
            return inputs.withLabels(both.queries(), both.keys());
        }
        if (loss.takesLabels()) {
            return inputs.withLabels(intLabels(labels));
        }
        if (loss.takesTeacherScores()) {
            return inputs.withTeacherScores(scores(labels));
        }
        return loss.takesGroups() ? withGroups(inputs, labels) : inputs;
    }

    private static double number(NDArray array) {
        try (NDArray wide = array.toType(ai.djl.ndarray.types.DataType.FLOAT64, true)) {
            return wide.toDoubleArray()[0];
        }
    }

    private Inputs withGroups(Inputs inputs, NDList labels) {
        Object[] ofRows = ids(present(labels, "a whole number a row, its group"));
        if (loss.isOneTower()) {
            return inputs.withGroups(Labels.of(ofRows));
        }
        Labels.OfTowers both = Labels.of(ofRows, ofKeys(labels, ofRows));
        return inputs.withGroups(both.queries(), both.keys());
    }

    /** What is said of keys, which are as their queries where nothing is. */
    private static Object[] ofKeys(NDList labels, Object... ofRows) {
        return labels.size() > 1 ? ids(labels.get(1)) : ofRows;
    }

    /** Of 64 bits, which are not to become equal by being cut off; null for those below 0. */
    private static Object[] ids(NDArray labels) {
        try (NDArray numbers = labels.toType(ai.djl.ndarray.types.DataType.INT64, true)) {
            return Arrays.stream(numbers.toLongArray())
                    .mapToObj(label -> label < 0 ? null : label)
                    .toArray();
        }
    }

    private int[] intLabels(NDList labels) {
        try (NDArray numbers =
                present(labels, "one number a row, 1 alike, 0 not").toType(ai.djl.ndarray.types.DataType.INT32, true)) {
            return numbers.toIntArray();
        }
    }

    private float[] scores(NDList labels) {
        try (NDArray numbers = present(labels, "a teacher's scores, N x (M + 1)")
                .toType(ai.djl.ndarray.types.DataType.FLOAT32, true)) {
            return numbers.toFloatArray();
        }
    }

    private NDArray present(NDList labels, String needed) {
        if (labels == null || labels.isEmpty()) {
            throw new IllegalArgumentException(
                    "labels are missing: " + loss.getClass().getSimpleName() + " needs " + needed);
        }
        return labels.head();
    }

    // in CPU memory, dense, so that the kernels write where autograd reads
    private static NDList gradients(NDManager scope, NDList embeddings) {
        NDList gradients = new NDList();
        for (NDArray embedding : embeddings) {
            gradients.add(scope.zeros(embedding.getShape(), embedding.getDataType(), ai.djl.Device.cpu()));
        }
        return gradients;
    }

    private static Gradients outputs(NDList gradients) {
        List<Matrix> matrices = new ArrayList<>();
        for (NDArray gradient : gradients) {
            matrices.add(NdMatrix.of("gradient", gradient));
        }
        int count = matrices.size();
        return new Gradients(matrices.get(0), count > 1 ? matrices.get(1) : null, count > 2 ? matrices.get(2) : null);
    }

    private static NDList onDeviceOf(NDList embeddings, NDList gradients) {
        NDList moved = new NDList();
        for (int i = 0; i < gradients.size(); i++) {
            moved.add(gradients.get(i).toDevice(embeddings.get(i).getDevice(), false));
        }
        return moved;
    }
}
