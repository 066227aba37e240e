package dev.infonce.djl.simclr;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StopSignalTest {
    @ParameterizedTest
    @CsvSource({"INT, 2, Ctrl-C", "TERM, 15, SIGTERM"})
    @Timeout(300)
    void theFirstSignalAsksForTheEndAndSaysSo(String signal, int number, String shown) throws Exception {
        // A shell starts what it puts in the background so, and the JVM then leaves it at that.
        Assumptions.assumeFalse(isIgnored(number), "this process was started with " + signal + " ignored");
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        PrintStream log = new PrintStream(text, true, StandardCharsets.UTF_8);
        try (StopSignal stop = new StopSignal(log)) {
            assertThat(stop.isRequested()).isFalse();
            String self = Long.toString(ProcessHandle.current().pid());
            assertThat(new ProcessBuilder("kill", "-" + signal, self).start().waitFor())
                    .isZero();
            while (!stop.isRequested() || !text.toString(StandardCharsets.UTF_8).contains("aborts")) {
                Thread.sleep(10);
            }
        }
        assertThat(text.toString(StandardCharsets.UTF_8)).contains(shown + ": ending with what was learned so far");
    }

    private static boolean isIgnored(int number) throws IOException {
        String mask = Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("SigIgn:"))
                .findFirst()
                .orElseThrow();
        return (Long.parseUnsignedLong(mask.substring(mask.indexOf(':') + 1).strip(), 16) >>> number - 1 & 1) == 1;
    }
}
