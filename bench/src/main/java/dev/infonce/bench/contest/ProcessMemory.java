package dev.infonce.bench.contest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** The resident memory of this process, as Linux counts it. */
public final class ProcessMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path CLEAR = Path.of("/proc/self/clear_refs");
    private static final String CLEAR_PEAK = "5";
    private static final long KIB = 1024;

    private ProcessMemory() {}

    /** The highest resident size since the start or the last reset (VmHWM); 0 where that is not told. */
    public static long peakBytes() {
        return field("VmHWM:");
    }

    /** The resident size now (VmRSS); 0 where that is not told. */
    public static long residentBytes() {
        return field("VmRSS:");
    }

    /** Lets the peak start anew from now; false where that is not allowed. */
    public static boolean resetPeak() {
        try {
            Files.writeString(CLEAR, CLEAR_PEAK);
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private static long field(String name) {
        try (Stream<String> lines = Files.lines(STATUS)) {
            return lines.filter(line -> line.startsWith(name))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * KIB)
                    .findFirst()
                    .orElse(0);
        } catch (IOException e) {
            return 0;
        }
    }
}
