package dev.infonce.internal.nativelib;

import dev.infonce.Inputs;
import dev.infonce.bindings.nce_metrics;
import dev.infonce.internal.CallNumbers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The numbers of one call at a time beside its matrices, in one block of host memory: what the call reads, then what it writes.
 * For a context with memory of its own the block has a twin there.
 */
final class CallScalars {
    private static final long ALIGNMENT = 8;
    private static final long NONE = -1;

    private final Arena arena;
    private MemorySegment host;
    private long size;
    private long inputBytes;
    private long temperature;
    private long upstream;
    private long weights;
    private long labels;
    private long loss;
    private long dTemperature;
    private long metrics;
    private long lossCount;

    CallScalars(Arena arena) {
        this.arena = arena;
        this.host = MemorySegment.NULL;
    }

    /** Lays out a call, and writes what it reads. Numbers that are not there have no place: temperature NaN, arrays null. */
    void lay(Inputs in, double temperatureOfCall, boolean gradients, long losses, boolean wantMetrics) {
        float[] upstreamNumbers = gradients ? in.upstream() : null;
        size = 0;
        lossCount = losses;
        temperature = place(Double.isNaN(temperatureOfCall) ? 0 : Double.BYTES);
        upstream = place(upstreamNumbers == null ? 0 : (long) upstreamNumbers.length * Float.BYTES);
        weights = place(in.weights() == null ? 0 : (long) in.weights().length * Float.BYTES);
        labels = place(in.labels() == null ? 0 : (long) in.labels().length * Integer.BYTES);
        inputBytes = size;
        loss = place(lossCount * Double.BYTES);
        dTemperature = place(gradients ? Double.BYTES : 0);
        metrics = place(wantMetrics ? nce_metrics.sizeof() : 0);
        if (host.byteSize() < size || host.byteSize() == 0) {
            host = arena.allocate(Math.max(ALIGNMENT, size), ALIGNMENT);
        }
        if (temperature != NONE) {
            host.set(ValueLayout.JAVA_DOUBLE, temperature, temperatureOfCall);
        }
        if (upstream != NONE) {
            MemorySegment.copy(upstreamNumbers, 0, host, ValueLayout.JAVA_FLOAT, upstream, upstreamNumbers.length);
        }
        if (weights != NONE) {
            MemorySegment.copy(in.weights(), 0, host, ValueLayout.JAVA_FLOAT, weights, in.weights().length);
        }
        if (labels != NONE) {
            MemorySegment.copy(in.labels(), 0, host, ValueLayout.JAVA_INT, labels, in.labels().length);
        }
        if (metrics != NONE) {
            long structSize = metrics + nce_metrics.struct_size$offset();
            host.set(ValueLayout.JAVA_INT, structSize, (int) nce_metrics.sizeof());
        }
    }

    /** The block; only the first bytes are of the call. */
    MemorySegment host() {
        return host;
    }

    /** The bytes of the block that are of the call. */
    long bytes() {
        return Math.max(1, size);
    }

    /** The first bytes of the block: what the call reads. */
    long inputBytes() {
        return inputBytes;
    }

    /** Where a number is, for a block at an address; 0 if the call has none such. */
    long temperature(long block) {
        return address(block, temperature);
    }

    long upstream(long block) {
        return address(block, upstream);
    }

    long weights(long block) {
        return address(block, weights);
    }

    long labels(long block) {
        return address(block, labels);
    }

    long loss(long block) {
        return address(block, loss);
    }

    long dTemperature(long block) {
        return address(block, dTemperature);
    }

    long metrics(long block) {
        return address(block, metrics);
    }

    /** What the call has written. */
    void read(boolean perRow, CallNumbers numbers) {
        numbers.set(
                perRow || loss == NONE ? Double.NaN : host.get(ValueLayout.JAVA_DOUBLE, loss),
                dTemperature == NONE ? 0 : host.get(ValueLayout.JAVA_DOUBLE, dTemperature));
        numbers.rowLosses(host, perRow && loss != NONE ? loss : 0, perRow ? (int) lossCount : 0);
        if (metrics != NONE) {
            numbers.metrics(host, metrics);
        }
    }

    /** The offset of so many bytes. */
    private long place(long bytes) {
        if (bytes == 0) {
            return NONE;
        }
        long offset = size;
        size = (size + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        return offset;
    }

    private static long address(long block, long offset) {
        return offset == NONE ? 0 : block + offset;
    }
}
