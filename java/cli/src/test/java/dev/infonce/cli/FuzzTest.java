package dev.infonce.cli;

import dev.infonce.cli.npy.NpyFuzz;
import dev.infonce.fuzz.FuzzRun;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import org.junit.jupiter.api.Test;

/** What fuzz targets found once, and some seconds of looking for more. */
class FuzzTest {
    @Test
    void npyFilesAndArchivesAreReadOrRefusedWithAReason() throws IOException {
        FuzzRun.run("NpyFuzz", NpyFuzz::fuzzerTestOneInput);
    }

    @Test
    void commandLinesPrintJsonOrOneLine() throws IOException {
        InputStream before = System.in;
        try {
            System.setIn(new ByteArrayInputStream(new byte[0]));
            FuzzRun.run("LossCommandFuzz", LossCommandFuzz::fuzzerTestOneInput);
        } finally {
            System.setIn(before);
        }
    }
}
