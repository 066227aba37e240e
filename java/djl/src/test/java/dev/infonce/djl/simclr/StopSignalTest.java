package dev.infonce.djl.simclr;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StopSignalTest {
    @ParameterizedTest
    @CsvSource({"INT, Ctrl-C", "TERM, SIGTERM"})
    @Timeout(60)
    void theFirstSignalAsksForTheEndAndSaysSo(String signal, String shown) throws Exception {
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
}
