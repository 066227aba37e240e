package dev.infonce.suite;

import dev.infonce.Device;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests that run once on each of {@link Devices}. */
@ParameterizedClass(name = "{0}")
@MethodSource("dev.infonce.suite.Devices#names")
abstract class DeviceSuite {
    @Parameter
    String deviceName;

    Device device;

    @BeforeEach
    void open() {
        device = Devices.open(deviceName);
    }

    @AfterEach
    void close() {
        if (device != null) {
            device.close();
        }
    }

    /** What a failure message starts with. */
    String what(Case c, long seed) {
        return deviceName + ", " + c + ", seed " + seed;
    }
}
