package dev.infonce;

/**
 * How to open a CUDA device, or the emulated one.
 *
 * @param index which of the machine's devices, 0 or more
 * @param maxComputeCapability kernels are chosen as for this compute capability, such as 75 or 80, if the device has a higher
 *     one; 0 for no cap. The emulated device is one of this capability
 */
public record CudaOptions(int index, int maxComputeCapability) {
    private static final CudaOptions DEFAULTS = new CudaOptions(0, 0);

    /**
     * Checks the options.
     *
     * @throws IllegalArgumentException if a number is negative
     */
    public CudaOptions {
        Checks.range("index", index, 0, Integer.MAX_VALUE);
        Checks.range("maxComputeCapability", maxComputeCapability, 0, Integer.MAX_VALUE);
    }

    /**
     * The first device, without a cap.
     *
     * @return the options
     */
    public static CudaOptions defaults() {
        return DEFAULTS;
    }

    /**
     * The same options with another device.
     *
     * @param index 0 or more
     * @return new options
     */
    public CudaOptions withIndex(int index) {
        return Components.with(this, "index", index);
    }

    /**
     * The same options with a cap.
     *
     * @param computeCapability such as 75 or 80; 0 for none
     * @return new options
     */
    public CudaOptions withMaxComputeCapability(int computeCapability) {
        return Components.with(this, "maxComputeCapability", computeCapability);
    }
}
