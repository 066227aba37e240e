package dev.infonce.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.infonce.djl.TestData;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DataFinderTest {
    private static final DataFinder.Source NOTHING = _ -> {
        throw new IOException("nothing is to be fetched");
    };

    @TempDir
    private Path folder;

    private final ByteArrayOutputStream text = new ByteArrayOutputStream();
    private final PrintStream log = new PrintStream(text, true, StandardCharsets.UTF_8);

    /** What a folder holds, as if it had been published. */
    private static Map<String, String> sums(Path folder) throws IOException {
        Map<String, String> sums = new HashMap<>();
        for (String name : FashionMnist.PUBLISHED.keySet()) {
            Path plain = folder.resolve(name);
            sums.put(name, IdxFile.sha256(Files.exists(plain) ? plain : folder.resolve(name + ".gz")));
        }
        return sums;
    }

    @Test
    void theUsersFolderComesFirstThenTheInstalledPackageThenTheCache() throws IOException {
        Path installed = folder.resolve("installed");
        Path cache = folder.resolve("cache");
        Path given = Files.createDirectories(folder.resolve("given"));
        Path unpacked = TestData.write(cache.resolve("fashion-mnist"), TestData.bars(10, 1), TestData.bars(10, 2));
        DataFinder finder = new DataFinder(installed, cache, sums(unpacked), NOTHING, log);
        assertThat(finder.find(null)).isEqualTo(unpacked);
        TestData.write(installed, TestData.bars(10, 1), TestData.bars(10, 2));
        assertThat(finder.find(null)).isEqualTo(installed);
        assertThat(finder.find(given)).isEqualTo(given);
    }

    @Test
    void anInstalledPackageOfOtherContentIsRefusedByFile() throws IOException {
        Path installed = TestData.write(folder.resolve("installed"), TestData.bars(10, 1), TestData.bars(10, 2));
        Map<String, String> expected = sums(installed);
        TestData.write(installed, TestData.bars(10, 1), TestData.bars(10, 3));
        assertThatThrownBy(() -> new DataFinder(installed, folder, expected, NOTHING, log).find(null))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("t10k-images-idx3-ubyte: its content has SHA-256 ")
                .hasMessageContaining(expected.get("t10k-images-idx3-ubyte"))
                .hasMessageContaining("--data");
    }

    @Test
    void aDamagedCopyInTheCacheIsReplacedByAFreshOne() throws IOException {
        Path cache = folder.resolve("cache");
        Path unpacked = TestData.write(cache.resolve("fashion-mnist"), TestData.bars(10, 1), TestData.bars(10, 2));
        Map<String, String> expected = sums(unpacked);
        Path labels = unpacked.resolve("t10k-labels-idx1-ubyte");
        byte[] damaged = Files.readAllBytes(labels);
        damaged[9] ^= 1;
        Files.write(labels, damaged);
        assertThat(finder(cache, expected, TestData.bars(10, 2)).find(null)).isEqualTo(unpacked);
        assertThat(text.toString(StandardCharsets.UTF_8))
                .contains(labels + ": its content has SHA-256 ", "it is fetched again");
        assertThat(sums(unpacked)).isEqualTo(expected);
        assertThat(finder(cache, expected, null).find(null)).isEqualTo(unpacked);
    }

    @Test
    void whatWasFetchedAndIsNotWhatWasPublishedIsRefusedAndNotKept() throws IOException {
        Path cache = folder.resolve("cache");
        Map<String, String> expected =
                sums(TestData.write(folder.resolve("right"), TestData.bars(10, 1), TestData.bars(10, 2)));
        assertThatThrownBy(() -> finder(cache, expected, TestData.bars(10, 3)).find(null))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("t10k-images-idx3-ubyte: its content has SHA-256 ")
                .hasMessageContaining("--data");
        assertThat(cache).isEmptyDirectory();
    }

    /** Fetches these test images beside the usual training images; null must not be fetched. */
    private DataFinder finder(Path cache, Map<String, String> expected, ImageSet test) {
        return new DataFinder(
                folder.resolve("none"),
                cache,
                expected,
                work -> TestData.write(work.resolve("unpacked"), TestData.bars(10, 1), test),
                log);
    }

    @Test
    void thePublishedSumsAreOfTheFilesThatAreRead() {
        assertThat(FashionMnist.PUBLISHED).hasSize(4).allSatisfy((name, sum) -> {
            assertThat(name).matches("(train|t10k)-(images-idx3|labels-idx1)-ubyte");
            assertThat(sum).matches("[0-9a-f]{64}");
        });
    }

    @Test
    void aFolderThatDoesNotExistIsNotReplacedByAnother() {
        DataFinder finder = new DataFinder(folder, folder, Map.of(), NOTHING, log);
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
