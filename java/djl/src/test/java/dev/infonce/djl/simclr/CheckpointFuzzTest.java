package dev.infonce.djl.simclr;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.fuzz.FuzzRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** What the fuzz target found once, and some seconds of looking for more. */
class CheckpointFuzzTest {
    @Test
    void checkpointsAreReadOrRefusedWithAReason() throws IOException {
        FuzzRun.run("CheckpointFuzz", CheckpointFuzz::fuzzerTestOneInput);
    }

    /** Or the fuzz target would try refusals alone. */
    @Test
    void theCorpusHasACheckpoint() throws IOException {
        byte[] content = Files.readAllBytes(Path.of("src/test/resources/fuzz/CheckpointFuzz/checkpoint"));
        assertThat(CheckpointFuzz.parse(CheckpointFuzz.whole(content))).isTrue();
    }
}
