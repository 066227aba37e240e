package dev.infonce.internal;

import dev.infonce.Gradients;
import dev.infonce.Inputs;

/** What {@link dev.infonce.Plan} runs. Thread-safe. */
public interface PlanExecutor extends AutoCloseable {
    /**
     * Computes the loss, and the gradients for which out has a matrix; out == null: the loss alone. Arguments are checked, every
     * matrix has the plan's type and is accessible by the calling thread (perhaps by no other).
     *
     * @param temperature tau of this call, NaN for losses without one; takes precedence over in
     * @param wantLoss if false, loss is NaN, rowLosses is empty and metrics are null
     * @throws dev.infonce.InfoNceException with outputs untouched
     */
    Outcome run(Inputs in, double temperature, Gradients out, boolean wantLoss);

    /** Scratch bytes of one running call. */
    long workspaceBytes();

    /** Called once, after the last call has ended. */
    @Override
    void close();
}
