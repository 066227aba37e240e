package dev.infonce.cli.npy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class NpyFileTest {
    private final Arena arena = Arena.ofConfined();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        arena.close();
    }

    @ParameterizedTest
    @EnumSource(
            value = NpyType.class,
            names = {"FLOAT32", "FLOAT64"})
    void whatIsWrittenIsReadBack(NpyType type) throws IOException {
        NpyHeader header = new NpyHeader(type, List.of(2L, 3L, 5L));
        MemorySegment data = arena.allocate(header.dataBytes(), 64);
        for (int i = 0; i < 30; i++) {
            if (type == NpyType.FLOAT32) {
                data.setAtIndex(ValueLayout.JAVA_FLOAT, i, i * 0.1f);
            } else {
                data.setAtIndex(ValueLayout.JAVA_DOUBLE, i, i * 0.1);
            }
        }
        Path path = folder.resolve("x.npy");
        NpyFile.create(path, header, data);
        NpyArray read = NpyFile.read(path, arena);
        assertThat(read.header()).isEqualTo(header);
        assertThat(read.data().mismatch(data)).isEqualTo(-1);
        assertThat(read.get(7)).isEqualTo(type == NpyType.FLOAT32 ? 7 * 0.1f : 7 * 0.1);
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(path);
        }
    }

    @Test
    void writtenFilesStartTheirDataAtAMultipleOf64() throws IOException {
        Path path = folder.resolve("x.npy");
        NpyFile.create(path, new NpyHeader(NpyType.FLOAT32, List.of(1L, 1L)), arena.allocate(4));
        byte[] bytes = Files.readAllBytes(path);
        assertThat(bytes).hasSize(128 + 4);
        assertThat(new String(bytes, 10, 118, StandardCharsets.ISO_8859_1))
                .startsWith("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }")
                .endsWith(" \n");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void everyVersionOfTheFormatIsRead(int version) throws IOException {
        assertThat(NpyFile.read(file(version, "|u1", "(3,)", 0, 1, 200), arena).get(2))
                .isEqualTo(200);
    }

    @Test
    void everyElementTypeIsReadAsItsNumber() throws IOException {
        assertThat(value("|b1", 1)).isEqualTo(1);
        assertThat(value("|i1", 0xff)).isEqualTo(-1);
        assertThat(value("|u1", 0xff)).isEqualTo(255);
        assertThat(value("<i2", 0xfe, 0xff)).isEqualTo(-2);
        assertThat(value("<u2", 0xfe, 0xff)).isEqualTo(65534);
        assertThat(value("<i4", 0xfe, 0xff, 0xff, 0xff)).isEqualTo(-2);
        assertThat(value("<u4", 0xfe, 0xff, 0xff, 0xff)).isEqualTo(4294967294.0);
        assertThat(value("<i8", 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)).isEqualTo(-2);
        assertThat(value("<u8", 0, 0, 0, 0, 0, 0, 0, 0x80)).isEqualTo(0x1p63);
        assertThat(value("<f2", 0, 0x3c)).isEqualTo(1);
        assertThat(value("<f4", 0, 0, 0x80, 0x3f)).isEqualTo(1);
        assertThat(value("<f8", 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)).isEqualTo(1);
    }

    @Test
    void dataAtAnUnalignedPlaceAreStillAligned() throws IOException {
        byte[] header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}".getBytes(StandardCharsets.US_ASCII);
        ByteBuffer bytes = ByteBuffer.allocate(10 + header.length + 4).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}).putShort((short) header.length);
        bytes.put(header).putFloat(1.5f);
        assertThat((10 + header.length) % 4)
                .as("the file leaves its data unaligned")
                .isNotZero();
        NpyArray array = NpyFile.read(Files.write(folder.resolve("x.npy"), bytes.array()), arena);
        assertThat(array.data().address() % 4).isZero();
        assertThat(array.get(0)).isEqualTo(1.5);
    }

    @Test
    void arraysWithoutElementsAreRead() throws IOException {
        assertThat(NpyFile.read(file(1, "<f4", "(0, 8)"), arena).data().byteSize())
                .isZero();
    }

    @Test
    void truncatedFilesAreRefusedAtEveryLength() throws IOException {
        byte[] whole = Files.readAllBytes(file(1, "<f4", "(2,)", 1, 2, 3, 4, 5, 6, 7, 8));
        for (int length = 1; length < whole.length; length++) {
            Path path = Files.write(folder.resolve("cut.npy"), Arrays.copyOf(whole, length));
            assertThatThrownBy(() -> NpyFile.read(path, arena))
                    .as("%d of %d bytes", length, whole.length)
                    .isInstanceOf(NpyException.class)
                    .hasMessageContaining("cut.npy: is truncated");
        }
    }

    @Test
    void trailingBytesAreRefused() throws IOException {
        assertRefused(
                file(1, "|u1", "(2,)", 1, 2, 3),
                "has trailing bytes: shape 2 of '|u1' takes 2 bytes, the file holds 3");
    }

    @Test
    void sizesBeyondTheFileAreRefusedWithoutReservingMemory() throws IOException {
        assertRefused(file(1, "<f4", "(1000000000, 1000000)", 1, 2, 3, 4), "is truncated");
    }

    @Test
    void filesOfAnotherKindAreRefused() throws IOException {
        assertRefused(Files.writeString(folder.resolve("x.npy"), "1 2 3"), "is no .npy file");
        assertRefused(folder, "is a folder");
        assertThatThrownBy(() -> NpyFile.read(folder.resolve("missing.npy"), arena))
                .isInstanceOf(NoSuchFileException.class);
    }

    @Test
    void otherVersionsOfTheFormatAreRefused() throws IOException {
        assertRefused(file(4, "|u1", "(1,)", 1), "version 4.0 is not read");
        assertRefused(file(0, "|u1", "(1,)", 1), "version 0.0 is not read");
    }

    @Test
    void headersOfAbsurdLengthAreRefused() throws IOException {
        byte[] bytes = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0, -1, -1, -1, -1};
        assertRefused(Files.write(folder.resolve("x.npy"), bytes), "claims 4294967295 bytes");
    }

    @Test
    void dataOfAnotherSizeThanTheHeaderAreNotWritten() {
        Path path = folder.resolve("x.npy");
        assertThatThrownBy(() -> NpyFile.create(path, new NpyHeader(NpyType.FLOAT32, List.of(3L)), arena.allocate(8)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(path).doesNotExist();
    }

    private void assertRefused(Path path, String reason) {
        assertThatThrownBy(() -> NpyFile.read(path, arena))
                .isInstanceOf(NpyException.class)
                .hasMessageStartingWith(path.toString())
                .hasMessageContaining(reason);
    }

    private double value(String descriptor, int... bytes) throws IOException {
        return NpyFile.read(file(1, descriptor, "(1,)", bytes), arena).get(0);
    }

    private Path file(int version, String descriptor, String shape, int... data) throws IOException {
        byte[] bytes = new byte[data.length];
        for (int i = 0; i < data.length; i++) {
            bytes[i] = (byte) data[i];
        }
        String header = "{'descr': '" + descriptor + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
        ByteBuffer file = ByteBuffer.allocate(8 + (version == 1 ? 2 : 4) + header.length() + bytes.length)
                .order(ByteOrder.LITTLE_ENDIAN);
        file.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', (byte) version, 0});
        if (version == 1) {
            file.putShort((short) header.length());
        } else {
            file.putInt(header.length());
        }
        file.put(header.getBytes(StandardCharsets.US_ASCII)).put(bytes);
        return Files.write(folder.resolve("x.npy"), file.array());
    }
}
