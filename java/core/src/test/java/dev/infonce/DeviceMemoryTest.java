package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Memory that Java cannot reach is copied to and from, and lives as long as it is said to. */
class DeviceMemoryTest extends OnDevicesWithMemory {
    @ParameterizedTest
    @EnumSource
    void copiesBringEveryElementFromAnyPlaceToAny(DType dtype) {
        Matrix heap = Samples.heap(dtype, 7, 5, 1);
        Matrix strided = Matrix.of(Matrix.zeros(dtype, 7, 9).segment(), dtype, 7, 5, 9);
        Matrix pinned = device.allocatePinned(dtype, 7, 5);
        Matrix first = device.allocate(dtype, 7, 5);
        Matrix second = device.allocate(dtype, 7, 5);
        strided.copyFrom(second.copyFrom(first.copyFrom(pinned.copyFrom(heap))));
        assertThat(strided.toDoubleArray()).isEqualTo(heap.toDoubleArray());
        assertThat(pinned.get(3, 2)).isEqualTo(heap.get(3, 2));
    }

    @Test
    void largeStridedMatricesGoByWayOfStations() {
        int rows = 1500;
        int dim = 2000;
        Matrix from = Matrix.of(new float[rows * (dim + 1)], rows, dim + 1);
        Matrix strided = Matrix.of(from.segment(), DType.FLOAT32, rows, dim, dim + 1);
        for (int i = 0; i < rows; i++) {
            strided.set(i, i, i + 1);
        }
        Matrix back = Matrix.zeros(DType.FLOAT32, rows, dim);
        device.allocate(DType.FLOAT32, rows, dim).copyFrom(strided).copyTo(back);
        assertThat(back.toFloatArray()).isEqualTo(strided.toFloatArray());
    }

    @Test
    void streamsCopyInTheirOrder() {
        Matrix from = Samples.fill(device.allocatePinned(DType.FLOAT32, 4, 3), 1);
        Matrix to = device.allocatePinned(DType.FLOAT32, 4, 3);
        Matrix there = device.allocate(DType.FLOAT32, 4, 3);
        try (Stream stream = device.stream();
                Stream wrapped = Stream.wrap(device, stream.address())) {
            there.copyFrom(from, stream);
            there.copyTo(to, wrapped);
            stream.synchronize();
        }
        assertThat(to.toFloatArray()).isEqualTo(from.toFloatArray());
    }

    @Test
    void javaReadsAndWritesOfDeviceMemoryAreRefused() {
        Matrix matrix = device.allocate(DType.FLOAT32, 2, 2);
        assertThat(matrix.isOnDevice()).isTrue();
        assertThat(matrix.segment().byteSize()).isZero();
        assertThat(matrix.segment().address()).isNotZero();
        assertThatThrownBy(() -> matrix.get(0, 0))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("device " + deviceName)
                .hasMessageContaining("copyTo");
        assertThatThrownBy(() -> matrix.set(0, 0, 1)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(matrix::toFloatArray).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(matrix::toDoubleArray).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void memoryEndsWithItsArenaInAnyOrderOfClosing() {
        Matrix kept;
        try (Arena arena = Arena.ofShared()) {
            kept = device.allocate(arena, DType.FLOAT32, 3, 3);
            kept.copyFrom(Samples.heap(DType.FLOAT32, 3, 3, 1));
        }
        Matrix ended = kept;
        Matrix host = Matrix.zeros(DType.FLOAT32, 3, 3);
        assertThatThrownBy(() -> ended.copyTo(host))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        Arena later = Arena.ofShared();
        device.allocate(later, DType.FLOAT32, 3, 3);
        device.allocate(DType.FLOAT64, 3, 3);
        Stream stream = device.stream();
        device.close();
        assertThatCode(later::close).doesNotThrowAnyException();
        assertThatCode(stream::close).doesNotThrowAnyException();
        assertThatThrownBy(() -> device.stream()).hasMessage("device " + deviceName + " is closed");
        assertThatThrownBy(stream::synchronize).hasMessage("stream is closed");
    }

    @Test
    void memoryOfAnotherLibraryIsWrapped() {
        Matrix owner = Samples.fill(device.allocate(DType.FLOAT32, 6, 4), 1);
        Matrix odd = Matrix.ofDevicePointer(device, owner.segment().address() + 16, DType.FLOAT32, 3, 4, 8);
        Matrix host = Matrix.zeros(DType.FLOAT32, 3, 4);
        odd.copyTo(host);
        double[] all = Samples.content(owner);
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 4; j++) {
                assertThat(host.get(i, j)).isEqualTo(all[(2 * i + 1) * 4 + j]);
            }
        }
    }

