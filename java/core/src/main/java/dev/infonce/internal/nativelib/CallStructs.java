package dev.infonce.internal.nativelib;

import dev.infonce.DeviceBuffer;
import dev.infonce.DeviceInputs;
import dev.infonce.DeviceOutputs;
import dev.infonce.Inputs;
import dev.infonce.bindings.infonce_h;
import dev.infonce.bindings.nce_inputs;
import dev.infonce.bindings.nce_outputs;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The structs nce_inputs and nce_outputs of one call at a time, every field written anew for each. */
final class CallStructs {
    private final MemorySegment inputs;
    private final MemorySegment outputs;

    CallStructs(Arena arena) {
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

    /** A call whose numbers are in a block of scalars at an address. */
    void fill(CallMatrices matrices, Inputs in, CallScalars scalars, long block) {
        fill(matrices);
        nce_inputs.temperature_form(inputs, infonce_h.NCE_TEMPERATURE_VALUE());
        pointer(inputs, nce_inputs.temperature$offset(), scalars.temperature(block));
        pointer(inputs, nce_inputs.weights$offset(), scalars.weights(block));
        pointer(inputs, nce_inputs.labels$offset(), scalars.labels(block));
        long upstream = scalars.upstream(block);
        pointer(inputs, nce_inputs.upstream$offset(), upstream);
        nce_inputs.upstream_per_row(inputs, upstream != 0 && in.upstream().length > 1 ? 1 : 0);
        pointer(outputs, nce_outputs.loss$offset(), scalars.loss(block));
        pointer(outputs, nce_outputs.d_temperature$offset(), scalars.dTemperature(block));
        pointer(outputs, nce_outputs.metrics$offset(), scalars.metrics(block));
    }

    /** A call whose numbers are in memory of the device. */
    void fill(CallMatrices matrices, DeviceInputs in, DeviceOutputs out, MemorySegment ownTemperature) {
        fill(matrices);
        boolean logarithm = in.temperature() != null && in.logTemperature();
        nce_inputs.temperature_form(
                inputs, logarithm ? infonce_h.NCE_TEMPERATURE_LOGARITHM() : infonce_h.NCE_TEMPERATURE_VALUE());
        nce_inputs.temperature(
                inputs,
                in.temperature() == null ? ownTemperature : in.temperature().segment());
        nce_inputs.weights(inputs, segment(in.weights()));
        nce_inputs.labels(inputs, segment(in.labels()));
        nce_inputs.upstream(inputs, segment(in.upstream()));
        nce_inputs.upstream_per_row(
                inputs, in.upstream() != null && in.upstream().bytes() > Float.BYTES ? 1 : 0);
        nce_outputs.loss(outputs, segment(out.loss()));
        nce_outputs.d_temperature(outputs, segment(out.dTemperature()));
        nce_outputs.metrics(outputs, segment(out.metrics()));
    }

    private void fill(CallMatrices matrices) {
        nce_inputs.queries(inputs, matrices.pointer(CallMatrices.QUERIES));
        nce_inputs.queries_stride(inputs, matrices.stride(CallMatrices.QUERIES));
        nce_inputs.keys(inputs, matrices.pointer(CallMatrices.KEYS));
        nce_inputs.keys_stride(inputs, matrices.stride(CallMatrices.KEYS));
        nce_inputs.negatives(inputs, matrices.pointer(CallMatrices.NEGATIVES));
        nce_inputs.negatives_stride(inputs, matrices.stride(CallMatrices.NEGATIVES));
        nce_outputs.d_queries(outputs, matrices.pointer(CallMatrices.D_QUERIES));
        nce_outputs.d_queries_stride(outputs, matrices.stride(CallMatrices.D_QUERIES));
        nce_outputs.d_keys(outputs, matrices.pointer(CallMatrices.D_KEYS));
        nce_outputs.d_keys_stride(outputs, matrices.stride(CallMatrices.D_KEYS));
        nce_outputs.d_negatives(outputs, matrices.pointer(CallMatrices.D_NEGATIVES));
        nce_outputs.d_negatives_stride(outputs, matrices.stride(CallMatrices.D_NEGATIVES));
    }

    // An address alone: a slice for each number of each call would be an object.
    private static void pointer(MemorySegment struct, long offset, long address) {
        struct.set(ValueLayout.JAVA_LONG, offset, address);
    }

    private static MemorySegment segment(DeviceBuffer buffer) {
        return buffer == null ? MemorySegment.NULL : buffer.segment();
    }
}
