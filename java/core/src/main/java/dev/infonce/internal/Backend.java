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

    /**
     * Makes a plan. Loss and shape go together, and the loss is one loss, without prefixes. Throws InfoNceException, UNSUPPORTED for a
     * dtype that it does not do.
     *
     * @param beside null, or a plan of this backend whose calls end before those of the new one begin, and which is closed after it:
     *     both together shall keep no more scratch memory than one
     */
    PlanExecutor plan(LossSpec loss, Shape shape, DType dtype, PlanOptions options, PlanExecutor beside);

    /** Called once, after every plan was closed. */
    @Override
    void close();
}