    @Test
    void whatCannotBeCopiedIsRefused() {
        Matrix matrix = device.allocate(DType.FLOAT32, 2, 2);
        assertThatThrownBy(() -> matrix.copyFrom(Matrix.zeros(DType.FLOAT32, 2, 3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("source: must be 2 x 2 FLOAT32, but got 2 x 3 FLOAT32");
        assertThatThrownBy(() -> matrix.copyFrom(Matrix.zeros(DType.FLOAT64, 2, 2)))
                .isInstanceOf(IllegalArgumentException.class);
        try (Stream stream = device.stream();
                Device other = Device.named(deviceName)) {
            assertThatThrownBy(() -> matrix.copyFrom(Matrix.zeros(DType.FLOAT32, 2, 2), stream))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("heap");
            Matrix foreign = other.allocate(DType.FLOAT32, 2, 2);
            assertThatThrownBy(() -> matrix.copyFrom(foreign)).isInstanceOf(IllegalArgumentException.class);
            Plan plan = device.plan(InfoNce.withTemperature(1), Shape.of(2, 2, 2), DType.FLOAT32);
            assertThatThrownBy(() -> plan.forward(matrix, foreign))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("keys: is memory of another device");
        }
    }

    @Test
    void pointersThatCannotBeAreRefused() {
        long address = device.allocate(DType.FLOAT32, 4, 4).segment().address();
        assertThatThrownBy(() -> Matrix.ofDevicePointer(device, address + 2, DType.FLOAT32, 2, 2, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("address: FLOAT32 must be aligned to 4 bytes");
        assertThatThrownBy(() -> Matrix.ofDevicePointer(device, 0, DType.FLOAT32, 2, 2, 2))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Matrix.ofDevicePointer(device, address, DType.FLOAT32, 2, 0, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("dim: must be in [1, 1048576], but got 0");
        assertThatThrownBy(() -> Matrix.ofDevicePointer(device, address, DType.FLOAT32, 2, 4, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("rowStride");
    }

    @Test
    void hostMemoryGivenAsDeviceMemoryIsRefusedByNameAndNothingIsWritten() {
        Plan plan = device.plan(InfoNce.withTemperature(1), Shape.of(4, 4, 4), DType.FLOAT32);
        Matrix queries = Samples.fill(device.allocate(DType.FLOAT32, 4, 4), 1);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(64, 64);
            Matrix wrong = Matrix.ofDevicePointer(device, host.address(), DType.FLOAT32, 4, 4, 4);
            Matrix out = device.allocate(DType.FLOAT32, 4, 4).copyFrom(Samples.sentinel(DType.FLOAT32, 4, 4));
            assertThatThrownBy(() -> plan.forwardBackward(Inputs.of(queries, wrong), new Gradients(out, null, null)))
                    .isInstanceOfSatisfying(
                            InfoNceException.class, e -> assertThat(e.status()).isEqualTo(Status.INVALID_ARGUMENT))
                    .hasMessageContaining("keys")
                    .hasMessageContaining("host memory");
            assertThat(Samples.isUntouched(out)).isTrue();
        }
    }

    @Test
    void sizesBeyondTheMachineAreRefused() {
        assertThatThrownBy(() -> device.allocate(DType.FLOAT32, 1L << 40, 1 << 18))
                .isInstanceOfSatisfying(
                        InfoNceException.class, e -> assertThat(e.status()).isEqualTo(Status.OUT_OF_MEMORY));
        assertThat(device.allocate(DType.FLOAT32, 2, 2).rows()).isEqualTo(2);
    }
}
