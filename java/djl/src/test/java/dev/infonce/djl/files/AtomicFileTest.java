package dev.infonce.djl.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
    @TempDir
    private Path folder;

    @Test
    void theNewContentTakesThePlaceOfTheOldAndNothingElseStays() throws IOException {
        Path file = Files.writeString(folder.resolve("report.json"), "old");
        AtomicFile.writeText(file, "new");
        assertThat(file).hasContent("new");
        assertAlone(file);
    }

    @Test
    void anErrorWithinTheContentLeavesTheOldFileAndIsToldWithTheFile() throws IOException {
        Path file = Files.writeString(folder.resolve("report.json"), "old");
        assertThatThrownBy(() -> AtomicFile.write(file, out -> {
                    out.write("ne".getBytes(StandardCharsets.UTF_8));
                    out.flush();
                    throw new IOException("No space left on device");
                }))
                .isInstanceOf(IOException.class)
                .hasMessage(file + ": No space left on device");
        assertThat(file).hasContent("old");
        assertAlone(file);
    }

    @Test
    void twoWritersOfOneFileDoNotMix() throws IOException {
        Path file = folder.resolve("report.json");
        AtomicFile.write(file, out -> {
            out.write("outer".getBytes(StandardCharsets.UTF_8));
            out.flush();
            AtomicFile.writeText(file, "inner, which is longer");
            assertThat(file).hasContent("inner, which is longer");
        });
        assertThat(file).hasContent("outer");
        assertAlone(file);
    }

    @Test
    void aFolderInTheWayIsTold() throws IOException {
        Path file = Files.createDirectory(folder.resolve("report.json"));
        assertThatThrownBy(() -> AtomicFile.writeText(file, "new"))
                .hasMessage(file + ": is a folder, where a file is to be written");
        assertThatThrownBy(() -> AtomicFile.tryWriting(file))
                .hasMessage(file + ": is a folder, where a file is to be written");
        assertAlone(file);
    }

    @Test
    void aFolderThatIsNotThereIsTold() {
        Path file = folder.resolve("missing/report.json");
        assertThatThrownBy(() -> AtomicFile.writeText(file, "new")).hasMessage(file + ": no such file or folder");
        assertThatThrownBy(() -> AtomicFile.tryWriting(file)).hasMessage(file + ": no such file or folder");
    }

    @Test
    void aTrialTouchesNothing() throws IOException {
        Path file = Files.writeString(folder.resolve("report.json"), "old");
        AtomicFile.tryWriting(file);
        assertThat(file).hasContent("old");
        assertAlone(file);
    }

    @Test
    void whatAKilledProcessLeftGoesAndFilesOfOthersStay() throws IOException {
        Path file = folder.resolve("report.json");
        Files.createFile(folder.resolve("report.json.0b9fa1ee-35c1-4d05-9a0b-6a1d3b0e4d11.partial"));
        Path other = Files.createFile(folder.resolve("report.json.partial"));
        AtomicFile.deletePartial(file);
        assertAlone(other);
    }

    private void assertAlone(Path file) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
    }
}
