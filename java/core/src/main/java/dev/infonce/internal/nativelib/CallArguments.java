package dev.infonce.internal.nativelib;

import dev.infonce.DeviceBuffer;
import dev.infonce.DeviceInputs;
import dev.infonce.DeviceOutputs;
import dev.infonce.Inputs;
import dev.infonce.bindings.infonce_h;
import dev.infonce.bindings.nce_inputs;
import dev.infonce.bindings.nce_metrics;
import dev.infonce.bindings.nce_outputs;
import dev.infonce.internal.CallNumbers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The structs nce_inputs and nce_outputs of one call at a time, every field written anew for each, and the numbers beside the
 * matrices that they point to. The numbers lie in memory of the device, or in one block of host memory, first what the call
 * reads, then what it writes; a context with memory of its own has a copy of the block.
 */
final class CallArguments {
    private static final long ALIGNMENT = 8;
    private static final long NONE = -1;

    private final Arena arena;
    private final MemorySegment inputs;
    private final MemorySegment outputs;
    private MemorySegment block = MemorySegment.NULL;
    private long size;
    private long inputBytes;
    private long outputsAt;
    private long temperature;
    private long bias;
    private long upstream;
    private long weights;
    private long labels;
    private long keyLabels;
    private long groups;
    private long keyGroups;
    private long keyOffsets;
    private long teacherScores;
    private long loss;
    private long dTemperature;
    private long dBias;
    private long metrics;
    private long lossCount;
    private boolean perRowUpstream;
    private boolean adds;

    CallArguments(Arena arena) {
        this.arena = arena;
        inputs = nce_inputs.allocate(arena);
        outputs = nce_outputs.allocate(arena);
        nce_inputs.struct_size(inputs, (int) nce_inputs.sizeof());
        nce_outputs.struct_size(outputs, (int) nce_outputs.sizeof());
    }

    MemorySegment inputs() {
        return inputs;
    }

    MemorySegment outputs() {
        return outputs;
    }

    /**
     * Lays out a call in the block, and writes what it reads. What is NaN (temperature, bias) or null (an array) has no place. add: the
     * call adds to what matrices hold, and numbers to 0.
     */
    void lay(
            Inputs in,
            double temperatureOfCall,
            double biasOfCall,
            boolean gradients,
            boolean add,
            long losses,
            boolean wantMetrics) {
        float[] upstreamNumbers = gradients ? in.upstream() : null;
        size = 0;
        adds = add;
        lossCount = losses;
        perRowUpstream = upstreamNumbers != null && upstreamNumbers.length > 1;
        temperature = place(Double.isNaN(temperatureOfCall) ? 0 : Double.BYTES);
        bias = place(Double.isNaN(biasOfCall) ? 0 : Double.BYTES);
        upstream = place(upstreamNumbers);
        weights = place(in.weights());
        labels = place(in.labels());
        keyLabels = place(in.keyLabels());
        groups = place(in.groups());
        keyGroups = place(in.keyGroups());
        keyOffsets = place(in.keyOffsets());
        teacherScores = place(in.teacherScores());
        outputsAt = size;
        metrics = place(wantMetrics ? nce_metrics.sizeof() : 0);
        inputBytes = size; // the struct of metrics says how large it is
        long numbersAt = size;
        loss = place(lossCount * Double.BYTES);
        dTemperature = place(gradients ? Double.BYTES : 0);
        dBias = place(gradients ? Double.BYTES : 0);
        if (block.byteSize() < size || block.byteSize() == 0) {
            block = arena.allocate(Math.max(ALIGNMENT, size), ALIGNMENT);
        }
        if (adds) {
            inputBytes = size;
            block.asSlice(numbersAt, size - numbersAt).fill((byte) 0);
        }
        if (temperature != NONE) {
            block.set(ValueLayout.JAVA_DOUBLE, temperature, temperatureOfCall);
        }
        if (bias != NONE) {
            block.set(ValueLayout.JAVA_DOUBLE, bias, biasOfCall);
        }
        write(upstreamNumbers, upstream);
        write(in.weights(), weights);
        write(in.labels(), labels);
        write(in.keyLabels(), keyLabels);
        write(in.groups(), groups);
        write(in.keyGroups(), keyGroups);
        write(in.keyOffsets(), keyOffsets);
        write(in.teacherScores(), teacherScores);
        if (metrics != NONE) {
            long structSize = metrics + nce_metrics.struct_size$offset();
            block.set(ValueLayout.JAVA_INT, structSize, (int) nce_metrics.sizeof());
        }
    }

