package dev.infonce.internal;

import dev.infonce.DType;
import dev.infonce.PlanOptions;
import dev.infonce.Shape;

/** An open device, behind {@link dev.infonce.Device}. Thread-safe. */
public interface Backend extends AutoCloseable {
    /** The name that Device.named takes. */
    String name();

    /** One line on what it is. */
    String description();

    /** What would make it faster here, or "". */
    default String hint() {
        return "";
    }

    /** The device's own memory; null if its plans work on host memory. */
    DeviceMemory memory();

    /** Makes a plan. Loss and shape go together. Throws InfoNceException, UNSUPPORTED for a dtype that it does not do. */
    PlanExecutor plan(LossSpec loss, Shape shape, DType dtype, PlanOptions options);

    /** Called once, after every plan was closed. */
    @Override
    void close();
}
