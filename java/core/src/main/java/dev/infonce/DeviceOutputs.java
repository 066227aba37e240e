package dev.infonce;

import dev.infonce.internal.nativelib.NativeMetrics;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Where {@link Plan#enqueue} writes, all of it in memory of the device; {@link Plan#allocateOutputs} makes one with everything.
 * Whatever is null is not wanted; if dQueries, dKeys, dNegatives, dTemperature and dBias all are, no gradient is computed.
 *
 * @param loss one double, or r doubles for {@link Reduction#NONE}
 * @param dQueries gradient by the queries
 * @param dKeys gradient by the keys
 * @param dNegatives gradient by the negatives
 * @param dTemperature one double: gradient by the temperature, or its logarithm if that was given; 0 for losses with a margin
 * @param dBias one double: gradient by the bias; 0 for losses without one
 * @param metrics {@link #METRICS_BYTES} bytes, which {@link #readMetrics} reads; null if the plan has none
 */
public record DeviceOutputs(
        DeviceBuffer loss,
        Matrix dQueries,
        Matrix dKeys,
        Matrix dNegatives,
        DeviceBuffer dTemperature,
        DeviceBuffer dBias,
        DeviceBuffer metrics) {
    /** The size of metrics. */
    public static final long METRICS_BYTES = NativeMetrics.bytes();

    /**
     * Whether any gradient is wanted.
     *
     * @return false for the loss alone
     */
    public boolean hasGradients() {
        return dQueries != null || dKeys != null || dNegatives != null || dTemperature != null || dBias != null;
    }

    /**
     * Copies the loss to the host after all that was enqueued on the device's streams, and waits for it. Whether the call was
     * refused, {@link PendingCall#await} tells.
     *
     * @return one number, or r numbers for {@link Reduction#NONE}
     */
    public double[] readLoss() {
        return loss.toDoubleArray();
    }

    /**
     * Copies the metrics to the host after all that was enqueued on the device's streams, and waits for it. Whether the call was
     * refused, {@link PendingCall#await} tells.
     *
     * @return the metrics, or null if they were not wanted
     */
    public Metrics readMetrics() {
        if (metrics == null) {
            return null;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(METRICS_BYTES, Long.BYTES);
            metrics.copyTo(struct);
            return NativeMetrics.read(struct);
        }
    }
}
