package dev.infonce.internal.java;

import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.internal.Outcome;

/** One loss on fixed shapes. Stateless between calls, so that several threads may call at once. */
public interface LossExecutor {
    /**
     * out, and any matrix in it, is null if not wanted. Outputs are written after everything that can fail.
     *
     * @param add whether gradients are added to what the matrices hold
     */
    Outcome run(Inputs in, double temperature, Gradients out, boolean add);

    /** Scratch bytes of a call, as far as they grow with the shape or the budget. */
    long workspaceBytes(boolean gradients);
}
