package dev.infonce;

import dev.infonce.internal.Outcome;
import dev.infonce.internal.PlanExecutor;
import java.lang.ref.Cleaner;
import java.util.Objects;

/**
 * A loss fixed to sizes, an element type and a device. Immutable and thread-safe: several threads may call it at once, each
 * with outputs of its own. Closing it lets running calls end; afterwards every call is an {@link IllegalStateException}. A plan
 * that is forgotten without being closed is closed by the garbage collector eventually.
 *
 * <p>Every call throws, with all outputs untouched (but for {@linkplain Status#NON_FINITE a gradient beyond its type}, and what a smaller
 * prefix of a {@link Matryoshka} refuses):
 *
 * <ul>
 *   <li>{@link IllegalArgumentException} for what can be told from the arguments: a missing or surplus matrix, sizes, types,
 *       overlapping or read-only outputs, numbers of weights, labels and upstream gradients, and their values;
 *   <li>{@link InfoNceException} for what only the device can tell, such as NON_FINITE inputs or OUT_OF_MEMORY;
 *   <li>{@link IllegalStateException} if the plan, its device or the arena of a matrix is closed;
 *   <li>{@link WrongThreadException} if a matrix lies in an arena that is confined to another thread.
 * </ul>
 */
public final class Plan implements AutoCloseable {
    private final Device device;
    private final Lifetime lifetime;
    private final CallChecks checks;
    private final PlanExecutor executor;
    private final boolean metrics;
    private final Cleaner.Cleanable cleanable;

    Plan(Device device, Lifetime lifetime, CallChecks checks, PlanExecutor executor, boolean metrics, Cleaner cleaner) {
        this.device = device;
        this.lifetime = lifetime;
        this.checks = checks;
        this.executor = executor;
        this.metrics = metrics;
        this.cleanable = cleaner.register(this, lifetime::close);
    }

    /**
     * The loss of queries and keys.
     *
     * @param queries n x dim
     * @param keys as the loss says
     * @return the loss, and metrics if the plan has them
     */
    public LossResult forward(Matrix queries, Matrix keys) {
        return forward(Inputs.of(queries, keys));
    }

    /**
     * The loss.
     *
     * @param in what to read; its upstream gradient does not matter here
     * @return the loss, and metrics if the plan has them
     */
    public LossResult forward(Inputs in) {
        checks.inputs(in);
        Outcome outcome = run(in, null, true);
        return new LossResult(outcome.loss(), outcome.rowLosses(), outcome.metrics());
    }

    /**
     * The gradients without the loss, which is NaN in the result. No forward call needs to come before.
     *
     * @param in what to read
     * @return every gradient, in new arrays
     */
    public GradientResult backward(Inputs in) {
        checks.inputs(in);
        return gradients(in, checks.newGradients(in), false);
    }

    /**
     * The loss and its gradients.
     *
     * @param queries n x dim
     * @param keys as the loss says
     * @return the loss, every gradient in new arrays, and metrics if the plan has them
     */
    public GradientResult forwardBackward(Matrix queries, Matrix keys) {
        return forwardBackward(Inputs.of(queries, keys));
    }

    /**
     * The loss and its gradients.
     *
     * @param in what to read
     * @return the loss, every gradient in new arrays, and metrics if the plan has them
     */
    public GradientResult forwardBackward(Inputs in) {
        checks.inputs(in);
        return gradients(in, checks.newGradients(in), true);
    }

    /**
     * The loss and its gradients, into the caller's matrices.
     *
     * @param in what to read
     * @param out where to write
     * @return the loss, the matrices of out, and metrics if the plan has them
     */
    public GradientResult forwardBackward(Inputs in, Gradients out) {
        checks.inputs(in);
        checks.outputs(in, Objects.requireNonNull(out, "out"));
        return gradients(in, out, true);
    }

    /**
     * The loss and its gradients, into outputs that many calls may use: for training loops that are to leave nothing to the
     * garbage collector.
     *
     * @param in what to read
     * @param out where to write
     */
    public void forwardBackward(Inputs in, Outputs out) {
        checks.inputs(in);
        Gradients gradients = Objects.requireNonNull(out, "out").gradients();
        checks.outputs(in, gradients);
        double temperature = checks.temperature(in);
        lifetime.acquire();
        try {
            device.finishStreams();
            executor.run(in, temperature, gradients, false, true, out.numbers());
            out.temperature(temperature);
        } finally {
            lifetime.release();
        }
    }

