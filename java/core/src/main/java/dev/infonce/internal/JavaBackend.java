package dev.infonce.internal;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.PlanOptions;
import dev.infonce.Shape;
import dev.infonce.internal.java.JavaPlanExecutor;

/** The device that is always there. */
public record JavaBackend(int threads) implements Backend {
    @Override
    public String name() {
        return "java";
    }

    @Override
    public String description() {
        return "pure Java, " + threads + (threads == 1 ? " thread" : " threads");
    }

    @Override
    public boolean supports(DType dtype) {
        return dtype == DType.FLOAT32 || dtype == DType.FLOAT64;
    }

    @Override
    public DeviceMemory memory() {
        return null;
    }

    @Override
    public PlanExecutor plan(ContrastiveLoss loss, Shape shape, DType dtype, PlanOptions options) {
        return new JavaPlanExecutor(loss, shape, dtype, options, threads);
    }

    @Override
    public void close() {}
}
