package dev.infonce;

import dev.infonce.internal.LossSpec;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** The checks of a plan and its calls: what can be told before any device is asked. */
final class CallChecks {
    private static final long NONE = LossSpec.NONE;
    private static final long WORKSPACE_ALIGNMENT = 64;
    private static final float LARGEST_OFFSET = 30;
    private static final float LARGEST_SCORE = 1e30f;

    private final ContrastiveLoss loss;
    private final LossSpec spec;
    private final LossSpec.Rows rows;
    private final boolean perRow;
    private final double ownTemperature;
    private final Shape shape;
    private final DType dtype;
    private final DType gradientDType;
    private final Device device;

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
        this.spec = LossSpec.of(loss);
        this.rows = spec.rows(shape);
        this.perRow = spec.perRow();
        this.ownTemperature = spec.temperature();
    }

    ContrastiveLoss loss() {
        return loss;
    }

    LossSpec spec() {
        return spec;
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
        matrix("keys", in.keys(), rows.keys());
        matrix("negatives", in.negatives(), rows.negatives());
        matrix("queue", in.queue(), rows.queue());
        labels(in.labels());
        integers("keyLabels", in.keyLabels(), keyLabels());
        integers("groups", in.groups(), spec.groups() ? rows.losses() : NONE);
        integers("keyGroups", in.keyGroups(), keyGroups());
        offsets(in.keyOffsets());
        scores(in.teacherScores());
        weights(in.weights());
        upstream(in.upstream());
        if (in.temperature().isPresent() && !spec.hasTemperature()) {
            throw Checks.invalid("temperature: %s has none, but got %s", spec.name(), in.temperature());
        }
        if (in.bias().isPresent() && !spec.hasBias()) {
            throw Checks.invalid("bias: %s has none, but got %s", spec.name(), in.bias());
        }
    }

    void outputs(Inputs in, Gradients out) {
        outputs(out.dQueries(), out.dKeys(), out.dNegatives(), in.queries(), in.keys(), in.negatives(), in.queue());
    }

    /** What can be told of a call whose numbers are on the device. */
    void enqueued(DeviceInputs in, DeviceOutputs out) {
        Objects.requireNonNull(in, "in");
        Objects.requireNonNull(out, "out");
        matrix("queries", in.queries(), shape.n());
        matrix("keys", in.keys(), rows.keys());
        matrix("negatives", in.negatives(), rows.negatives());
        matrix("queue", in.queue(), rows.queue());
        outputs(out.dQueries(), out.dKeys(), out.dNegatives(), in.queries(), in.keys(), in.negatives(), in.queue());
        onDevice("queries", in.queries());
        onDevice("keys", in.keys());
        onDevice("negatives", in.negatives());
        onDevice("queue", in.queue());
        onDevice("dQueries", out.dQueries());
        onDevice("dKeys", out.dKeys());
        onDevice("dNegatives", out.dNegatives());
        Checks.argument(
                in.temperature() == null || spec.hasTemperature(),
                "temperature: %s has none, but got some",
                spec.name());
        Checks.argument(in.bias() == null || spec.hasBias(), "bias: %s has none, but got some", spec.name());
        buffer("temperature", in.temperature(), Double.BYTES);
        buffer("bias", in.bias(), Double.BYTES);
        buffer("weights", in.weights(), rows.losses() * Float.BYTES);
        integers("labels", in.labels(), spec.labels() ? rows.losses() : NONE);
        integers("keyLabels", in.keyLabels(), keyLabels());
        integers("groups", in.groups(), spec.groups() ? rows.losses() : NONE);
        integers("keyGroups", in.keyGroups(), keyGroups());
        if (isGiven("keyOffsets", in.keyOffsets(), keyOffsets())) {
            buffer("keyOffsets", in.keyOffsets(), keyOffsets() * Float.BYTES);
        }
        if (isGiven("teacherScores", in.teacherScores(), teacherScores())) {
            buffer("teacherScores", in.teacherScores(), teacherScores() * Float.BYTES);
        }
        boolean one = in.upstream() == null || in.upstream().bytes() == Float.BYTES || !perRow;
        buffer("upstream", in.upstream(), one ? Float.BYTES : rows.losses() * Float.BYTES);
        buffer("loss", out.loss(), lossBytes());
        buffer("dTemperature", out.dTemperature(), Double.BYTES);
        buffer("dBias", out.dBias(), Double.BYTES);
        buffer("metrics", out.metrics(), DeviceOutputs.METRICS_BYTES);
    }

    /** The loss, as bytes. */
    long lossBytes() {
        return (perRow ? rows.losses() : 1) * Double.BYTES;
    }

    /** A matrix in memory of the device for every gradient there can be. */
    Gradients deviceGradients() {
        return new Gradients(
                device.allocate(gradientDType, shape.n(), shape.dim()),
                rows.keys() == NONE ? null : device.allocate(gradientDType, rows.keys(), shape.dim()),
                rows.negatives() <= 0 ? null : device.allocate(gradientDType, rows.negatives(), shape.dim()));
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
            Matrix dQueries,
            Matrix dKeys,
            Matrix dNegatives,
            Matrix queries,
            Matrix keys,
            Matrix negativesMatrix,
            Matrix queue) {
        output("dQueries", dQueries, shape.n());
        output("dKeys", dKeys, rows.keys());
        output("dNegatives", dNegatives, rows.negatives());
        apart("dQueries", dQueries, "dKeys", dKeys);
        apart("dQueries", dQueries, "dNegatives", dNegatives);
        apart("dKeys", dKeys, "dNegatives", dNegatives);
        apartFromInputs("dQueries", dQueries, queries, keys, negativesMatrix, queue);
        apartFromInputs("dKeys", dKeys, queries, keys, negativesMatrix, queue);
        apartFromInputs("dNegatives", dNegatives, queries, keys, negativesMatrix, queue);
    }

    private static void apartFromInputs(
            String name, Matrix output, Matrix queries, Matrix keys, Matrix negativesMatrix, Matrix queue) {
        apart(name, output, "queries", queries);
        apart(name, output, "keys", keys);
        apart(name, output, "negatives", negativesMatrix);
        apart(name, output, "queue", queue);
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
                in.keys() == null ? null : Matrix.zeros(gradientDType, rows.keys(), shape.dim()),
                in.negatives() == null ? null : Matrix.zeros(gradientDType, rows.negatives(), shape.dim()));
    }

    private void matrix(String name, Matrix matrix, long count) {
        if (matrix == null) {
            if (count != NONE && count != 0) {
                throw Checks.invalid(
                        "%s: %s needs a %d x %d matrix, but got null", name, spec.name(), count, shape.dim());
            }
            return;
        }
        sizes(name, matrix, count, dtype);
        accessible(name, matrix);
    }

    private void output(String name, Matrix matrix, long count) {
        if (matrix == null) {
            return;
        }
        sizes(name, matrix, count, gradientDType);
        accessible(name, matrix);
        if (matrix.segment().isReadOnly()) {
            throw Checks.invalid("%s: must be writable, but its segment is read-only", name);
        }
    }

    private void sizes(String name, Matrix matrix, long count, DType type) {
        if (count == NONE) {
            throw Checks.invalid("%s: %s of %s takes none, but got %s", name, spec.name(), shape, matrix);
        }
        if (matrix.rows() != count || matrix.dim() != shape.dim() || matrix.dtype() != type) {
            throw Checks.invalid("%s: must be %d x %d %s, but got %s", name, count, shape.dim(), type, matrix);
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
        integers("labels", labels, spec.labels() ? rows.losses() : NONE);
        for (int i = 0; spec.labels() && !spec.classLabels() && i < labels.length; i++) {
            if (labels[i] != 0 && labels[i] != 1) {
                throw Checks.invalid("labels: must be 0 or 1, but number %d is %d", i, labels[i]);
            }
        }
    }

    private long keyLabels() {
        return spec.classLabels() && !spec.oneTower() ? rows.keys() + shape.queue() : NONE;
    }

    private long keyGroups() {
        return spec.groups() && !spec.oneTower() ? rows.keys() + shape.queue() : NONE;
    }

    private long keyOffsets() {
        return spec.offsets() ? rows.keys() + shape.queue() : NONE;
    }

    private void offsets(float[] offsets) {
        if (!isGiven("keyOffsets", offsets, keyOffsets())) {
            return;
        }
        if (offsets.length != keyOffsets()) {
            throw Checks.invalid("keyOffsets: must be %d numbers, but got %d", keyOffsets(), offsets.length);
        }
        for (int j = 0; j < offsets.length; j++) {
            if (!(Math.abs(offsets[j]) <= LARGEST_OFFSET)) {
                throw Checks.invalid("keyOffsets: must be in [-30, 30], but number %d is %s", j, offsets[j]);
            }
        }
    }

    private long teacherScores() {
        return spec.takesTeacherScores() ? shape.n() * (shape.m() + 1) : NONE;
    }

    private void scores(float[] scores) {
        if (!isGiven("teacherScores", scores, teacherScores())) {
            return;
        }
        if (scores.length != teacherScores()) {
            throw Checks.invalid(
                    "teacherScores: must be %d numbers, m + 1 = %d for each of %d queries, but got %d",
                    teacherScores(), shape.m() + 1, shape.n(), scores.length);
        }
        for (int k = 0; k < scores.length; k++) {
            if (!(Math.abs(scores[k]) <= LARGEST_SCORE)) {
                throw Checks.invalid("teacherScores: must be in [-1e30, 1e30], but number %d is %s", k, scores[k]);
            }
        }
    }

    private void integers(String name, int[] numbers, long count) {
        if (isGiven(name, numbers, count) && numbers.length != count) {
            throw Checks.invalid("%s: must be %d numbers, but got %d", name, count, numbers.length);
        }
    }

    private void integers(String name, DeviceBuffer numbers, long count) {
        if (isGiven(name, numbers, count)) {
            buffer(name, numbers, count * Integer.BYTES);
        }
    }

    /** Whether numbers are given, as they must be unless count is NONE. */
    private boolean isGiven(String name, Object numbers, long count) {
        if (count == NONE && numbers != null) {
            throw Checks.invalid("%s: %s of %s takes none, but got some", name, spec.name(), shape);
        }
        if (count != NONE && numbers == null) {
            throw Checks.invalid("%s: %s needs %d, but got null", name, spec.name(), count);
        }
        return numbers != null;
    }

    private void weights(float[] weights) {
        if (weights == null) {
            return;
        }
        if (weights.length != rows.losses()) {
            throw Checks.invalid("weights: must be %d numbers, but got %d", rows.losses(), weights.length);
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
        if (upstream.length != 1 && !(perRow && upstream.length == rows.losses())) {
            throw Checks.invalid(
                    "upstream: must be 1 number%s, but got %d",
                    perRow ? " or " + rows.losses() : ", as the reduction is " + spec.reduction(), upstream.length);
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
}
