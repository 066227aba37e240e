package dev.infonce.bench.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * Where figures come from.
 *
 * @param processor its model
 * @param cores that the JVM may use
 * @param caches of the first core, such as "L1d 48K"
 * @param memoryGiB in all
 * @param system kernel
 * @param jdk version and vendor
 * @param compiler of the native library
 * @param commit of the sources
 * @param load mean number of running processes in the minute before
 */
public record Machine(
        String processor,
        int cores,
        List<String> caches,
        double memoryGiB,
        String system,
        String jdk,
        String compiler,
        String commit,
        String load) {
    private static final Path CACHES = Path.of("/sys/devices/system/cpu/cpu0/cache");
    private static final double KIB_A_GIB = 1 << 20;

    /** This machine. What it does not tell is "unknown". */
    public static Machine here(String compiler, String commit) {
        return new Machine(
                field("/proc/cpuinfo", "model name"),
                Runtime.getRuntime().availableProcessors(),
                cachesOfFirstCore(),
                number(field("/proc/meminfo", "MemTotal")) / KIB_A_GIB,
                System.getProperty("os.name") + " " + System.getProperty("os.version"),
                System.getProperty("java.runtime.version") + " (" + System.getProperty("java.vendor") + ")",
                compiler,
                commit,
                firstWord("/proc/loadavg"));
    }

    private static List<String> cachesOfFirstCore() {
        List<String> caches = new ArrayList<>();
        for (int i = 0; Files.isDirectory(CACHES.resolve("index" + i)); i++) {
            Path cache = CACHES.resolve("index" + i);
            String type = read(cache.resolve("type"));
            if (!type.equals("Instruction")) {
                caches.add("L" + read(cache.resolve("level")) + (type.equals("Data") ? "d " : " ")
                        + read(cache.resolve("size")));
            }
        }
        return caches;
    }

    private static double number(String text) {
        String digits = text.replaceAll("\\D", "");
        return digits.isEmpty() ? Double.NaN : Double.parseDouble(digits);
    }

    private static String field(String file, String key) {
        try (Stream<String> lines = Files.lines(Path.of(file))) {
            return lines.filter(line -> line.startsWith(key))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse("unknown");
        } catch (IOException e) {
            return "unknown";
        }
    }

    private static String firstWord(String file) {
        return read(Path.of(file)).split(" ")[0];
    }

    private static String read(Path file) {
        try {
            return Files.readString(file).strip();
        } catch (IOException e) {
            return "unknown";
        }
    }
}
