package dev.infonce.djl.simclr;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RunFolderTest {
    private static final LocalDateTime NOW = LocalDateTime.of(2026, 1, 2, 3, 4, 5);
    private static final List<String> FILES = List.of("checkpoint.bin", "report.json", "report.html");

    @TempDir
    private Path temp;

    @Test
    void runsOfOneSecondGetFoldersOfTheirOwn() throws IOException {
        Path runs = temp.resolve("runs");
        try (RunFolder first = RunFolder.createByTime(runs, NOW);
                RunFolder second = RunFolder.createByTime(runs, NOW);
                RunFolder third = RunFolder.createByTime(runs, NOW)) {
            assertThat(List.of(first.path(), second.path(), third.path()))
                    .containsExactly(
                            runs.resolve("20260102-030405"),
                            runs.resolve("20260102-030405-2"),
                            runs.resolve("20260102-030405-3"));
        }
    }

    @Test
    void aFolderThatAnotherRunWorksInIsRefused() throws IOException {
        Path folder = temp.resolve("run");
        try (RunFolder first = RunFolder.create(folder, false)) {
            assertThatThrownBy(() -> RunFolder.create(folder, true))
                    .isInstanceOf(IOException.class)
                    .hasMessage(folder + ": another run is working in this folder");
            Files.createFile(first.checkpoint());
            assertThatThrownBy(() -> RunFolder.resume(folder)).hasMessageContaining("another run is working");
        }
        RunFolder.resume(folder).close();
    }

    @Test
    void theResultsOfAFinishedRunAreRefusedAndStay() throws IOException {
        Path folder = finished();
        assertThatThrownBy(() -> RunFolder.create(folder, false))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(folder + ": is not empty")
                .hasMessageContaining("--overwrite");
        assertHolds(folder, "old");
        assertThat(folder.resolve(".lock")).doesNotExist();
    }

    @Test
    void resultsThatMayBeReplacedStayUntilTheRunBegins() throws IOException {
        Path folder = finished();
        Path notes = Files.writeString(folder.resolve("notes.txt"), "the user's");
        try (RunFolder run = RunFolder.create(folder, true)) {
            assertHolds(folder, "old");
            run.begin(true);
            assertThat(List.of(run.checkpoint(), run.json(), run.html()))
                    .allSatisfy(file -> assertThat(file).doesNotExist());
            assertThat(notes).hasContent("the user's");
        }
    }

    @Test
    void aRunThatGoesOnKeepsItsFilesAndLosesWhatAKilledOneLeft() throws IOException {
        Path folder = finished();
        Path leftover = folder.resolve("checkpoint.bin.0b9fa1ee-35c1-4d05-9a0b-6a1d3b0e4d11.partial");
        Files.createFile(leftover);
        try (RunFolder run = RunFolder.resume(folder)) {
            run.begin(false);
        }
        assertHolds(folder, "old");
        assertThat(leftover).doesNotExist();
    }

    @Test
    void anEmptyFolderOfTheUserWillDoAndStays() throws IOException {
        Path folder = Files.createDirectory(temp.resolve("run"));
        RunFolder.create(folder, false).close();
        assertThat(folder).exists();
        RunFolder.create(folder, false).close();
    }

    @Test
    void aFolderThatWasMadeForNothingGoes() throws IOException {
        Path folder = temp.resolve("run");
        RunFolder.create(folder, false).close();
        assertThat(folder).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"checkpoint.bin", "report.json", "report.html"})
    void aFolderInTheWayOfAFileIsToldBeforeTheWork(String name) throws IOException {
        Path folder = Files.createDirectory(temp.resolve("run"));
        Files.createDirectory(folder.resolve(name));
        assertThatThrownBy(() -> RunFolder.create(folder, true))
                .isInstanceOf(IOException.class)
                .hasMessage(folder.resolve(name) + ": is a folder, where a file is to be written");
    }

    @Test
    void aPlaceThatCannotBeWrittenToIsToldBeforeTheWork() throws IOException {
        Path file = Files.createFile(temp.resolve("file"));
        assertThatThrownBy(() -> RunFolder.create(file, false))
                .hasMessage(file + ": is there already, and is no folder");
        assertThatThrownBy(() -> RunFolder.create(file.resolve("run"), false))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(file + "/run: the folder cannot be created");
        Path forbidden = Path.of("/proc/infonce");
        assertThatThrownBy(() -> RunFolder.create(forbidden, false))
                .hasMessageContaining(forbidden + ": the folder cannot be created");
        assertThatThrownBy(() -> RunFolder.createByTime(forbidden, NOW))
                .hasMessageContaining(forbidden + ": the folder cannot be created");
        assertThatThrownBy(() -> RunFolder.create(Path.of("/proc"), true))
                .hasMessageContaining("/proc: cannot be written to: ");
    }

    @Test
    void aFolderWithoutACheckpointCannotGoOn() {
        assertThatThrownBy(() -> RunFolder.resume(temp))
                .hasMessageContaining(temp.resolve("checkpoint.bin") + ": no such file")
                .hasMessageContaining("--resume");
    }

    private Path finished() throws IOException {
        Path folder = Files.createDirectory(temp.resolve("finished"));
        for (String name : FILES) {
            Files.writeString(folder.resolve(name), "old");
        }
        return folder;
    }

    private static void assertHolds(Path folder, String content) {
        assertThat(FILES).allSatisfy(name -> assertThat(folder.resolve(name)).hasContent(content));
    }
}
