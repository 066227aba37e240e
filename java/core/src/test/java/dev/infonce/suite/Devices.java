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
 * that is not available fails every test of its own; it is never skipped. cpu@PORTABLE and cpu@AVX2 are cpu with a cap on its
 * instruction set.
 */
final class Devices {
    private static final String CPU_CAPPED = "cpu@";

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

    static Device open(String name) {
        return open(name, 0);
    }

    /** A device with a number of threads, where it has threads to choose; 0 for one a processor. */
    static Device open(String name, int threads) {
        if (name.equals("java")) {
            return Device.java(threads);
        }
        if (name.equals("cpu")) {
            return Device.cpu(new CpuOptions(threads, Isa.BEST));
        }
        if (name.startsWith(CPU_CAPPED)) {
            return Device.cpu(new CpuOptions(threads, Isa.valueOf(name.substring(CPU_CAPPED.length()))));
        }
        return Device.named(name);
    }
}
