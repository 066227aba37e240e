package dev.infonce.internal.nativelib;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.DeviceBuffer;
import dev.infonce.DeviceInputs;
import dev.infonce.DeviceOutputs;
import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.Inputs;
import dev.infonce.Negatives;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.Triplet;
import dev.infonce.bindings.infonce_h;
import dev.infonce.bindings.nce_inputs;
import dev.infonce.bindings.nce_outputs;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.PlanExecutor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;

/** A plan of a native context. Each running call has a CallMemory of its own, kept for the calls to come. */
final class NativePlanExecutor implements PlanExecutor {
    private static final double[] NO_ROWS = {};

    private final NativeContext context;
    private final MemorySegment plan;
    private final boolean perRow;
    private final boolean hasTemperature;
    private final boolean metrics;
    private final long lossRows;
    private final long forwardBytes;
    private final long gradientBytes;
    /** The loss's own temperature in memory of the context, where that is not the host's; else null. */
    private final MemorySegment ownTemperature;

    private final Deque<CallMemory> idle = new ArrayDeque<>();

    NativePlanExecutor(NativeContext context, ContrastiveLoss loss, Shape shape, DType dtype, PlanOptions options) {
        this.context = context;
        this.perRow = loss.reduction() == Reduction.NONE;
        this.hasTemperature = loss instanceof InfoNce || loss instanceof NtXent || loss instanceof NtLogistic;
        this.metrics = options.metrics();
        boolean twoViews = loss instanceof NtXent
                || loss instanceof NtLogistic logistic && logistic.negatives() == Negatives.IN_BATCH;
        this.lossRows = twoViews && shape.m() > 0 ? 2 * shape.n() : shape.n();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(infonce_h.C_POINTER);
            MemorySegment desc = NativeLoss.describe(loss, shape, dtype, options, arena);
            NativeApi api = context.api();
            api.check(api.planCreate(context.handle(), desc, pointer));
            this.plan = pointer.get(infonce_h.C_POINTER, 0);
            try {
                this.forwardBytes = bytes(infonce_h.NCE_PASS_FORWARD(), arena);
                this.gradientBytes = bytes(infonce_h.NCE_PASS_FORWARD_BACKWARD(), arena);
                this.ownTemperature = context.hostMemory() || !hasTemperature ? null : placed(temperature(loss), arena);
            } catch (RuntimeException | Error e) {
                api.planDestroy(plan);
                throw e;
            }
        }
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean wantLoss) {
        boolean gradients = out != null;
        CallMemory memory = take();
        try (Arena arena = Arena.ofConfined()) {
            CallMatrices matrices = new CallMatrices(in, out, memory);
            long lossCount = !wantLoss ? 0 : perRow ? lossRows : 1;
            CallScalars scalars = new CallScalars(
                    in, hasTemperature ? temperature : Double.NaN, gradients, lossCount, metrics && wantLoss, arena);
            MemorySegment block = scalars.host();
            if (!context.hostMemory()) {
                block = memory.scalars(scalars.host().byteSize());
                context.copy(block, scalars.host(), scalars.inputBytes(), MemorySegment.NULL);
            }
            long workspaceBytes = gradients ? gradientBytes : forwardBytes;
            MemorySegment workspace = memory.workspace(workspaceBytes);
            NativeApi api = context.api();
            api.check(api.run(
                    gradients,
                    plan,
                    inputs(in, matrices, scalars, block, arena),
                    outputs(matrices, scalars, block, arena),
                    workspace,
                    workspaceBytes,
                    MemorySegment.NULL,
                    matrices.inPlace()));
            if (!context.hostMemory()) {
                api.check(api.workspaceStatus(plan, workspace, MemorySegment.NULL));
                long read = scalars.inputBytes();
                long written = block.byteSize() - read;
                context.copy(scalars.host().asSlice(read), block.asSlice(read), written, MemorySegment.NULL);
                context.synchronize(MemorySegment.NULL);
            }
            matrices.copyBack();
            return new Outcome(
                    wantLoss && !perRow ? scalars.theLoss() : Double.NaN,
                    wantLoss && perRow ? scalars.losses() : NO_ROWS,
                    gradients ? scalars.theDTemperature() : 0,
                    metrics && wantLoss ? NativeMetrics.read(scalars.theMetrics()) : null);
        } finally {
            give(memory);
        }
    }

    @Override
    public void enqueue(
            MemorySegment stream, DeviceInputs in, DeviceOutputs out, MemorySegment workspace, long workspaceBytes) {
        try (Arena arena = Arena.ofConfined()) {
            CallMatrices matrices = new CallMatrices(in, out);
            MemorySegment inputs = inputs(matrices, arena);
            boolean logarithm = in.temperature() != null && in.logTemperature();
            nce_inputs.temperature_form(
                    inputs, logarithm ? infonce_h.NCE_TEMPERATURE_LOGARITHM() : infonce_h.NCE_TEMPERATURE_VALUE());
            MemorySegment own = hasTemperature ? ownTemperature : MemorySegment.NULL;
            nce_inputs.temperature(
                    inputs, in.temperature() == null ? own : in.temperature().segment());
            nce_inputs.weights(inputs, pointer(in.weights()));
            nce_inputs.labels(inputs, pointer(in.labels()));
            nce_inputs.upstream(inputs, pointer(in.upstream()));
            nce_inputs.upstream_per_row(
                    inputs, in.upstream() != null && in.upstream().bytes() > Float.BYTES ? 1 : 0);
            MemorySegment outputs = outputs(matrices, arena);
            nce_outputs.loss(outputs, pointer(out.loss()));
            nce_outputs.d_temperature(outputs, pointer(out.dTemperature()));
            nce_outputs.metrics(outputs, pointer(out.metrics()));
            context.api()
                    .check(context.api()
                            .run(
                                    out.hasGradients(),
                                    plan,
                                    inputs,
                                    outputs,
                                    workspace,
                                    workspaceBytes,
                                    stream,
                                    matrices.inPlace()));
        }
    }

    @Override
    public void await(MemorySegment workspace, MemorySegment stream) {
        context.api().check(context.api().workspaceStatus(plan, workspace, stream));
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        return gradients ? gradientBytes : forwardBytes;
    }

    @Override
    public void close() {
        try {
            synchronized (idle) {
                idle.forEach(CallMemory::free);
                idle.clear();
            }
            if (ownTemperature != null) {
                context.free(ownTemperature);
            }
        } finally {
            context.api().planDestroy(plan);
        }
    }

    private long bytes(int pass, Arena arena) {
        MemorySegment bytes = arena.allocate(ValueLayout.JAVA_LONG);
        context.api().check(context.api().planWorkspaceBytes(plan, pass, bytes));
        return bytes.get(ValueLayout.JAVA_LONG, 0);
    }

    private CallMemory take() {
        synchronized (idle) {
            CallMemory memory = idle.poll();
            return memory != null ? memory : new CallMemory(context);
        }
    }

    private void give(CallMemory memory) {
        synchronized (idle) {
            idle.push(memory);
        }
    }

    private MemorySegment placed(double number, Arena arena) {
        MemorySegment memory = context.allocate(Double.BYTES);
        context.copy(memory, arena.allocateFrom(ValueLayout.JAVA_DOUBLE, number), Double.BYTES, MemorySegment.NULL);
        context.synchronize(MemorySegment.NULL);
        return memory;
    }

    private static double temperature(ContrastiveLoss loss) {
        return switch (loss) {
            case InfoNce infoNce -> infoNce.temperature();
            case NtXent ntXent -> ntXent.temperature();
            case NtLogistic logistic -> logistic.temperature();
            case PairwiseContrastive _, Triplet _ -> Double.NaN;
        };
    }

    private static MemorySegment inputs(
            Inputs in, CallMatrices matrices, CallScalars scalars, MemorySegment block, Arena arena) {
        MemorySegment struct = inputs(matrices, arena);
        nce_inputs.temperature_form(struct, infonce_h.NCE_TEMPERATURE_VALUE());
        nce_inputs.temperature(struct, scalars.temperature(block));
        nce_inputs.weights(struct, scalars.weights(block));
        nce_inputs.labels(struct, scalars.labels(block));
        MemorySegment upstream = scalars.upstream(block);
        nce_inputs.upstream(struct, upstream);
        boolean oneARow = !upstream.equals(MemorySegment.NULL) && in.upstream().length > 1;
        nce_inputs.upstream_per_row(struct, oneARow ? 1 : 0);
        return struct;
    }

    private static MemorySegment inputs(CallMatrices matrices, Arena arena) {
        MemorySegment struct = nce_inputs.allocate(arena);
        nce_inputs.struct_size(struct, (int) nce_inputs.sizeof());
        nce_inputs.queries(struct, matrices.pointer(CallMatrices.QUERIES));
        nce_inputs.queries_stride(struct, matrices.stride(CallMatrices.QUERIES));
        nce_inputs.keys(struct, matrices.pointer(CallMatrices.KEYS));
        nce_inputs.keys_stride(struct, matrices.stride(CallMatrices.KEYS));
        nce_inputs.negatives(struct, matrices.pointer(CallMatrices.NEGATIVES));
        nce_inputs.negatives_stride(struct, matrices.stride(CallMatrices.NEGATIVES));
        return struct;
    }

    private static MemorySegment outputs(CallMatrices matrices, CallScalars scalars, MemorySegment block, Arena arena) {
        MemorySegment struct = outputs(matrices, arena);
        nce_outputs.loss(struct, scalars.loss(block));
        nce_outputs.d_temperature(struct, scalars.dTemperature(block));
        nce_outputs.metrics(struct, scalars.metrics(block));
        return struct;
    }

    private static MemorySegment outputs(CallMatrices matrices, Arena arena) {
        MemorySegment struct = nce_outputs.allocate(arena);
        nce_outputs.struct_size(struct, (int) nce_outputs.sizeof());
        nce_outputs.d_queries(struct, matrices.pointer(CallMatrices.D_QUERIES));
        nce_outputs.d_queries_stride(struct, matrices.stride(CallMatrices.D_QUERIES));
        nce_outputs.d_keys(struct, matrices.pointer(CallMatrices.D_KEYS));
        nce_outputs.d_keys_stride(struct, matrices.stride(CallMatrices.D_KEYS));
        nce_outputs.d_negatives(struct, matrices.pointer(CallMatrices.D_NEGATIVES));
        nce_outputs.d_negatives_stride(struct, matrices.stride(CallMatrices.D_NEGATIVES));
        return struct;
    }

    private static MemorySegment pointer(DeviceBuffer buffer) {
        return buffer == null ? MemorySegment.NULL : buffer.segment();
    }
}
