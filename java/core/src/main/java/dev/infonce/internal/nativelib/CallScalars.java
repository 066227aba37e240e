package dev.infonce.internal.nativelib;

import dev.infonce.Inputs;
import dev.infonce.bindings.nce_metrics;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The numbers of one call beside its matrices, in one block of host memory: what the call reads, then what it writes. For a
 * context with memory of its own the block has a twin there.
 */
final class CallScalars {
    private static final long ALIGNMENT = 8;

    private final MemorySegment host;
    private final long inputBytes;
    private final long temperature;
    private final long upstream;
    private final long weights;
    private final long labels;
    private final long loss;
    private final long dTemperature;
    private final long metrics;
    private final long lossCount;
    private long size;

    /** Numbers that are not there have no place: temperature NaN, lossCount 0, arrays null. */
    CallScalars(Inputs in, double temperature, boolean gradients, long lossCount, boolean wantMetrics, Arena arena) {
        this.lossCount = lossCount;
        float[] upstreamNumbers = gradients ? in.upstream() : null;
        this.temperature = place(Double.isNaN(temperature) ? 0 : Double.BYTES);
        this.upstream = place(upstreamNumbers == null ? 0 : (long) upstreamNumbers.length * Float.BYTES);
        this.weights = place(in.weights() == null ? 0 : (long) in.weights().length * Float.BYTES);
        this.labels = place(in.labels() == null ? 0 : (long) in.labels().length * Integer.BYTES);
        this.inputBytes = size;
        this.loss = place(lossCount * Double.BYTES);
        this.dTemperature = place(gradients ? Double.BYTES : 0);
        this.metrics = place(wantMetrics ? nce_metrics.sizeof() : 0);
        this.host = arena.allocate(Math.max(1, size), ALIGNMENT);
        if (this.temperature >= 0) {
            host.set(ValueLayout.JAVA_DOUBLE, this.temperature, temperature);
        }
        if (upstream >= 0) {
            MemorySegment.copy(upstreamNumbers, 0, host, ValueLayout.JAVA_FLOAT, upstream, upstreamNumbers.length);
        }
        if (weights >= 0) {
            MemorySegment.copy(in.weights(), 0, host, ValueLayout.JAVA_FLOAT, weights, in.weights().length);
        }
        if (labels >= 0) {
            MemorySegment.copy(in.labels(), 0, host, ValueLayout.JAVA_INT, labels, in.labels().length);
        }
        if (metrics >= 0) {
            nce_metrics.struct_size(host.asSlice(metrics, nce_metrics.sizeof()), (int) nce_metrics.sizeof());
        }
    }

    MemorySegment host() {
        return host;
    }

    /** The first bytes of the block: what the call reads. */
    long inputBytes() {
        return inputBytes;
    }

    MemorySegment temperature(MemorySegment block) {
        return pointer(block, temperature);
    }

    MemorySegment upstream(MemorySegment block) {
        return pointer(block, upstream);
    }

    MemorySegment weights(MemorySegment block) {
        return pointer(block, weights);
    }

    MemorySegment labels(MemorySegment block) {
        return pointer(block, labels);
    }

    MemorySegment loss(MemorySegment block) {
        return pointer(block, loss);
    }

    MemorySegment dTemperature(MemorySegment block) {
        return pointer(block, dTemperature);
    }

    MemorySegment metrics(MemorySegment block) {
        return pointer(block, metrics);
    }

    double[] losses() {
        return host.asSlice(loss, lossCount * Double.BYTES).toArray(ValueLayout.JAVA_DOUBLE);
    }

    double theLoss() {
        return host.get(ValueLayout.JAVA_DOUBLE, loss);
    }

    double theDTemperature() {
        return host.get(ValueLayout.JAVA_DOUBLE, dTemperature);
    }

    MemorySegment theMetrics() {
        return host.asSlice(metrics, nce_metrics.sizeof());
    }

    /** The offset of so many bytes, -1 for none. */
    private long place(long bytes) {
        if (bytes == 0) {
            return -1;
        }
        long offset = size;
        size = (size + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        return offset;
    }

    private static MemorySegment pointer(MemorySegment block, long offset) {
        return offset < 0 ? MemorySegment.NULL : block.asSlice(offset);
    }
}
