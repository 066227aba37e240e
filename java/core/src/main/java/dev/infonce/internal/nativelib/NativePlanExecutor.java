package dev.infonce.internal.nativelib;

import dev.infonce.DType;
import dev.infonce.DeviceInputs;
import dev.infonce.DeviceOutputs;
import dev.infonce.Gradients;
import dev.infonce.InfoNceException;
import dev.infonce.Inputs;
import dev.infonce.PlanOptions;
import dev.infonce.Shape;
import dev.infonce.Status;
import dev.infonce.bindings.infonce_h;
import dev.infonce.bindings.nce_metrics;
import dev.infonce.internal.CallNumbers;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.PlanExecutor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * A plan of a native context. Each running call has a CallMemory of its own, kept for the calls to come, also to those of plans beside
 * it.
 */
final class NativePlanExecutor implements PlanExecutor {
    private final NativeContext context;
    private final LossSpec loss;
    private final Shape shape;
    private final DType dtype;
    private final PlanOptions options;
    private final MemorySegment plan;
    private final boolean perRow;
    private final boolean hasTemperature;
    private final boolean hasBias;
    private final boolean metrics;
    private final long lossRows;
    private final long forwardBytes;
    private final long gradientBytes;
    /** The loss's own temperature in memory of the context, where that is not the host's; else null. */
    private final MemorySegment ownTemperature;
    /** The loss's own bias, likewise. */
    private final MemorySegment ownBias;
    /** The size of the struct of metrics in memory of the context, where that is not the host's; else null. */
    private final MemorySegment metricsSize;

    private final Deque<CallMemory> idle;
    private final boolean ownsIdle;

