package dev.infonce.djl.simclr;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.infonce.djl.TestData;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SimClrTrainingTest {
    @TempDir
    private Path folder;

    private final ByteArrayOutputStream text = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(text, true, StandardCharsets.UTF_8);

    @Test
    void aRunWritesItsReportAndCheckpointAndChecksTheGain() throws IOException {
        Path data = TestData.write(folder.resolve("data"), TestData.bars(200, 1), TestData.bars(100, 2));
        Path run = folder.resolve("run");
        int status = SimClrTraining.run(options(data, run, 3, null, -100.0), out);
        assertThat(status).as(text.toString(StandardCharsets.UTF_8)).isZero();
        JsonObject report = JsonParser.parseString(Files.readString(run.resolve("report.json")))
                .getAsJsonObject();
        assertThat(report.get("stepsDone").getAsInt()).isEqualTo(3);
        assertThat(report.getAsJsonArray("curve")).hasSize(3);
        double linear = report.getAsJsonObject("evaluation")
                .getAsJsonObject("pixels")
                .get("linear")
                .getAsDouble();
        assertThat(linear).isEqualTo(1);
        String html = Files.readString(run.resolve("report.html"));
        assertThat(html).contains("Raw pixels are a strong baseline").contains("data:image/png;base64,");
        assertThat(html).doesNotContain("{{").doesNotContain("<link").doesNotContain("src=\"http");

        text.reset();
        assertThat(SimClrTraining.run(options(data, null, null, run, 100.0), out))
                .isEqualTo(1);
        assertThat(text.toString(StandardCharsets.UTF_8))
                .contains("going on after step 3")
                .contains("below the 100.00 required");
    }

    @Test
    void corruptDataEndsWithAMessageAndStatusOne() throws IOException {
        Path data = TestData.write(folder.resolve("data"), TestData.bars(200, 1), TestData.bars(100, 2));
        Path labels = data.resolve("t10k-labels-idx1-ubyte");
        Files.write(labels, java.util.Arrays.copyOf(Files.readAllBytes(labels), 50));
        assertThat(SimClrTraining.run(options(data, folder.resolve("run"), 1, null, null), out))
                .isEqualTo(1);
        assertThat(text.toString(StandardCharsets.UTF_8))
                .contains("t10k-labels-idx1-ubyte")
                .contains("truncated");
        assertThat(folder.resolve("run")).doesNotExist();
    }

    @Test
    void resumingWithOtherImagesIsRefused() throws IOException {
        Path data = TestData.write(folder.resolve("data"), TestData.bars(200, 1), TestData.bars(100, 2));
        Path other = TestData.write(folder.resolve("other"), TestData.bars(200, 3), TestData.bars(100, 2));
        Path run = folder.resolve("run");
        int status = SimClrTraining.run(options(data, run, 1, null, null), out);
        assertThat(status).as(text.toString(StandardCharsets.UTF_8)).isZero();
        assertThat(SimClrTraining.run(options(other, null, null, run, null), out))
                .isEqualTo(1);
        assertThat(text.toString(StandardCharsets.UTF_8)).contains("not those of the earlier run");
    }

    private static TrainOptions options(Path data, Path run, Integer steps, Path resume, Double gain) {
        boolean isNew = resume == null;
        return new TrainOptions(data, run, null, steps, isNew, 0, isNew ? 20 : null, "best", resume, gain);
    }
}
