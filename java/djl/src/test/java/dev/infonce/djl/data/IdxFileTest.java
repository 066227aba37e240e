package dev.infonce.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.infonce.djl.TestData;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.SplittableRandom;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class IdxFileTest {
    private static final String TWO_IMAGES = "00000803 00000002 00000001 00000003 010203 0405ff";

    @TempDir
    private Path folder;

    @Test
    void plainAndGzippedFilesGiveTheSame() throws IOException {
        IdxFile plain = IdxFile.read(file(bytes(TWO_IMAGES)), 3);
        IdxFile packed = IdxFile.read(file(gzip(bytes(TWO_IMAGES))), 3);
        assertThat(plain.dimensions()).containsExactly(2, 1, 3);
        assertThat(plain.data()).containsExactly(1, 2, 3, 4, 5, 0xff);
        assertThat(packed.dimensions()).isEqualTo(plain.dimensions());
        assertThat(packed.data()).isEqualTo(plain.data());
    }

    @ParameterizedTest(name = "{1}")
    @CsvSource({
        "'', too short for an IDX header",
        "0000, too short for an IDX header",
        "89504e47 00000002, not an IDX file: it starts with 89 50",
        "00000d03 00000002 00000001 00000003, element type 0x0d",
        "00000801 00000002 0102, 'has 1 dimensions, expected 3'",
        "00000803 00000002 0000, truncated within the header: 10 of 16 bytes",
        "00000803 00000002 00000001 00000003 01020304, 'truncated: the header promises [2, 1, 3] = 6 bytes, the file has 4'",
        "00000803 00000002 00000001 00000003 01020304050607, 'longer than its header [2, 1, 3] = 6 bytes'",
        "00000803 00000000 00000001 00000003, 'sizes [0, 1, 3] in the header'",
        "00000803 ffffffff 00000001 00000003, 'sizes [-1, 1, 3] in the header'",
        "00000803 7fffffff 7fffffff 7fffffff, 'at most 2^30 bytes'",
    })
    void malformedFilesAreNamedWithWhatIsWrong(String content, String message) throws IOException {
        Path file = file(bytes(content));
        assertThatThrownBy(() -> IdxFile.read(file, 3))
                .isInstanceOf(IdxException.class)
                .hasMessageContaining(file.toString())
                .hasMessageContaining(message);
    }

    @Test
    void gzipThatEndsTooEarlyOrIsDamagedIsSaidToBeBroken() throws IOException {
        byte[] packed = gzip(bytes(TWO_IMAGES));
        Path cut = file(Arrays.copyOf(packed, packed.length - 9));
        packed[packed.length - 6] ^= 0x55;
        Path damaged = file(packed);
        for (Path file : new Path[] {cut, damaged}) {
            assertThatThrownBy(() -> IdxFile.read(file, 3))
                    .isInstanceOf(IdxException.class)
                    .hasMessageContaining("broken gzip data");
        }
    }

    @Test
    void aFileThatCannotHoldWhatItPromisesIsRefusedWithoutAllocatingIt() throws IOException {
        Path file = file(gzip(bytes("00000801 40000000 0102")));
        assertThatThrownBy(() -> IdxFile.read(file, 1))
                .isInstanceOf(IdxException.class)
                .hasMessageContaining("[1073741824] = 1073741824 bytes, the file is too small even for packed ones");
    }

    @Test
    void whatTheHeapHasNoRoomForIsToldInOneLine() throws Exception {
        byte[] content = Arrays.copyOf(bytes("00000801 40000000"), 1_100_000);
        new SplittableRandom(1).nextBytes(content);
        System.arraycopy(bytes("00000801 40000000"), 0, content, 0, 8);
        Path file = file(gzip(content));
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx64m",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                        Child.class.getName(),
                        file.toString())
                .redirectErrorStream(true)
                .start();
        assertThat(new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .isEqualTo(file + ": needs 1024 MiB, and Java's heap of 64 MiB has no room for that; -Xmx raises it\n");
    }

    /** Runs with a small heap. */
    static final class Child {
        private Child() {}

        public static void main(String[] arguments) {
            try {
                IdxFile.read(Path.of(arguments[0]), 1);
            } catch (IOException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    @Test
    void missingFileIsNamed() {
        Path missing = folder.resolve("nothing");
        assertThatThrownBy(() -> IdxFile.read(missing, 3))
                .isInstanceOf(IdxException.class)
                .hasMessageContaining("nothing: no such file");
    }

    @Test
    void imagesAndLabelsMustBeAsMany() throws IOException {
        ImageSet ten = TestData.bars(10, 1);
        TestData.write(folder, ten, TestData.bars(20, 2));
        assertThatThrownBy(() -> ImageSet.read(
                        folder.resolve("t10k-images-idx3-ubyte"), folder.resolve("train-labels-idx1-ubyte")))
                .isInstanceOf(IdxException.class)
                .hasMessageContaining("10 labels")
                .hasMessageContaining("20 images");
    }

    @Test
    void fashionMnistHasTenClassesOf28By28() throws IOException {
        ImageSet train = TestData.bars(20, 1);
        FashionMnist read = FashionMnist.read(TestData.write(folder, train, TestData.bars(10, 2)));
        assertThat(read.train().pixels()).isEqualTo(train.pixels());
        assertThat(read.test().label(9)).isEqualTo(9);

        byte[] labels = train.labels().clone();
        labels[3] = 10;
        TestData.write(folder, new ImageSet(20, 28, 28, train.pixels(), labels), train);
        assertThatThrownBy(() -> FashionMnist.read(folder))
                .isInstanceOf(IdxException.class)
                .hasMessageContaining("image 3 has label 10");

        TestData.write(folder, new ImageSet(40, 14, 28, train.pixels(), new byte[40]), train);
        assertThatThrownBy(() -> FashionMnist.read(folder))
                .isInstanceOf(IdxException.class)
                .hasMessageContaining("14 x 28");
    }

    private Path file(byte[] content) throws IOException {
        return Files.write(Files.createTempFile(folder, "idx", ""), content);
    }

    private static byte[] bytes(String hex) {
        return HexFormat.of().parseHex(hex.replace(" ", ""));
    }

    private static byte[] gzip(byte[] content) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(content);
        }
        return out.toByteArray();
    }
}
