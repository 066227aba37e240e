package dev.infonce.internal;

import dev.infonce.DType;
import dev.infonce.PlanOptions;
import dev.infonce.Shape;
import dev.infonce.internal.java.JavaPlanExecutor;
import dev.infonce.internal.java.vector.VectorModule;

/**
 * The device that is always there.
 *
 * @param threads of a call, at least 1
 * @param vectors whether to use vectors; only if {@link VectorModule#isEnabled}
 */
public record JavaBackend(int threads, boolean vectors) implements Backend {
    /** With vectors if the application has enabled them. */
    public JavaBackend(int threads) {
        this(threads, VectorModule.isEnabled());
    }

    @Override
    public String name() {
        return "java";
    }

    @Override
    public String description() {
        String threadCount = threads + (threads == 1 ? " thread" : " threads");
        return vectors
                ? "pure Java, " + VectorModule.tiles().bits() + "-bit vectors, " + threadCount
                : "pure Java, " + threadCount;
    }

    @Override
    public String hint() {
        return VectorModule.isEnabled() ? "" : VectorModule.HINT;
    }

    @Override
    public DeviceMemory memory() {
        return null;
    }

    @Override
    public PlanExecutor plan(LossSpec loss, Shape shape, DType dtype, PlanOptions options, PlanExecutor beside) {
        return new JavaPlanExecutor(loss, shape, dtype, options, threads, vectors, beside == null);
    }

    @Override
    public void close() {}
}
