package dev.infonce.suite;

import dev.infonce.CpuOptions;
import dev.infonce.Device;
import dev.infonce.DeviceReport;
import dev.infonce.Isa;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * The devices that the suite runs on: those that -Dinfonce.test.devices names, or every one that is available. A named device
 * that is not available fails every test of its own; it is never skipped.
 */
final class Devices {
    private Devices() {}

    static Stream<String> names() {
        return list().stream();
    }

    static List<String> list() {
        String asked = System.getProperty("infonce.test.devices", "");
        if (asked.isBlank()) {
            return Device.report().stream()
                    .filter(DeviceReport::available)
                    .map(DeviceReport::name)
                    .toList();
        }
        return Arrays.stream(asked.split(",")).map(String::strip).toList();
    }

    /** A device with a number of threads, where it has threads to choose. */
    static Device open(String name, int threads) {
        return switch (name) {
            case "java" -> Device.java(threads);
            case "cpu" -> Device.cpu(new CpuOptions(threads, Isa.BEST));
            default -> Device.named(name);
        };
    }
}
