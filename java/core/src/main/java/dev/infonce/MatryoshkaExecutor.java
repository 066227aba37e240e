package dev.infonce;

import dev.infonce.internal.Backend;
import dev.infonce.internal.CallNumbers;
import dev.infonce.internal.DeviceMemory;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.PlanExecutor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The losses of several prefixes of the rows, one after the other, by an executor each. The largest is first: it writes where the others
 * add, and refuses what is not finite in any of them. Rows are the caller's, seen as shorter ones.
 */
final class MatryoshkaExecutor implements PlanExecutor {
    /**
     * A call on a device keeps how it ended in these bytes at most, the first of its workspace; so the workspace of the next one begins
     * behind them, and shares the rest.
     */
    private static final long STATE_BYTES = 256;

    private record Part(long dim, PlanExecutor executor) {}

    private final List<Part> parts;
    private final DeviceMemory memory;
    /** What a row has beyond the largest prefix, in memory of the device; null where there is none such, or nothing beyond. */
    private final MemorySegment zeros;

    private MatryoshkaExecutor(List<Part> parts, DeviceMemory memory, MemorySegment zeros) {
        this.parts = parts;
        this.memory = memory;
        this.zeros = zeros;
    }

    /** Of a loss with prefixes, which go with the shape. */
    static MatryoshkaExecutor of(Backend backend, LossSpec loss, Shape shape, DType dtype, PlanOptions options) {
        List<Part> parts = new ArrayList<>();
        try {
            for (Matryoshka.Prefix prefix : loss.prefixes().reversed()) {
                boolean largest = parts.isEmpty();
                PlanExecutor executor = backend.plan(
                        loss.of(prefix),
                        new Shape(shape.n(), shape.m(), prefix.dim(), shape.ownNegatives(), shape.queue()),
                        dtype,
                        largest ? options : options.withoutMetrics(),
                        largest ? null : parts.getFirst().executor);
                parts.add(new Part(prefix.dim(), executor));
            }
            DeviceMemory memory = backend.memory();
            long beyond = (shape.dim() - parts.getFirst().dim)
                    * options.gradientDType(dtype).bytes();
            MemorySegment zeros = memory == null || beyond == 0 ? null : zeros(memory, beyond);
            return new MatryoshkaExecutor(parts, memory, zeros);
        } catch (RuntimeException | Error e) {
            close(parts);
            throw e;
        }
    }

    private static MemorySegment zeros(DeviceMemory memory, long bytes) {
        MemorySegment zeros = memory.allocate(bytes, false);
        memory.clear(zeros, bytes);
        return zeros;
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean add, boolean wantLoss) {
        CallNumbers sums = sums(in, temperature, out, add, wantLoss);
        return new Outcome(sums.loss(), sums.rowLosses(), sums.dTemperature(), sums.dBias(), sums.metrics());
    }

    @Override
    public void run(Inputs in, double temperature, Gradients out, boolean add, boolean wantLoss, CallNumbers numbers) {
        numbers.take(sums(in, temperature, out, add, wantLoss));
    }

    private CallNumbers sums(Inputs in, double temperature, Gradients out, boolean add, boolean wantLoss) {
        Part largest = parts.getFirst();
        CallNumbers sums = new CallNumbers();
        run(largest, in, temperature, out, add, wantLoss, sums);
        if (out != null && !add) {
            clearBeyond(out.dQueries(), largest.dim);
            clearBeyond(out.dKeys(), largest.dim);
            clearBeyond(out.dNegatives(), largest.dim);
        }
        CallNumbers more = new CallNumbers();
        for (Part part : parts.subList(1, parts.size())) {
            run(part, in, temperature, out, true, wantLoss, more);
            sums.add(more);
        }
        return sums;
    }

    private static void run(
            Part part,
            Inputs in,
            double temperature,
            Gradients out,
            boolean add,
            boolean wantLoss,
            CallNumbers numbers) {
        Inputs prefixes = new Inputs(
                prefix(in.queries(), part),
                prefix(in.keys(), part),
                prefix(in.negatives(), part),
                prefix(in.queue(), part),
                in.labels(),
                in.keyLabels(),
                in.groups(),
                in.keyGroups(),
                in.keyOffsets(),
                in.teacherScores(),
                in.weights(),
                in.upstream(),
                in.temperature(),
                in.bias());
        Gradients gradients = out == null
                ? null
                : new Gradients(
                        prefix(out.dQueries(), part), prefix(out.dKeys(), part), prefix(out.dNegatives(), part));
        part.executor.run(prefixes, temperature, gradients, add, wantLoss, numbers);
    }

