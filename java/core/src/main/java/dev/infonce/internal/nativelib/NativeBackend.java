package dev.infonce.internal.nativelib;

import dev.infonce.ContrastiveLoss;
import dev.infonce.CpuOptions;
import dev.infonce.DType;
import dev.infonce.InfoNceException;
import dev.infonce.PlanOptions;
import dev.infonce.Shape;
import dev.infonce.Status;
import dev.infonce.internal.Backend;
import dev.infonce.internal.PlanExecutor;

/** A device of libinfonce.so. */
public final class NativeBackend implements Backend {
    private NativeBackend() {}

    public static NativeBackend cpu(CpuOptions options) {
        throw new InfoNceException(Status.NO_DEVICE, "device cpu: " + whyNot("cpu") + options);
    }

    public static boolean isSwitchedOff() {
        return false;
    }

    public static String whyNot(String name) {
        return name + " is not built";
    }

    @Override
    public String name() {
        return "cpu";
    }

    @Override
    public String description() {
        return "";
    }

    @Override
    public PlanExecutor plan(ContrastiveLoss loss, Shape shape, DType dtype, PlanOptions options) {
        throw new InfoNceException(Status.UNSUPPORTED, "plan");
    }

    @Override
    public void close() {}
}
