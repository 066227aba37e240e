package dev.infonce;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * The checks of a plan and its calls: what can be told before any device is asked. The sizes of every matrix follow from loss
 * and shape; -1 stands for a matrix that the loss does not take.
 */
final class CallChecks {
    private static final long NONE = -1;
    private static final long WORKSPACE_ALIGNMENT = 64;

    private final ContrastiveLoss loss;
    private final Shape shape;
    private final DType dtype;
    private final DType gradientDType;
    private final Device device;
    private final long keysRows;
    private final long negativesRows;
    private final long lossRows;
    private final double ownTemperature;

    CallChecks(Device device, ContrastiveLoss loss, Shape shape, DType dtype, DType gradientDType) {
        this.device = device;
        this.gradientDType = gradientDType;
        boolean halves = dtype == DType.FLOAT16 || dtype == DType.BFLOAT16;
        Checks.argument(
                gradientDType == dtype || halves && gradientDType == DType.FLOAT32,
                "gradientDType: must be %s%s, but got %s",
                dtype,
                halves ? " or FLOAT32" : "",
                gradientDType);
        this.loss = Objects.requireNonNull(loss, "loss");
        this.shape = Objects.requireNonNull(shape, "shape");
        this.dtype = dtype;
        long n = shape.n();
        long m = shape.m();
        Negatives negatives = switch (loss) {
            case InfoNce infoNce -> infoNce.negatives();
            case NtLogistic logistic -> logistic.negatives();
            case NtXent _ -> Negatives.IN_BATCH;
            case PairwiseContrastive _, Triplet _ -> Negatives.PAIRED;
        };
        boolean twoTowers = loss instanceof InfoNce;
        boolean oneMatrix = !twoTowers && negatives == Negatives.IN_BATCH && m == 0;
        if (twoTowers && negatives == Negatives.IN_BATCH) {
            Checks.argument(m >= n, "shape: InfoNce in-batch needs m >= n, but got n = %d, m = %d", n, m);
            Checks.argument(
                    m == n || !((InfoNce) loss).isSymmetric(),
                    "shape: a symmetric InfoNce needs m = n, but got n = %d, m = %d",
                    n,
                    m);
        } else if (oneMatrix) {
            Checks.argument(
                    n % 2 == 0, "shape: one tower of two views needs an even number of rows, but got n = %d", n);
        } else if (!twoTowers) {
            Checks.argument(
                    m == n, "shape: %s needs m = n%s, but got n = %d, m = %d", name(), towerHint(negatives), n, m);
        }
        this.keysRows = oneMatrix ? NONE : twoTowers && negatives == Negatives.IN_BATCH ? m : n;
        this.negativesRows = switch (negatives) {
            case IN_BATCH -> NONE;
            case SHARED -> m;
            case OWN -> n * m;
            case PAIRED -> loss instanceof PairwiseContrastive ? NONE : n;
        };
        this.lossRows = !twoTowers && negatives == Negatives.IN_BATCH && !oneMatrix ? 2 * n : n;
        this.ownTemperature = switch (loss) {
            case InfoNce infoNce -> infoNce.temperature();
            case NtXent ntXent -> ntXent.temperature();
            case NtLogistic logistic -> logistic.temperature();
            case PairwiseContrastive _, Triplet _ -> Double.NaN;
        };
    }

    ContrastiveLoss loss() {
        return loss;
    }

    Shape shape() {
        return shape;
    }

    DType dtype() {
        return dtype;
    }

    /** The temperature of a call, NaN for losses without one. */
    double temperature(Inputs in) {
        return in.temperature().isPresent() ? in.temperature().getAsDouble() : ownTemperature;
    }

    void inputs(Inputs in) {
        Objects.requireNonNull(in, "in");
        matrix("queries", in.queries(), shape.n());
        matrix("keys", in.keys(), keysRows);
        matrix("negatives", in.negatives(), negativesRows);
        labels(in.labels());
        weights(in.weights());
        upstream(in.upstream());
        boolean hasMargin = loss instanceof PairwiseContrastive || loss instanceof Triplet;
        if (in.temperature().isPresent() && hasMargin) {
            throw Checks.invalid("temperature: %s has none, but got %s", name(), in.temperature());
        }
    }

    void outputs(Inputs in, Gradients out) {
        outputs(out.dQueries(), out.dKeys(), out.dNegatives(), in.queries(), in.keys(), in.negatives());
    }

