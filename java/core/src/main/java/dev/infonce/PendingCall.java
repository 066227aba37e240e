package dev.infonce;

/**
 * A call that {@link Plan#enqueue} has enqueued. Thread-safe. It tells how the call ended until its workspace is used again, for
 * the device keeps that there.
 */
public final class PendingCall {
    private final Plan plan;
    private final Stream stream;
    private final DeviceBuffer workspace;
    /** Their memory must not be freed by the garbage collector before the call has run. */
    private final DeviceInputs in;

    private final DeviceOutputs out;

    PendingCall(Plan plan, Stream stream, DeviceInputs in, DeviceOutputs out, DeviceBuffer workspace) {
        this.plan = plan;
        this.stream = stream;
        this.in = in;
        this.out = out;
        this.workspace = workspace;
    }

    /**
     * Waits until the stream got so far.
     *
     * @return where the results are
     * @throws InfoNceException INVALID_ARGUMENT or NON_FINITE with matrix or array and row, with outputs as that status leaves
     *     them; DEVICE_ERROR
     * @throws IllegalStateException if the plan, the stream, the device or the workspace is closed
     */
    public DeviceOutputs await() {
        plan.await(stream, workspace);
        return out;
    }

    /**
     * Waits until the stream got so far, and tells how the call ended without an exception for what it refused.
     *
     * @return OK, or what {@link #await} would have thrown
     * @throws IllegalStateException if the plan, the stream, the device or the workspace is closed
     */
    public Status status() {
        try {
            await();
            return Status.OK;
        } catch (InfoNceException e) {
            return e.status();
        }
    }

    /**
     * What the call reads.
     *
     * @return the inputs
     */
    public DeviceInputs inputs() {
        return in;
    }
}
