package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** 10 000 devices and plans, half of the plans left for their device to close, leave no memory behind. */
class MemoryGrowthTest {
    private static final int CYCLES = 10_000;

    /** Runs in a JVM whose heap is resident from the start, so that only native memory can grow. */
    static final class Child {
        private Child() {}

        public static void main(String[] args) throws IOException {
            cycle(args[0]);
            // What is forgotten shows in every batch; what the JVM's own compiler takes for a while does not.
            long least = Long.MAX_VALUE;
            for (int batch = 0; batch < 3; batch++) {
                long before = residentBytes();
                cycle(args[0]);
                least = Math.min(least, residentBytes() - before);
            }
            System.out.println("growth " + least);
        }

        private static void cycle(String deviceName) {
            Matrix small = Samples.heap(DType.FLOAT32, 8, 64, 3);
            for (int i = 0; i < CYCLES; i++) {
                try (Device device = open(deviceName)) {
                    Plan plan = device.plan(InfoNce.withTemperature(0.3), Shape.of(8, 8, 64), DType.FLOAT32);
                    device.allocate(DType.FLOAT32, 8, 64);
                    plan.forwardBackward(small, small);
                    if (i % 2 == 0) {
                        plan.close();
                    }
                }
            }
            System.gc();
        }

        private static Device open(String deviceName) {
            return switch (deviceName) {
                case "cpu" -> Device.cpu(new CpuOptions(1, Isa.BEST));
                case "java" -> Device.java(1);
                default -> Device.named(deviceName);
            };
        }

        private static long residentBytes() throws IOException {
            String[] pages = Files.readString(Path.of("/proc/self/statm")).split(" ");
            return Long.parseLong(pages[1]) * 4096;
        }
    }

    static Stream<String> devices() {
        return OnEachDevice.names();
    }

    @ParameterizedTest
    @MethodSource("devices")
    void tenThousandCyclesLeaveNoMemoryBehind(String deviceName) throws Exception {
        List<String> inherited = Stream.of("infonce.library.path", "infonce.native")
                .filter(name -> System.getProperty(name) != null)
                .map(name -> "-D" + name + "=" + System.getProperty(name))
                .toList();
        List<String> options = Stream.concat(
                        Stream.of("-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC"), inherited.stream())
                .toList();
        String said = ChildJvm.run(options, Child.class, deviceName);
        long growth = Long.parseLong(said.strip().replaceFirst("(?s).*growth ", ""));
        // 200 bytes a cycle; the smallest thing that there is to forget, a matrix's copy, has 2048.
        assertThat(growth).as("growth of resident memory in bytes").isLessThan(200 * CYCLES);
    }
}
