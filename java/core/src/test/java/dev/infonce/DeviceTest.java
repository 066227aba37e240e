package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.infonce.bindings.loader.NativeLibrary;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class DeviceTest {
    @Test
    void whereTheLibraryWasBuiltTheCpuDeviceWorks() {
        boolean built = NativeLibrary.class.getResource("/META-INF/native/linux-x86_64/libinfonce.so") != null;
        Assumptions.assumeTrue(built, "this build was made without the native library");
        Assumptions.assumeFalse(NativeLibrary.isSwitchedOff(), "the native library is switched off");
        try (Device device = Device.cpu();
                Device best = Device.best()) {
            assertThat(device.name()).isEqualTo("cpu");
            assertThat(device.description()).matches("(portable|NEON|AVX2|AVX-512), \\d+ threads?");
            boolean gpu = Device.report().getFirst().available();
            assertThat(best.name()).isEqualTo(gpu ? "cuda" : "cpu");
        }
    }

    @Test
    void theReportHasEveryDeviceAndAReasonForEachThatIsMissing() {
        List<DeviceReport> report = Device.report();
        assertThat(report).extracting(DeviceReport::name).containsExactly("cuda", "cpu", "java", "emulated");
        assertThat(report).allSatisfy(line -> {
            assertThat(line.reason().isEmpty()).isEqualTo(line.available());
            assertThat(line.description().isEmpty()).isEqualTo(!line.available());
        });
        assertThat(report.get(2).available()).isTrue();
    }

    @Test
    void aNamedDeviceThatIsMissingIsAnExceptionWithTheReason() {
        for (DeviceReport line : Device.report()) {
            if (!line.available()) {
                assertThatThrownBy(() -> Device.named(line.name()))
                        .isInstanceOfSatisfying(
                                InfoNceException.class,
                                e -> assertThat(e.status()).isEqualTo(Status.NO_DEVICE))
                        .hasMessage(line.reason())
                        .hasMessageContaining("device " + line.name());
            }
        }
    }

    @Test
    void statusesAreThoseOfTheHeader() {
        assertThat(Status.values())
                .extracting(Enum::name)
                .containsExactly(
                        "OK",
                        "INVALID_ARGUMENT",
                        "UNSUPPORTED",
                        "OUT_OF_MEMORY",
                        "WORKSPACE_TOO_SMALL",
                        "NON_FINITE",
                        "INVALID_STATE",
                        "NO_DEVICE",
                        "DEVICE_ERROR",
                        "INTERNAL");
    }

    @Test
    void theJavaDeviceHasAsManyThreadsAsAskedFor() {
        try (Device one = Device.java(1);
                Device three = Device.java(3);
                Device plain = PlainJava.open(2)) {
            assertThat(one.description()).matches("pure Java, \\d+-bit vectors, 1 thread");
            assertThat(three.toString()).matches("java \\(pure Java, \\d+-bit vectors, 3 threads\\)");
            assertThat(plain.description()).isEqualTo("pure Java, 2 threads");
        }
    }
}