    /**
     * Enqueues the loss, and the gradients for which out has a place, and returns. Nothing of it allocates or waits, so that a
     * CUDA graph can capture it; meanwhile nothing else that waits may be asked of the device. Everything must lie in memory of the plan's device and stay open, and inputs unchanged, until
     * the call has run; results are in out then. Calls on different workspaces may run at once.
     *
     * <pre>{@code
     * var in = DeviceInputs.of(queries, keys);
     * var out = plan.allocateOutputs();
     * var workspace = plan.allocateWorkspace();
     * try (var stream = device.stream()) {
     *     for (int step = 0; step < 100; step++) {
     *         plan.enqueue(stream, in, out, workspace); // and whatever uses out, on the same stream
     *     }
     *     stream.synchronize();
     * }
     * }</pre>
     *
     * @param stream of the plan's device
     * @param in what to read
     * @param out where to write
     * @param workspace at least {@link #workspaceBytes()} bytes, aligned to 64; of one call at a time
     * @return what tells how the call ended; need not be asked
     * @throws IllegalArgumentException for what can be told from the arguments without reading memory of the device
     * @throws InfoNceException UNSUPPORTED on cpu and java, whose calls end before they return; INVALID_ARGUMENT if memory is not
     *     the device's; DEVICE_ERROR
     * @throws IllegalStateException if the plan, the stream, the device or the arena of a matrix is closed
     */
    public PendingCall enqueue(Stream stream, DeviceInputs in, DeviceOutputs out, DeviceBuffer workspace) {
        Objects.requireNonNull(stream, "stream");
        device.ownMemory();
        Checks.argument(
                stream.device() == device, "stream: must be of the plan's device, %s, but is of another", device);
        checks.enqueued(in, out);
        lifetime.acquire();
        try {
            checks.workspace(workspace, executor.workspaceBytes(out.hasGradients()));
            Checks.argument(
                    out.metrics() == null || metrics, "metrics: the plan was made without, but got a buffer for them");
            stream.enqueue(handle -> executor.enqueue(handle, in, out, false, workspace.segment(), workspace.bytes()));
            return new PendingCall(this, stream, in, out, workspace);
        } finally {
            lifetime.release();
        }
    }

    void await(Stream stream, DeviceBuffer workspace) {
        lifetime.acquire();
        try {
            workspace.alive();
            stream.await(handle -> executor.await(workspace.segment(), handle));
        } finally {
            lifetime.release();
        }
    }

    /**
     * Memory of the device for everything that {@link #enqueue} can write, zeros. It belongs to the device.
     *
     * @return the loss, every gradient, and metrics if the plan has them
     * @throws InfoNceException UNSUPPORTED on cpu and java; OUT_OF_MEMORY
     * @throws IllegalStateException if the device is closed
     */
    public DeviceOutputs allocateOutputs() {
        device.ownMemory();
        Gradients gradients = checks.deviceGradients();
        return new DeviceOutputs(
                device.allocateBuffer(checks.lossBytes()),
                gradients.dQueries(),
                gradients.dKeys(),
                gradients.dNegatives(),
                device.allocateBuffer(Double.BYTES),
                device.allocateBuffer(Double.BYTES),
                metrics ? device.allocateBuffer(DeviceOutputs.METRICS_BYTES) : null);
    }

    /**
     * Memory of the device for one running {@link #enqueue}. It belongs to the device.
     *
     * @return {@link #workspaceBytes()} bytes
     * @throws InfoNceException UNSUPPORTED on cpu and java; OUT_OF_MEMORY
     * @throws IllegalStateException if the plan or the device is closed
     */
    public DeviceBuffer allocateWorkspace() {
        return device.allocateBuffer(workspaceBytes());
    }

    /**
     * The loss that the plan was made for.
     *
     * @return the loss
     */
    public ContrastiveLoss loss() {
        return checks.loss();
    }

    /**
     * The sizes that the plan was made for.
     *
     * @return the shape
     */
    public Shape shape() {
        return checks.shape();
    }

    /**
     * The element type that the plan was made for.
     *
     * @return the type of every matrix
     */
    public DType dtype() {
        return checks.dtype();
    }

    /**
     * The device that the plan was made by.
     *
     * @return the device
     */
    public Device device() {
        return device;
    }

    /**
     * The scratch memory that one running call uses, apart from copies of heap arrays; the prefixes of a {@link Matryoshka} take
     * turns in it. It is kept for the next call, so a plan holds as many as there were calls at once.
     *
     * @return bytes
     * @throws IllegalStateException if the plan is closed
     */
    public long workspaceBytes() {
        lifetime.acquire();
        try {
            return executor.workspaceBytes(true);
        } finally {
            lifetime.release();
        }
    }

    /** Closes the plan. Closing again does nothing. */
    @Override
    public void close() {
        cleanable.clean();
    }

    /** The loss, the sizes, the element type and the device. */
    @Override
    public String toString() {
        return loss() + " of " + shape() + ", " + dtype() + " on " + device.name();
    }

    private GradientResult gradients(Inputs in, Gradients out, boolean wantLoss) {
        Outcome outcome = run(in, out, wantLoss);
        return new GradientResult(
                outcome.loss(),
                outcome.rowLosses(),
                out.dQueries(),
                out.dKeys(),
                out.dNegatives(),
                outcome.dTemperature(),
                outcome.dBias(),
                checks.temperature(in),
                outcome.metrics());
    }

    private Outcome run(Inputs in, Gradients out, boolean wantLoss) {
        lifetime.acquire();
        try {
            device.finishStreams();
            return executor.run(in, checks.temperature(in), out, false, wantLoss);
        } finally {
            lifetime.release();
        }
    }
}
