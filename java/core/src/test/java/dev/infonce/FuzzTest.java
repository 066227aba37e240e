package dev.infonce;

import dev.infonce.fuzz.FuzzRun;
import dev.infonce.suite.MisuseFuzz;
import dev.infonce.suite.PlanFuzz;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** What fuzz targets found once, and some seconds of looking for more. */
class FuzzTest {
    @Test
    void callsOfPlansGiveWhatTheOracleGivesOrRefuseAsDocumented() throws IOException {
        FuzzRun.run("PlanFuzz", PlanFuzz::fuzzerTestOneInput);
    }

    @Test
    void misuseIsRefusedAsDocumentedAndWritesNothing() throws IOException {
        FuzzRun.run("MisuseFuzz", MisuseFuzz::fuzzerTestOneInput);
    }
}
