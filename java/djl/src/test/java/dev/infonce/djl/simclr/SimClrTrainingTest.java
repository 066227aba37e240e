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
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SimClrTrainingTest {
    @TempDir
    private Path folder;

    private final ByteArrayOutputStream text = new ByteArrayOutputStream();
    private final ByteArrayOutputStream failures = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(text, true, StandardCharsets.UTF_8);
    private final PrintStream err = new PrintStream(failures, true, StandardCharsets.UTF_8);

    private int run(TrainOptions options) {
        return SimClrTraining.run(options, out, err);
    }

    private void assertFailed(TrainOptions options, String... reasons) {
        failures.reset();
        assertThat(run(options)).isEqualTo(1);
        assertThat(failures.toString(StandardCharsets.UTF_8).lines())
                .singleElement()
                .satisfies(line -> assertThat(line).startsWith("train: ").contains(reasons));
    }

    @Test
    void aRunWritesItsReportAndCheckpointAndChecksTheGain() throws IOException {
        Path data = TestData.write(folder.resolve("data"), TestData.bars(200, 1), TestData.bars(100, 2));
        Path run = folder.resolve("run");
        int status = run(options(data, run, 3, null, -100.0));
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
        assertThat(html).contains("NT-Xent loss", "without labels", "never saw a label");
        assertThat(html).doesNotContain("{{").doesNotContain("<link").doesNotContain("src=\"http");

        text.reset();
        assertFailed(options(data, null, null, run, 100.0), "below the 100.00 required");
        assertThat(text.toString(StandardCharsets.UTF_8)).contains("going on after step 3");

        String json = Files.readString(run.resolve("report.json"));
        assertFailed(options(data, run, 2, null, null), run + ": is not empty", "--overwrite");
        assertThat(run.resolve("report.json")).hasContent(json);
        TrainOptions again = new TrainOptions(data, run, true, null, 2, false, 0, null, 20, "best", null, null);
        assertThat(run(again)).isZero();
        assertThat(Files.readString(run.resolve("report.json"))).contains("\"stepsDone\":2");
        try (Stream<Path> files = Files.list(run)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder(".lock", "checkpoint.bin", "report.html", "report.json");
        }
    }

    @Test
    void aReportOfALossThatSeesLabelsSaysSoAndLeavesOutWhatItDoesNotMeasure() throws IOException {
        Path data = TestData.write(folder.resolve("data"), TestData.bars(200, 1), TestData.bars(100, 2));
        Path run = folder.resolve("run");
        int status =
                run(new TrainOptions(data, run, false, null, 2, true, 0, TrainingLoss.SUPCON, 20, "best", null, null));
        assertThat(status).as(text.toString(StandardCharsets.UTF_8)).isZero();
        assertThat(text.toString(StandardCharsets.UTF_8)).contains("SupCon loss on ");
        assertThat(Files.readString(run.resolve("report.html")))
                .contains("SupCon loss", "with labels", "learned from all labels")
                .doesNotContain("without labels");
        JsonObject report = JsonParser.parseString(Files.readString(run.resolve("report.json")))
                .getAsJsonObject();
        assertThat(report.getAsJsonArray("curve")
                        .get(0)
                        .getAsJsonObject()
                        .get("alignment")
                        .isJsonNull())
                .isTrue();
    }

    @Test
    void thePlaceOfTheResultsIsTriedBeforeTheWork() throws IOException {
        Path run = Files.createDirectories(folder.resolve("run/report.html")).getParent();
        // The data is looked for later: there is none.
        TrainOptions options =
                new TrainOptions(folder.resolve("none"), run, true, null, 1, false, 0, null, 20, "best", null, null);
        assertFailed(options, run.resolve("report.html") + ": is a folder");
    }

    @Test
    void aDamagedCheckpointIsRefusedWithItsNameAndLeftAlone() throws IOException {
        Path data = TestData.write(folder.resolve("data"), TestData.bars(200, 1), TestData.bars(100, 2));
        Path run = Files.createDirectories(folder.resolve("run"));
        Path checkpoint = Files.write(run.resolve("checkpoint.bin"), new byte[1000]);
        assertFailed(options(data, null, null, run, null), checkpoint + ": not a checkpoint of infonce");
        assertThat(checkpoint).hasBinaryContent(new byte[1000]);
    }

    @Test
    void corruptDataEndsWithAMessageAndStatusOne() throws IOException {
        Path data = TestData.write(folder.resolve("data"), TestData.bars(200, 1), TestData.bars(100, 2));
        Path labels = data.resolve("t10k-labels-idx1-ubyte");
        Files.write(labels, java.util.Arrays.copyOf(Files.readAllBytes(labels), 50));
        assertFailed(options(data, folder.resolve("run"), 1, null, null), "t10k-labels-idx1-ubyte", "truncated");
        assertThat(folder.resolve("run")).doesNotExist();
    }

    @Test
    void resumingWithOtherImagesIsRefused() throws IOException {
        Path data = TestData.write(folder.resolve("data"), TestData.bars(200, 1), TestData.bars(100, 2));
        Path other = TestData.write(folder.resolve("other"), TestData.bars(200, 3), TestData.bars(100, 2));
        Path run = folder.resolve("run");
        int status = run(options(data, run, 1, null, null));
        assertThat(status).as(text.toString(StandardCharsets.UTF_8)).isZero();
        assertFailed(options(other, null, null, run, null), "not those of the earlier run");
    }

    private static TrainOptions options(Path data, Path run, Integer steps, Path resume, Double gain) {
        boolean isNew = resume == null;
        return new TrainOptions(data, run, false, null, steps, isNew, 0, null, isNew ? 20 : null, "best", resume, gain);
    }
}
