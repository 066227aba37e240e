package dev.infonce.djl.simclr;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CheckpointTest {
    private static final Recipe RECIPE =
            Recipe.quick().withBatch(16).withSteps(12).withImages(80);
    private static final int PREFIX = 8;

    @TempDir
    private Path folder;

    private Path file;
    private byte[] whole;

    @BeforeEach
    void save() throws IOException {
        file = folder.resolve("checkpoint.bin");
        Checkpoint checkpoint = new Checkpoint(
                RECIPE,
                3,
                99,
                1.5,
                List.of(new CurvePoint(1, 5.5, 0.1, 1, -1, 1e-3)),
                List.of(new GeometryPoint(0, 1, -2)),
                List.of(new float[] {1, -2, Float.NaN}, new float[0], new float[] {4}));
        checkpoint.save(file);
        whole = Files.readAllBytes(file);
    }

    @Test
    void whatWasSavedIsReadBack() throws IOException {
        Checkpoint read = Checkpoint.load(file);
        assertThat(read.recipe()).isEqualTo(RECIPE);
        assertThat(read.seed()).isEqualTo(3);
        assertThat(read.dataChecksum()).isEqualTo(99);
        assertThat(read.seconds()).isEqualTo(1.5);
        assertThat(read.curve()).hasSize(1);
        assertThat(read.snapshots()).hasSize(1);
        assertThat(read.arrays()).hasSize(3);
        assertThat(read.arrays().get(0)).containsExactly(1, -2, Float.NaN);
        assertThat(read.arrays().get(2)).containsExactly(4);
    }

    @Test
    void everyFlippedBitIsRefusedByName() throws IOException {
        for (int bit = 0; bit < 8 * whole.length; bit++) {
            byte[] damaged = whole.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(refusal(damaged)).contains("checkpoint");
        }
        whole[whole.length / 2] ^= 1;
        assertRefused(whole, "damaged or truncated checkpoint");
    }

    @Test
    void everyTruncatedFileAndEveryLongerOneIsRefusedByName() throws IOException {
        for (int length = 0; length < whole.length; length++) {
            assertThat(refusal(Arrays.copyOf(whole, length))).contains("checkpoint");
        }
        assertRefused(Arrays.copyOf(whole, whole.length - 5), "damaged or truncated checkpoint");
        assertRefused(Arrays.copyOf(whole, whole.length + 1), "checksum");
    }

    @Test
    void anotherVersionOfTheFormatIsNamed() throws IOException {
        byte[] older = whole.clone();
        older[7] = '1';
        assertRefused(older, "format '1', but this version of infonce reads format '3'");
        older[7] = 0;
        assertRefused(older, "format '\\0'");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "null; header is empty",
                "[]; malformed",
                "x; malformed",
                "{}; recipe",
                "{\"recipe\":{}}; malformed",
                "{\"recipe\":null,\"curve\":[],\"snapshots\":[]}; recipe",
                "{\"seed\":\"three\"}; malformed",
            })
    void aHeaderThatSomeOtherProgramWroteIsRefused(String json, String reason) throws Exception {
        assertRefused(signed(json, ByteBuffer.allocate(4)), reason);
    }

    @Test
    void lengthsThatDoNotFitAreRefused() throws Exception {
        String json = header();
        for (int count : List.of(-1, 1, 2, Integer.MAX_VALUE)) {
            assertRefused(signed(json, ByteBuffer.allocate(4).putInt(0, count)), "malformed");
        }
        for (int length : List.of(-1, 1, 1 << 28, Integer.MAX_VALUE)) {
            ByteBuffer arrays = ByteBuffer.allocate(8).putInt(0, 1).putInt(4, length);
            assertRefused(signed(json, arrays), "malformed checkpoint: the length of array 0 is " + length);
        }
        assertRefused(signed(json, ByteBuffer.allocate(5)), "malformed checkpoint: 1 bytes follow its last array");
    }

    @Test
    void aCurveThatIsNotThatOfItsStepsIsRefused() throws Exception {
        assertRefused(
                signed(header().replace("\"step\":1,", "\"step\":7,"), ByteBuffer.allocate(4)),
                "step 1 of its curve is 7");
        assertRefused(
                signed(header().replace("\"curve\":[", "\"curve\":[null,"), ByteBuffer.allocate(4)), "whole curve");
    }

    /** Bytes with a right checksum, so that only the reader of the content is left to refuse them; none may escape it. */
    @Test
    void randomContentIsReadOrRefusedAndNeverAnythingElse() throws Exception {
        SplittableRandom random = new SplittableRandom(1);
        int refused = 0;
        for (int round = 0; round < 4_000; round++) {
            byte[] content = Arrays.copyOfRange(whole, PREFIX, whole.length - 32);
            for (int change = 0; change <= round % 4; change++) {
                content[random.nextInt(content.length)] = (byte) random.nextInt(256);
            }
            content = Arrays.copyOf(content, random.nextInt(4) > 0 ? content.length : random.nextInt(content.length));
            refused += refusal(signed(content)).isEmpty() ? 0 : 1;
        }
        assertThat(refused).isBetween(1_000, 3_999);
    }

    @Test
    void aMissingFileIsNamed() {
        Path missing = folder.resolve("missing/checkpoint.bin");
        assertThatThrownBy(() -> Checkpoint.load(missing))
                .hasMessageContaining(missing + ": no such file")
                .hasMessageContaining("--resume");
    }

    private String header() {
        int length = ByteBuffer.wrap(whole).getInt(PREFIX);
        return new String(whole, PREFIX + 4, length, StandardCharsets.UTF_8);
    }

    private byte[] signed(String json, ByteBuffer arrays) throws Exception {
        byte[] header = json.getBytes(StandardCharsets.UTF_8);
        return signed(ByteBuffer.allocate(4 + header.length + arrays.capacity())
                .putInt(header.length)
                .put(header)
                .put(arrays.array())
                .array());
    }

    private byte[] signed(byte[] content) throws Exception {
        byte[] all = ByteBuffer.allocate(PREFIX + content.length)
                .put(whole, 0, PREFIX)
                .put(content)
                .array();
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(all);
        return ByteBuffer.allocate(all.length + hash.length).put(all).put(hash).array();
    }

    /** Why the bytes are no checkpoint, or "" if they are one. */
    private static String refusal(byte[] bytes) {
        try {
            Checkpoint.parse(bytes);
            return "";
        } catch (IOException e) {
            return e.getMessage();
        }
    }

    private void assertRefused(byte[] bytes, String reason) throws IOException {
        Files.write(file, bytes);
        assertThatThrownBy(() -> Checkpoint.load(file))
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(reason);
    }
}