    private long place(int[] numbers) {
        return place(numbers == null ? 0 : (long) numbers.length * Integer.BYTES);
    }

    private long place(float[] numbers) {
        return place(numbers == null ? 0 : (long) numbers.length * Float.BYTES);
    }

    private void write(float[] numbers, long at) {
        if (at != NONE) {
            MemorySegment.copy(numbers, 0, block, ValueLayout.JAVA_FLOAT, at, numbers.length);
        }
    }

    private void write(int[] numbers, long at) {
        if (at != NONE) {
            MemorySegment.copy(numbers, 0, block, ValueLayout.JAVA_INT, at, numbers.length);
        }
    }

    /** The offset of so many bytes in the block. */
    private long place(long bytes) {
        if (bytes == 0) {
            return NONE;
        }
        long offset = size;
        size = (size + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        return offset;
    }

    /** The block; only the first bytes are of the call. */
    MemorySegment block() {
        return block;
    }

    /** The bytes of the block that are of the call. */
    long bytes() {
        return Math.max(1, size);
    }

    /** The first bytes of the block: what the call reads. */
    long inputBytes() {
        return inputBytes;
    }

    /** Where what the call writes begins, which is before the end of what it reads. */
    long outputsAt() {
        return outputsAt;
    }

    /** A call whose numbers were laid out, the block, or its copy, being at an address. */
    void fill(CallMatrices matrices, long address) {
        fill(matrices);
        nce_inputs.temperature_form(inputs, infonce_h.NCE_TEMPERATURE_VALUE());
        pointer(inputs, nce_inputs.temperature$offset(), address, temperature);
        pointer(inputs, nce_inputs.weights$offset(), address, weights);
        pointer(inputs, nce_inputs.labels$offset(), address, labels);
        pointer(inputs, nce_inputs.key_labels$offset(), address, keyLabels);
        pointer(inputs, nce_inputs.groups$offset(), address, groups);
        pointer(inputs, nce_inputs.key_groups$offset(), address, keyGroups);
        pointer(inputs, nce_inputs.key_offsets$offset(), address, keyOffsets);
        pointer(inputs, nce_inputs.teacher_scores$offset(), address, teacherScores);
        pointer(inputs, nce_inputs.upstream$offset(), address, upstream);
        pointer(inputs, nce_inputs.bias$offset(), address, bias);
        nce_inputs.upstream_per_row(inputs, perRowUpstream ? 1 : 0);
        nce_outputs.accumulate(outputs, adds ? 1 : 0);
        pointer(outputs, nce_outputs.loss$offset(), address, loss);
        pointer(outputs, nce_outputs.d_temperature$offset(), address, dTemperature);
        pointer(outputs, nce_outputs.d_bias$offset(), address, dBias);
        pointer(outputs, nce_outputs.metrics$offset(), address, metrics);
    }

    /** A call whose numbers are in memory of the device. */
    void fill(
            CallMatrices matrices,
            DeviceInputs in,
            DeviceOutputs out,
            boolean add,
            MemorySegment ownTemperature,
            MemorySegment ownBias) {
        fill(matrices);
        boolean logarithm = in.temperature() != null && in.logTemperature();
        nce_inputs.temperature_form(
                inputs, logarithm ? infonce_h.NCE_TEMPERATURE_LOGARITHM() : infonce_h.NCE_TEMPERATURE_VALUE());
        nce_inputs.temperature(
                inputs,
                in.temperature() == null ? ownTemperature : in.temperature().segment());
        nce_inputs.bias(inputs, in.bias() == null ? ownBias : in.bias().segment());
        nce_inputs.weights(inputs, segment(in.weights()));
        nce_inputs.labels(inputs, segment(in.labels()));
        nce_inputs.key_labels(inputs, segment(in.keyLabels()));
        nce_inputs.groups(inputs, segment(in.groups()));
        nce_inputs.key_groups(inputs, segment(in.keyGroups()));
        nce_inputs.key_offsets(inputs, segment(in.keyOffsets()));
        nce_inputs.teacher_scores(inputs, segment(in.teacherScores()));
        nce_inputs.upstream(inputs, segment(in.upstream()));
        nce_inputs.upstream_per_row(
                inputs, in.upstream() != null && in.upstream().bytes() > Float.BYTES ? 1 : 0);
        nce_outputs.accumulate(outputs, add ? 1 : 0);
        nce_outputs.loss(outputs, segment(out.loss()));
        nce_outputs.d_temperature(outputs, segment(out.dTemperature()));
        nce_outputs.d_bias(outputs, segment(out.dBias()));
        nce_outputs.metrics(outputs, segment(out.metrics()));
    }

    private void fill(CallMatrices matrices) {
        nce_inputs.queries(inputs, matrices.pointer(CallMatrices.QUERIES));
        nce_inputs.queries_stride(inputs, matrices.stride(CallMatrices.QUERIES));
        nce_inputs.keys(inputs, matrices.pointer(CallMatrices.KEYS));
        nce_inputs.keys_stride(inputs, matrices.stride(CallMatrices.KEYS));
        nce_inputs.negatives(inputs, matrices.pointer(CallMatrices.NEGATIVES));
        nce_inputs.negatives_stride(inputs, matrices.stride(CallMatrices.NEGATIVES));
        nce_inputs.queue(inputs, matrices.pointer(CallMatrices.QUEUE));
        nce_inputs.queue_stride(inputs, matrices.stride(CallMatrices.QUEUE));
        nce_outputs.d_queries(outputs, matrices.pointer(CallMatrices.D_QUERIES));
        nce_outputs.d_queries_stride(outputs, matrices.stride(CallMatrices.D_QUERIES));
        nce_outputs.d_keys(outputs, matrices.pointer(CallMatrices.D_KEYS));
        nce_outputs.d_keys_stride(outputs, matrices.stride(CallMatrices.D_KEYS));
        nce_outputs.d_negatives(outputs, matrices.pointer(CallMatrices.D_NEGATIVES));
        nce_outputs.d_negatives_stride(outputs, matrices.stride(CallMatrices.D_NEGATIVES));
    }

    // An address alone: a slice for each number of each call would be an object.
    private static void pointer(MemorySegment struct, long field, long address, long offset) {
        struct.set(ValueLayout.JAVA_LONG, field, offset == NONE ? 0 : address + offset);
    }

    private static MemorySegment segment(DeviceBuffer buffer) {
        return buffer == null ? MemorySegment.NULL : buffer.segment();
    }

    /** What the call has written into the block. */
    void read(boolean perRow, CallNumbers numbers) {
        numbers.set(
                perRow || loss == NONE ? Double.NaN : block.get(ValueLayout.JAVA_DOUBLE, loss),
                dTemperature == NONE ? 0 : block.get(ValueLayout.JAVA_DOUBLE, dTemperature),
                dBias == NONE ? 0 : block.get(ValueLayout.JAVA_DOUBLE, dBias));
        numbers.rowLosses(block, perRow && loss != NONE ? loss : 0, perRow ? (int) lossCount : 0);
        if (metrics != NONE) {
            numbers.metrics(block, metrics);
        }
    }
}
