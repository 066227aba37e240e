package dev.infonce.suite;

import dev.infonce.CpuOptions;
import dev.infonce.CudaOptions;
import dev.infonce.Device;
import dev.infonce.DeviceReport;
import dev.infonce.Isa;
import dev.infonce.PlainJava;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The devices that the suite runs on: those that -Dinfonce.test.devices names, or every one that is available and
 * meant for use, so not emulated. A named device that is not available fails every test of its own; it is never skipped.
 * java@PLAIN is java without vectors, cpu@PORTABLE and cpu@AVX2 are cpu with a cap on its instruction set, emulated@75 and cuda@80 have one on their compute
 * capability.
 */
final class Devices {
    private static final String PLAIN_JAVA = "java@PLAIN";
    private static final String CPU_CAPPED = "cpu@";
    private static final String EMULATED_CAPPED = "emulated@";
    private static final String CUDA_CAPPED = "cuda@";

    /** Products that a call on the emulator may take: of a second or so. */
    private static final long EMULATED_PRODUCTS = 3_000_000;

    /** With a cap it is to show that other kernels are right, not every size again. */
    private static final long EMULATED_CAPPED_PRODUCTS = 300_000;

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
                    .filter(name -> !isEmulated(name))
                    .flatMap(name -> name.equals("java") ? Stream.of(name, PLAIN_JAVA) : Stream.of(name))
                    .toList();
        }
        return Arrays.stream(asked.split(",")).map(String::strip).toList();
    }

    /** Those that are compared with plain Java. */
    static List<String> besidePlainJava() {
        return list().stream().filter(name -> !name.equals(PLAIN_JAVA)).toList();
    }

    static Device open(String name) {
        return open(name, 0);
    }

    /** A device with a number of threads, where it has threads to choose; 0 for one a processor. */
    static Device open(String name, int threads) {
        if (name.equals("java")) {
            return Device.java(threads);
        }
        if (name.equals(PLAIN_JAVA)) {
            return PlainJava.open(threads);
        }
        if (name.equals("cpu")) {
            return Device.cpu(new CpuOptions(threads, Isa.BEST));
        }
        if (name.startsWith(CPU_CAPPED)) {
            return Device.cpu(new CpuOptions(threads, Isa.valueOf(name.substring(CPU_CAPPED.length()))));
        }
        if (name.startsWith(EMULATED_CAPPED)) {
            return emulated(Integer.parseInt(name.substring(EMULATED_CAPPED.length())));
        }
        if (name.startsWith(CUDA_CAPPED)) {
            return Device.cuda(capped(name.substring(CUDA_CAPPED.length())));
        }
        return Device.named(name);
    }

    static boolean isEmulated(String name) {
        return name.startsWith("emulated");
    }

    /** Whether it runs the CUDA kernels, on whatever. */
    static boolean isCuda(String name) {
        return isEmulated(name) || name.startsWith("cuda");
    }

    /** A size that the emulator has in a smaller one; says so. */
    static int orSmaller(String name, int usual, int emulated, String what) {
        if (!isEmulated(name)) {
            return usual;
        }
        System.out.println("smaller on " + name + ": " + what + ", " + emulated + " instead of " + usual);
        return emulated;
    }

    /** What to try; of many the emulator has every third, another third each turn, and says so. */
    static <T> List<T> orSome(String name, List<T> all, int turn, String what) {
        if (!isEmulated(name)) {
            return all;
        }
        List<T> some = IntStream.range(0, all.size())
                .filter(i -> i % 3 == turn % 3)
                .mapToObj(all::get)
                .toList();
        System.out.println("fewer on " + name + ": " + what + ", " + some.size() + " of " + all.size());
        return some;
    }

    /** Whether a call is too much for the emulator; says what is left out. */
    static boolean leavesOut(String name, long n, long m, long dim, String what) {
        long limit = name.startsWith(EMULATED_CAPPED) ? EMULATED_CAPPED_PRODUCTS : EMULATED_PRODUCTS;
        return n * Math.max(1, m) * dim > limit && leavesOut(name, what + ", " + n + " x " + m + " x " + dim);
    }

    /** Whether it is the emulator, which goes without that; says so. */
    static boolean leavesOut(String name, String what) {
        if (isEmulated(name)) {
            System.out.println("left out on " + name + ": " + what);
        }
        return isEmulated(name);
    }

    /** A GPU may be older than a cap; the emulator can be any, so another capability than the one asked for is a fault. */
    private static Device emulated(int capability) {
        Device device = Device.emulated(CudaOptions.defaults().withMaxComputeCapability(capability));
        String wanted = "compute capability " + capability / 10 + "." + capability % 10;
        if (!device.description().endsWith(wanted)) {
            device.close();
            throw new AssertionError("asked for " + wanted + ", got " + device);
        }
        return device;
    }

    private static CudaOptions capped(String capability) {
        return CudaOptions.defaults().withMaxComputeCapability(Integer.parseInt(capability));
    }
}
