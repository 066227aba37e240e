package dev.infonce.internal;

import dev.infonce.DeviceInputs;
import dev.infonce.DeviceOutputs;
import dev.infonce.Gradients;
import dev.infonce.Inputs;
import java.lang.foreign.MemorySegment;

/** What {@link dev.infonce.Plan} runs. Thread-safe. */
public interface PlanExecutor extends AutoCloseable {
    /**
     * Computes the loss, and the gradients for which out has a matrix; out == null: the loss alone. Arguments are checked, every
     * matrix has the plan's type and is accessible by the calling thread (perhaps by no other).
     *
     * @param temperature tau of this call, NaN for losses without one; takes precedence over in
     * @param add whether gradients are added to what the matrices of out hold; numbers are returned as they are
     * @param wantLoss if false, loss is NaN, rowLosses is empty and metrics are null
     * @throws dev.infonce.InfoNceException with outputs untouched
     */
    Outcome run(Inputs in, double temperature, Gradients out, boolean add, boolean wantLoss);

    /** As the other run, with the numbers into an object that the caller uses again. */
    default void run(Inputs in, double temperature, Gradients out, boolean add, boolean wantLoss, CallNumbers numbers) {
        numbers.take(run(in, temperature, out, add, wantLoss));
    }

    /**
     * Enqueues the loss, and the gradients for which out has a place, without waiting. Only where the backend has memory of its
     * own; arguments are checked and lie there.
     *
     * @param add whether the loss and the gradients are added to what out holds
     */
    default void enqueue(
            MemorySegment stream,
            DeviceInputs in,
            DeviceOutputs out,
            boolean add,
            MemorySegment workspace,
            long bytes) {
        throw new UnsupportedOperationException("calls of this device end before they return");
    }

    /** Waits for the stream, then throws what the last call on the workspace ended with, if not well. */
    default void await(MemorySegment workspace, MemorySegment stream) {
        throw new UnsupportedOperationException("calls of this device end before they return");
    }

    /** Scratch bytes of one running call, with gradients or without. */
    long workspaceBytes(boolean gradients);

    /** Called once, after the last call has ended. */
    @Override
    void close();
}