    @Override
    public void enqueue(
            MemorySegment stream,
            DeviceInputs in,
            DeviceOutputs out,
            boolean add,
            MemorySegment workspace,
            long bytes) {
        for (int k = 0; k < parts.size(); k++) {
            Part part = parts.get(k);
            DeviceInputs prefixes = new DeviceInputs(
                    prefix(in.queries(), part),
                    prefix(in.keys(), part),
                    prefix(in.negatives(), part),
                    prefix(in.queue(), part),
                    in.temperature(),
                    in.logTemperature(),
                    in.weights(),
                    in.labels(),
                    in.keyLabels(),
                    in.groups(),
                    in.keyGroups(),
                    in.keyOffsets(),
                    in.teacherScores(),
                    in.upstream(),
                    in.bias());
            DeviceOutputs outputs = new DeviceOutputs(
                    out.loss(),
                    prefix(out.dQueries(), part),
                    prefix(out.dKeys(), part),
                    prefix(out.dNegatives(), part),
                    out.dTemperature(),
                    out.dBias(),
                    k == 0 ? out.metrics() : null);
            part.executor.enqueue(
                    stream, prefixes, outputs, add || k > 0, workspaceOf(k, workspace), bytes - k * STATE_BYTES);
        }
        if (zeros != null && !add) {
            enqueueZeros(out.dQueries(), stream);
            enqueueZeros(out.dKeys(), stream);
            enqueueZeros(out.dNegatives(), stream);
        }
    }

    @Override
    public void await(MemorySegment workspace, MemorySegment stream) {
        for (int k = 0; k < parts.size(); k++) {
            parts.get(k).executor.await(workspaceOf(k, workspace), stream);
        }
    }

    private static MemorySegment workspaceOf(int part, MemorySegment workspace) {
        return MemorySegment.ofAddress(workspace.address() + part * STATE_BYTES);
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        long most = 0;
        for (int k = 0; k < parts.size(); k++) {
            long before = memory == null ? 0 : k * STATE_BYTES;
            most = Math.max(most, before + parts.get(k).executor.workspaceBytes(gradients));
        }
        return most;
    }

    @Override
    public void close() {
        try {
            if (zeros != null) {
                memory.free(zeros, false);
            }
        } finally {
            close(parts);
        }
    }

    /** The largest, whose scratch memory is all others', is the last. */
    private static void close(List<Part> parts) {
        for (Part part : parts.reversed()) {
            part.executor.close();
        }
    }

    private static Matrix prefix(Matrix matrix, Part part) {
        return matrix == null ? null : matrix.prefix(part.dim);
    }

    private void clearBeyond(Matrix gradient, long dim) {
        if (gradient == null || gradient.dim() == dim) {
            return;
        }
        if (gradient.isOnDevice()) {
            enqueueZeros(gradient, MemorySegment.NULL);
            memory.synchronize(MemorySegment.NULL);
            return;
        }
        long element = gradient.dtype().bytes();
        long width = (gradient.dim() - dim) * element;
        for (long row = 0; row < gradient.rows(); row++) {
            long at = (row * gradient.rowStride() + dim) * element;
            gradient.segment().asSlice(at, width).fill((byte) 0);
        }
    }

    /** A copy a row, as there is no other way to write memory of a device on a stream. */
    private void enqueueZeros(Matrix gradient, MemorySegment stream) {
        if (gradient == null) {
            return;
        }
        long stride = gradient.rowStride() * gradient.dtype().bytes();
        long first =
                gradient.segment().address() + gradient.dim() * gradient.dtype().bytes() - zeros.byteSize();
        for (long row = 0; row < gradient.rows(); row++) {
            memory.copy(MemorySegment.ofAddress(first + row * stride), zeros, zeros.byteSize(), stream);
        }
    }
}
