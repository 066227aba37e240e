package dev.infonce.djl.data;

import dev.infonce.fuzz.FuzzRun;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** What the fuzz target found once, and some seconds of looking for more. */
class IdxFuzzTest {
    @Test
    void idxFilesAreReadOrRefusedWithAReason() throws IOException {
        FuzzRun.run("IdxFuzz", IdxFuzz::fuzzerTestOneInput);
    }
}
