package dev.infonce;

import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests that run once on each device with memory of its own, of those that the other tests run on. */
@ParameterizedClass(name = "{0}", allowZeroInvocations = true)
@MethodSource("dev.infonce.OnDevicesWithMemory#names")
abstract class OnDevicesWithMemory {
    @Parameter
    String deviceName;

    Device device;

    static Stream<String> names() {
        return OnEachDevice.names().filter(name -> name.equals("cuda") || name.equals("emulated"));
    }

    @BeforeEach
    void openDevice() {
        device = Device.named(deviceName);
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }
}
