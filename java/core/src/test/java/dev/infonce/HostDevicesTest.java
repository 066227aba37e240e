package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Devices that work on host memory say so where another kind is asked for. */
class HostDevicesTest extends OnEachDevice {
    @BeforeEach
    void hasHostMemory() {
        Assumptions.assumeTrue(deviceName.equals("java") || deviceName.equals("cpu"), "has memory of its own");
    }

    @Test
    void streamsBuffersAndPointersAreUnsupported() {
        for (org.assertj.core.api.ThrowableAssert.ThrowingCallable call :
                java.util.List.<org.assertj.core.api.ThrowableAssert.ThrowingCallable>of(
                        () -> device.stream(),
                        () -> Stream.wrap(device, 0),
                        () -> device.allocateBuffer(8),
                        () -> Matrix.ofDevicePointer(device, 64, DType.FLOAT32, 1, 1, 1))) {
            assertThatThrownBy(call)
                    .isInstanceOfSatisfying(
                            InfoNceException.class, e -> assertThat(e.status()).isEqualTo(Status.UNSUPPORTED))
                    .hasMessageContaining(deviceName);
        }
    }

    @Test
    void pureJavaHasNoSixteenBits() {
        Assumptions.assumeTrue(deviceName.equals("java"), "the native library has");
        assertThatThrownBy(() -> device.plan(InfoNce.withTemperature(1), Shape.of(2, 2, 2), DType.BFLOAT16))
                .isInstanceOfSatisfying(
                        InfoNceException.class, e -> assertThat(e.status()).isEqualTo(Status.UNSUPPORTED))
                .hasMessageContaining("java");
    }

    @Test
    void allocatedMemoryIsHostMemoryThatEndsWithItsArena() {
        Matrix kept;
        try (Arena arena = Arena.ofConfined()) {
            kept = device.allocate(arena, DType.FLOAT32, 2, 3);
            kept.copyFrom(Samples.heap(DType.FLOAT32, 2, 3, 1));
            assertThat(kept.isOnDevice()).isFalse();
            assertThat(kept.toDoubleArray())
                    .isEqualTo(Samples.heap(DType.FLOAT32, 2, 3, 1).toDoubleArray());
            assertThat(device.allocatePinned(DType.FLOAT64, 2, 2).toDoubleArray())
                    .containsOnly(0);
        }
        Matrix ended = kept;
        assertThatThrownBy(() -> ended.get(0, 0)).isInstanceOf(IllegalStateException.class);
    }
}