    /** What can be told of a call whose numbers are on the device. */
    void enqueued(DeviceInputs in, DeviceOutputs out) {
        Objects.requireNonNull(in, "in");
        Objects.requireNonNull(out, "out");
        matrix("queries", in.queries(), shape.n());
        matrix("keys", in.keys(), keysRows);
        matrix("negatives", in.negatives(), negativesRows);
        outputs(out.dQueries(), out.dKeys(), out.dNegatives(), in.queries(), in.keys(), in.negatives());
        onDevice("queries", in.queries());
        onDevice("keys", in.keys());
        onDevice("negatives", in.negatives());
        onDevice("dQueries", out.dQueries());
        onDevice("dKeys", out.dKeys());
        onDevice("dNegatives", out.dNegatives());
        boolean perRow = loss.reduction() == Reduction.NONE;
        boolean hasMargin = loss instanceof PairwiseContrastive || loss instanceof Triplet;
        boolean hasLabels = loss instanceof PairwiseContrastive;
        Checks.argument(in.temperature() == null || !hasMargin, "temperature: %s has none, but got some", name());
        Checks.argument(hasLabels || in.labels() == null, "labels: %s takes none, but got some", name());
        Checks.argument(!hasLabels || in.labels() != null, "labels: %s needs %d, but got null", name(), shape.n());
        buffer("temperature", in.temperature(), Double.BYTES);
        buffer("weights", in.weights(), lossRows * Float.BYTES);
        buffer("labels", in.labels(), shape.n() * Integer.BYTES);
        boolean one = in.upstream() == null || in.upstream().bytes() == Float.BYTES || !perRow;
        buffer("upstream", in.upstream(), one ? Float.BYTES : lossRows * Float.BYTES);
        buffer("loss", out.loss(), lossBytes());
        buffer("dTemperature", out.dTemperature(), Double.BYTES);
        buffer("metrics", out.metrics(), DeviceOutputs.METRICS_BYTES);
    }

    /** The loss, as bytes. */
    long lossBytes() {
        return (loss.reduction() == Reduction.NONE ? lossRows : 1) * Double.BYTES;
    }

    /** A matrix in memory of the device for every gradient there can be. */
    Gradients deviceGradients() {
        return new Gradients(
                device.allocate(gradientDType, shape.n(), shape.dim()),
                keysRows == NONE ? null : device.allocate(gradientDType, keysRows, shape.dim()),
                negativesRows <= 0 ? null : device.allocate(gradientDType, negativesRows, shape.dim()));
    }

    void workspace(DeviceBuffer workspace, long bytes) {
        Objects.requireNonNull(workspace, "workspace");
        own("workspace", workspace);
        Checks.argument(
                workspace.bytes() >= bytes,
                "workspace: must be at least %d bytes, but got %d",
                bytes,
                workspace.bytes());
        Checks.argument(
                workspace.segment().address() % WORKSPACE_ALIGNMENT == 0,
                "workspace: must be aligned to %d bytes, but its address is %#x",
                WORKSPACE_ALIGNMENT,
                workspace.segment().address());
    }

    private void buffer(String name, DeviceBuffer buffer, long bytes) {
        if (buffer == null) {
            return;
        }
        own(name, buffer);
        Checks.argument(buffer.bytes() == bytes, "%s: must be %d bytes, but got %d", name, bytes, buffer.bytes());
    }

    private void own(String name, DeviceBuffer buffer) {
        Checks.argument(
                buffer.device() == device,
                "%s: must be memory of the plan's device, %s, but is of another, %s",
                name,
                device,
                buffer.device());
        if (!buffer.segment().scope().isAlive()) {
            throw new IllegalStateException(name + ": the arena of its memory is closed");
        }
    }

    private void onDevice(String name, Matrix matrix) {
        Checks.argument(
                matrix == null || matrix.rows() == 0 || matrix.isOnDevice(),
                "%s: must be in memory of device %s (Device.allocate), but is in memory of the host",
                name,
                device.name());
    }

    private void outputs(
            Matrix dQueries, Matrix dKeys, Matrix dNegatives, Matrix queries, Matrix keys, Matrix negativesMatrix) {
        output("dQueries", dQueries, shape.n());
        output("dKeys", dKeys, keysRows);
        output("dNegatives", dNegatives, negativesRows);
        apart("dQueries", dQueries, "dKeys", dKeys);
        apart("dQueries", dQueries, "dNegatives", dNegatives);
        apart("dKeys", dKeys, "dNegatives", dNegatives);
        apartFromInputs("dQueries", dQueries, queries, keys, negativesMatrix);
        apartFromInputs("dKeys", dKeys, queries, keys, negativesMatrix);
        apartFromInputs("dNegatives", dNegatives, queries, keys, negativesMatrix);
    }

    private static void apartFromInputs(
            String name, Matrix output, Matrix queries, Matrix keys, Matrix negativesMatrix) {
        apart(name, output, "queries", queries);
        apart(name, output, "keys", keys);
        apart(name, output, "negatives", negativesMatrix);
    }

    private static void apart(String name, Matrix output, String otherName, Matrix other) {
        if (overlap(output, other)) {
            throw Checks.invalid("%s: must not overlap %s", name, otherName);
        }
    }

    /** A dense matrix on the heap for every gradient there is. */
    Gradients newGradients(Inputs in) {
        return new Gradients(
                Matrix.zeros(gradientDType, shape.n(), shape.dim()),
                in.keys() == null ? null : Matrix.zeros(gradientDType, keysRows, shape.dim()),
                in.negatives() == null ? null : Matrix.zeros(gradientDType, negativesRows, shape.dim()));
    }

