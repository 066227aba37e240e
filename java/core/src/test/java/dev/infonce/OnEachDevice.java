package dev.infonce;

import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests that run once on each device: those that -Dinfonce.test.devices names, or every available one but emulated. A cap is for the suite. */
@ParameterizedClass(name = "{0}")
@MethodSource("dev.infonce.OnEachDevice#names")
abstract class OnEachDevice {
    @Parameter
    String deviceName;

    Device device;

    static Stream<String> names() {
        String asked = System.getProperty("infonce.test.devices", "");
        return asked.isBlank()
                ? Device.report().stream()
                        .filter(DeviceReport::available)
                        .map(DeviceReport::name)
                        .filter(name -> !name.equals("emulated"))
                : Arrays.stream(asked.split(",")).map(String::strip).filter(name -> !name.contains("@"));
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
