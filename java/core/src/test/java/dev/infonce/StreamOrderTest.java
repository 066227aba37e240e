package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/**
 * Who mixes streams with calls and copies that name none gets what the program's order says. Streams of the emulated device run as
 * late as they may here, see NCE_EMULATION_STREAMS in the parent's pom.xml.
 */
class StreamOrderTest extends OnDevicesWithMemory {
    private static final int N = 12;
    private static final int DIM = 5;

    private Plan plan() {
        return device.plan(InfoNce.withTemperature(0.3).symmetric(), Shape.of(N, N, DIM), DType.FLOAT32);
    }

    private Matrix rows(long seed) {
        return Samples.fill(device.allocate(DType.FLOAT32, N, DIM), seed);
    }

    @Test
    void resultsAreReadAfterTheCallThatWritesThem() {
        Plan plan = plan();
        Matrix queries = rows(1);
        Matrix keys = rows(2);
        GradientResult expected = plan.forwardBackward(queries, keys);
        DeviceOutputs out = plan.allocateOutputs();
        try (Stream stream = device.stream()) {
            plan.enqueue(stream, DeviceInputs.of(queries, keys), out, plan.allocateWorkspace());
            assertThat(out.readLoss()).containsExactly(expected.loss());
            plan.enqueue(stream, DeviceInputs.of(keys, queries), out, plan.allocateWorkspace());
            assertThat(Samples.content(out.dQueries())).isEqualTo(Samples.content(expected.dKeys()));
            assertThat(out.readMetrics().rows()).isEqualTo(N);
        }
    }

    @Test
    void inputsAreWrittenAfterTheCallThatReadsThem() {
        Plan plan = plan();
        Matrix queries = rows(1);
        Matrix keys = rows(2);
        DeviceBuffer temperature = device.buffer(0.5);
        double expected =
                plan.forward(Inputs.of(queries, keys).withTemperature(0.5)).loss();
        DeviceOutputs out = plan.allocateOutputs();
        try (Stream stream = device.stream()) {
            PendingCall call = plan.enqueue(
                    stream, DeviceInputs.of(queries, keys).withTemperature(temperature), out, plan.allocateWorkspace());
            queries.copyFrom(Samples.heap(DType.FLOAT32, N, DIM, 3));
            temperature.copyFrom(MemorySegment.ofArray(new double[] {0.25}));
            call.await();
            assertThat(out.readLoss()).containsExactly(expected);
        }
    }

    @Test
    void aCallThatWaitsSeesWhatAStreamBrings() {
        Plan plan = plan();
        Matrix later = device.allocatePinned(DType.FLOAT32, N, DIM).copyFrom(Samples.heap(DType.FLOAT32, N, DIM, 3));
        Matrix queries = rows(1);
        Matrix keys = rows(2);
        double expected = plan.forward(rows(3), keys).loss();
        try (Stream stream = device.stream();
                Stream wrapped = Stream.wrap(device, stream.address())) {
            wrapped.synchronize();
            queries.copyFrom(later, wrapped);
            assertThat(plan.forward(queries, keys).loss()).isEqualTo(expected);
        }
    }

    @Test
    void callsIntoOutputsThatAreKeptComeAfterStreamsToo() {
        Plan plan = plan();
        Matrix later = device.allocatePinned(DType.FLOAT32, N, DIM).copyFrom(Samples.heap(DType.FLOAT32, N, DIM, 3));
        Matrix queries = rows(1);
        Matrix keys = rows(2);
        double expected = plan.forwardBackward(rows(3), keys).loss();
        Outputs out = Outputs.of(rows(4), rows(5));
        try (Stream stream = device.stream()) {
            queries.copyFrom(later, stream);
            plan.forwardBackward(Inputs.of(queries, keys), out);
            assertThat(out.loss()).isEqualTo(expected);
        }
    }

    @Test
    void aStreamIsClosedWhenItsWorkHasEnded() {
        Plan plan = plan();
        Matrix queries = rows(1);
        Matrix keys = rows(2);
        double expected = plan.forward(queries, keys).loss();
        DeviceOutputs out = plan.allocateOutputs();
        try (Stream stream = device.stream()) {
            try (Stream wrapped = Stream.wrap(device, stream.address())) {
                plan.enqueue(wrapped, DeviceInputs.of(queries, keys), out, plan.allocateWorkspace());
            }
            assertThat(out.readLoss()).containsExactly(expected);
            plan.enqueue(stream, DeviceInputs.of(keys, queries), out, plan.allocateWorkspace());
        }
        assertThat(out.readLoss()).containsExactly(plan.forward(keys, queries).loss());
    }
}