    private void matrix(String name, Matrix matrix, long rows) {
        if (matrix == null) {
            if (rows != NONE && rows != 0) {
                throw Checks.invalid("%s: %s needs a %d x %d matrix, but got null", name, name(), rows, shape.dim());
            }
            return;
        }
        sizes(name, matrix, rows, dtype);
        accessible(name, matrix);
    }

    private void output(String name, Matrix matrix, long rows) {
        if (matrix == null) {
            return;
        }
        sizes(name, matrix, rows, gradientDType);
        accessible(name, matrix);
        if (matrix.segment().isReadOnly()) {
            throw Checks.invalid("%s: must be writable, but its segment is read-only", name);
        }
    }

    private void sizes(String name, Matrix matrix, long rows, DType type) {
        if (rows == NONE) {
            throw Checks.invalid("%s: %s of %s takes none, but got %s", name, name(), shape, matrix);
        }
        if (matrix.rows() != rows || matrix.dim() != shape.dim() || matrix.dtype() != type) {
            throw Checks.invalid("%s: must be %d x %d %s, but got %s", name, rows, shape.dim(), type, matrix);
        }
    }

    private void accessible(String name, Matrix matrix) {
        if (matrix.isOnDevice() && matrix.owner() != device) {
            throw Checks.invalid(
                    "%s: is memory of another device, %s, than the plan's, %s", name, matrix.owner(), device);
        }
        MemorySegment segment = matrix.segment();
        if (!segment.scope().isAlive()) {
            throw new IllegalStateException(name + ": the arena of its memory is closed");
        }
        if (!segment.isAccessibleBy(Thread.currentThread())) {
            throw new WrongThreadException(
                    name + ": its memory is confined to another thread than " + Thread.currentThread());
        }
    }

    private void labels(int[] labels) {
        if (!(loss instanceof PairwiseContrastive)) {
            if (labels != null) {
                throw Checks.invalid("labels: %s takes none, but got some", name());
            }
            return;
        }
        if (labels == null) {
            throw Checks.invalid("labels: %s needs %d, but got null", name(), shape.n());
        }
        if (labels.length != shape.n()) {
            throw Checks.invalid("labels: must be %d numbers, but got %d", shape.n(), labels.length);
        }
        for (int i = 0; i < labels.length; i++) {
            if (labels[i] != 0 && labels[i] != 1) {
                throw Checks.invalid("labels: must be 0 or 1, but number %d is %d", i, labels[i]);
            }
        }
    }

    private void weights(float[] weights) {
        if (weights == null) {
            return;
        }
        if (weights.length != lossRows) {
            throw Checks.invalid("weights: must be %d numbers, but got %d", lossRows, weights.length);
        }
        for (int i = 0; i < weights.length; i++) {
            if (!(weights[i] >= 0 && weights[i] < Float.POSITIVE_INFINITY)) {
                throw Checks.invalid("weights: must be finite and >= 0, but number %d is %s", i, weights[i]);
            }
        }
    }

    private void upstream(float[] upstream) {
        if (upstream == null) {
            return;
        }
        boolean perRow = loss.reduction() == Reduction.NONE;
        if (upstream.length != 1 && !(perRow && upstream.length == lossRows)) {
            throw Checks.invalid(
                    "upstream: must be 1 number%s, but got %d",
                    perRow ? " or " + lossRows : ", as the reduction is " + loss.reduction(), upstream.length);
        }
        for (int i = 0; i < upstream.length; i++) {
            if (!Float.isFinite(upstream[i])) {
                throw Checks.invalid("upstream: must be finite, but number %d is %s", i, upstream[i]);
            }
        }
    }

    /** Whether two matrices share an element. Rows of equal stride may interleave. */
    private static boolean overlap(Matrix a, Matrix b) {
        if (a == null
                || b == null
                || a.isOnDevice() != b.isOnDevice()
                || (a.isOnDevice()
                        ? !meet(a, b)
                        : a.segment().asOverlappingSlice(b.segment()).isEmpty())) {
            return false;
        }
        if (a.rowStride() != b.rowStride() || a.dtype() != b.dtype()) {
            return true;
        }
        long stride = a.rowStride() * a.dtype().bytes();
        long shift = Math.floorMod(b.segment().address() - a.segment().address(), stride);
        long width = a.dim() * a.dtype().bytes();
        return shift < width || shift + width > stride;
    }

    private static boolean meet(Matrix a, Matrix b) {
        long first = a.segment().address();
        long second = b.segment().address();
        return first < second + b.spanBytes() && second < first + a.spanBytes();
    }

    private String name() {
        return loss.getClass().getSimpleName();
    }

    private static String towerHint(Negatives negatives) {
        return negatives == Negatives.IN_BATCH ? ", or m = 0 for both views in one matrix" : "";
    }
}
