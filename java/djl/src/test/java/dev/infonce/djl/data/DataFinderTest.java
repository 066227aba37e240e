package dev.infonce.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.infonce.djl.TestData;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DataFinderTest {
    @TempDir
    private Path folder;

    @Test
    void theUsersFolderComesFirstThenTheInstalledPackageThenTheCache() throws IOException {
        Path installed = folder.resolve("installed");
        Path cache = folder.resolve("cache");
        Path given = Files.createDirectories(folder.resolve("given"));
        DataFinder finder = new DataFinder(installed, cache, new PrintStream(new ByteArrayOutputStream()));

        Path unpacked = TestData.write(cache.resolve("fashion-mnist"), TestData.bars(10, 1), TestData.bars(10, 2));
        assertThat(finder.find(null)).isEqualTo(unpacked);
        TestData.write(installed, TestData.bars(10, 1), TestData.bars(10, 2));
        assertThat(finder.find(null)).isEqualTo(installed);
        assertThat(finder.find(given)).isEqualTo(given);
    }

    @Test
    void aFolderThatDoesNotExistIsNotReplacedByAnother() {
        DataFinder finder = new DataFinder(folder, folder, new PrintStream(new ByteArrayOutputStream()));
        assertThatThrownBy(() -> finder.find(folder.resolve("nowhere")))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("--data")
                .hasMessageContaining("nowhere");
    }

    @Test
    void aMissingFileIsNamedWithAllThatAreNeeded() throws IOException {
        TestData.write(folder, TestData.bars(10, 1), TestData.bars(10, 2));
        Files.delete(folder.resolve("t10k-labels-idx1-ubyte"));
        assertThat(FashionMnist.isIn(folder)).isFalse();
        assertThatThrownBy(() -> FashionMnist.read(folder))
                .isInstanceOf(IdxException.class)
                .hasMessageContaining("t10k-labels-idx1-ubyte.gz")
                .hasMessageContaining("train-images-idx3-ubyte");
    }
}