    /** beside: see {@link dev.infonce.internal.Backend#plan}. */
    NativePlanExecutor(
            NativeContext context,
            LossSpec loss,
            Shape shape,
            DType dtype,
            PlanOptions options,
            NativePlanExecutor beside) {
        this.context = context;
        this.idle = beside == null ? new ArrayDeque<>() : beside.idle;
        this.ownsIdle = beside == null;
        this.loss = loss;
        this.shape = shape;
        this.dtype = dtype;
        this.options = options;
        this.perRow = loss.perRow();
        this.hasTemperature = loss.hasTemperature();
        this.hasBias = loss.hasBias();
        this.metrics = options.metrics();
        this.lossRows = loss.rows(shape).losses();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(infonce_h.C_POINTER);
            MemorySegment desc = NativeLoss.describe(loss, shape, dtype, options, arena);
            NativeApi api = context.api();
            api.check(api.planCreate(context.handle(), desc, pointer));
            this.plan = pointer.get(infonce_h.C_POINTER, 0);
            try {
                this.forwardBytes = bytes(infonce_h.NCE_PASS_FORWARD(), arena);
                this.gradientBytes = bytes(infonce_h.NCE_PASS_FORWARD_BACKWARD(), arena);
                this.ownTemperature = context.hostMemory() || !hasTemperature
                        ? null
                        : placed(arena.allocateFrom(ValueLayout.JAVA_DOUBLE, loss.temperature()));
                this.ownBias = context.hostMemory() || !hasBias
                        ? null
                        : placed(arena.allocateFrom(ValueLayout.JAVA_DOUBLE, loss.bias()));
                this.metricsSize = context.hostMemory() || !metrics
                        ? null
                        : placed(arena.allocateFrom(ValueLayout.JAVA_INT, (int) nce_metrics.sizeof()));
            } catch (RuntimeException | Error e) {
                api.planDestroy(plan);
                throw e;
            }
        }
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean add, boolean wantLoss) {
        CallNumbers numbers = new CallNumbers();
        run(in, temperature, out, add, wantLoss, numbers);
        return new Outcome(
                numbers.loss(), numbers.rowLosses(), numbers.dTemperature(), numbers.dBias(), numbers.metrics());
    }

    /** Nothing here makes an object, unless a matrix has to be copied for the first time. */
    @Override
    public void run(Inputs in, double temperature, Gradients out, boolean add, boolean wantLoss, CallNumbers numbers) {
        boolean gradients = out != null;
        CallMemory memory = take();
        CallMatrices matrices = memory.matrices();
        try {
            matrices.take(in, out, add);
            CallArguments arguments = memory.arguments();
            long lossCount = !wantLoss ? 0 : perRow ? lossRows : 1;
            double temperatureOfCall = hasTemperature ? temperature : Double.NaN;
            double biasOfCall = hasBias ? loss.bias(in) : Double.NaN;
            arguments.lay(in, temperatureOfCall, biasOfCall, gradients, add, lossCount, metrics && wantLoss);
            MemorySegment block = arguments.block();
            if (!context.hostMemory()) {
                block = memory.blockCopy(arguments.bytes());
                context.copy(block, arguments.block(), arguments.inputBytes(), MemorySegment.NULL);
            }
            arguments.fill(matrices, block.address());
            long workspaceBytes = gradients ? gradientBytes : forwardBytes;
            MemorySegment workspace = workspace(memory, workspaceBytes);
            NativeApi api = context.api();
            api.check(api.run(
                    gradients,
                    plan,
                    arguments.inputs(),
                    arguments.outputs(),
                    workspace,
                    workspaceBytes,
                    MemorySegment.NULL,
                    matrices.inPlace()));
            if (!context.hostMemory()) {
                api.check(api.workspaceStatus(plan, workspace, MemorySegment.NULL));
                long first = arguments.outputsAt();
                long written = arguments.bytes() - first;
                context.copy(arguments.block().asSlice(first), block.asSlice(first), written, MemorySegment.NULL);
                context.synchronize(MemorySegment.NULL);
            }
            matrices.copyBack();
            arguments.read(perRow, numbers);
        } finally {
            matrices.forget();
            give(memory);
        }
    }

    @Override
    public void enqueue(
            MemorySegment stream,
            DeviceInputs in,
            DeviceOutputs out,
            boolean add,
            MemorySegment workspace,
            long workspaceBytes) {
        try (Arena arena = Arena.ofConfined()) {
            CallMatrices matrices = new CallMatrices(null);
            matrices.take(in, out);
            CallArguments arguments = new CallArguments(arena);
            MemorySegment temperature = hasTemperature ? ownTemperature : MemorySegment.NULL;
            arguments.fill(matrices, in, out, add, temperature, hasBias ? ownBias : MemorySegment.NULL);
            if (out.metrics() != null) {
                long structSize = out.metrics().segment().address() + nce_metrics.struct_size$offset();
                context.copy(MemorySegment.ofAddress(structSize), metricsSize, metricsSize.byteSize(), stream);
            }
            NativeApi api = context.api();
            api.check(api.run(
                    out.hasGradients(),
                    plan,
                    arguments.inputs(),
                    arguments.outputs(),
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
                if (ownsIdle) {
                    idle.forEach(CallMemory::free);
                    idle.clear();
                }
            }
            if (ownTemperature != null) {
                context.free(ownTemperature);
            }
            if (ownBias != null) {
                context.free(ownBias);
            }
            if (metricsSize != null) {
                context.free(metricsSize);
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

    private MemorySegment workspace(CallMemory memory, long bytes) {
        try {
            return memory.workspace(bytes);
        } catch (InfoNceException refusal) {
            throw refusal.status() == Status.OUT_OF_MEMORY ? withWayOut(refusal, bytes) : refusal;
        }
    }

    /** Says what the bytes are for, and what would need fewer. */
    private InfoNceException withWayOut(InfoNceException refusal, long bytes) {
        NativePlanExecutor least =
                new NativePlanExecutor(context, loss, shape, dtype, options.withWorkspaceBudget(0), null);
        long leastBytes = bytes == gradientBytes ? least.gradientBytes : least.forwardBytes;
        least.close();
        String wayOut = leastBytes < bytes
                ? "PlanOptions.withWorkspaceBudget(0) would need " + leastBytes + ", and fewer rows still less"
                : "fewer rows or dimensions need less";
        return new InfoNceException(
                Status.OUT_OF_MEMORY,
                "the workspace of " + shape + ", " + dtype + ", has " + bytes + " bytes; " + wayOut + ". "
                        + refusal.getMessage(),
                refusal);
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

    private MemorySegment placed(MemorySegment number) {
        MemorySegment memory = context.allocate(number.byteSize());
        context.copy(memory, number, number.byteSize(), MemorySegment.NULL);
        context.synchronize(MemorySegment.NULL);
        return memory;
    }
}
