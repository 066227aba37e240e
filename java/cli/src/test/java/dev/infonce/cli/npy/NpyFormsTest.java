package dev.infonce.cli.npy;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.cli.NpyTestFiles;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The forms of .npy files that other programs write. */
class NpyFormsTest {
    private final Arena arena = Arena.ofConfined();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        arena.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"<f4", "=f4", "|f4", "f4", "float32", "<float32"})
    void anElementTypeHasManyNames(String descriptor) throws IOException {
        assertThat(value(descriptor, 0, 0, 0x80, 0x3f)).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"<V2", "|V2", "V2", "bfloat16", "=V2"})
    void bfloat16IsAVoidOfTwoBytes(String descriptor) throws IOException {
        assertThat(value(descriptor, 0xc8, 0xc2)).isEqualTo(-100);
    }

    @ParameterizedTest
    @CsvSource({
        ">i1, -2, fe",
        ">i2, -2, fffe",
        ">u2, 258, 0102",
        ">i4, 16909060, 01020304",
        ">u4, 4294967294, fffffffe",
        ">i8, -2, fffffffffffffffe",
        ">u8, 258, 0000000000000102",
        ">f2, 1, 3c00",
        ">V2, -100, c2c8",
        ">f4, 1, 3f800000",
        ">f8, 1, 3ff0000000000000",
    })
    void bigEndianElementsAreSwapped(String descriptor, double value, String hex) throws IOException {
        int[] bytes = new int[hex.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        }
        assertThat(value(descriptor, bytes)).isEqualTo(value);
    }

    @Test
    void python2WritesLongSizesAndUnicodeKeys() throws IOException {
        NpyHeader header =
                NpyHeaderParser.parse("x.npy", "{'descr': '<f4', u'fortran_order': False, u'shape': (6L, 4L), }");
        assertThat(header).isEqualTo(new NpyHeader(NpyType.FLOAT32, List.of(6L, 4L)));
        assertThat(NpyHeaderParser.parse("x.npy", "{u'descr': u'<f8', 'fortran_order': False, 'shape': (3L,)}"))
                .isEqualTo(new NpyHeader(NpyType.FLOAT64, List.of(3L)));
    }

    /** Sizes beside, at and beyond those of the blocks that are transposed. */
    @ParameterizedTest
    @CsvSource({
        "<i2, 5:7",
        ">i4, 33:70",
        "<i8, 1:40",
        ">i2, 64:1",
        "<i4, 3:4:5",
        ">i8, 2:3:2:35",
        "<i4, 6",
        "<i2, 0:3",
        "<f4, 1:1"
    })
    void fortranOrderIsTurnedIntoC(String descriptor, String sizes) throws IOException {
        List<Long> shape = List.of(sizes.split(":")).stream().map(Long::valueOf).toList();
        int elements = (int) shape.stream().mapToLong(Long::longValue).reduce(1, (a, b) -> a * b);
        int width = descriptor.charAt(2) - '0';
        ByteBuffer data = ByteBuffer.allocate(elements * width)
                .order(descriptor.startsWith(">") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
        for (int place = 0; place < elements; place++) {
            double number = cOrder(place, shape);
            switch (width) {
                case 2 -> data.putShort((short) number);
                case 4 -> {
                    if (descriptor.equals("<f4")) {
                        data.putFloat((float) number);
                    } else {
                        data.putInt((int) number);
                    }
                }
                default -> data.putLong((long) number);
            }
        }
        String tuple = "(" + sizes.replace(":", ", ") + (shape.size() == 1 ? ",)" : ")");
        NpyArray array = NpyFile.read(
                NpyTestFiles.file(
                        folder.resolve("x.npy"), 1, NpyTestFiles.header(descriptor, "True", tuple), data.array()),
                arena);
        assertThat(array.header()).isEqualTo(new NpyHeader(array.header().type(), shape));
        for (int i = 0; i < elements; i++) {
            assertThat(array.get(i)).as("element %d of %s", i, shape).isEqualTo(i);
        }
    }

    /** Where the element at a place of the file, the first index fastest, stands with the last index fastest. */
    private static long cOrder(long place, List<Long> shape) {
        long[] index = new long[shape.size()];
        for (int i = 0; i < index.length; i++) {
            index[i] = place % shape.get(i);
            place /= shape.get(i);
        }
        long result = 0;
        for (int i = 0; i < index.length; i++) {
            result = result * shape.get(i) + index[i];
        }
        return result;
    }

    @ParameterizedTest
    @ValueSource(ints = {32_700, 32_768, 40_000, 65_535})
    void headersOf32To64KilobytesAreRead(int length) throws IOException {
        String header = NpyTestFiles.header("|u1", "False", "(2,)");
        ByteBuffer file = ByteBuffer.allocate(10 + length + 2).order(ByteOrder.LITTLE_ENDIAN);
        file.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}).putShort((short) length);
        file.put((header + " ".repeat(length - header.length() - 1) + "\n").getBytes());
        file.put((byte) 7).put((byte) 9);
        NpyArray array = NpyFile.read(Files.write(folder.resolve("x.npy"), file.array()), arena);
        assertThat(array.get(0)).isEqualTo(7);
        assertThat(array.get(1)).isEqualTo(9);
    }

    private double value(String descriptor, int... bytes) throws IOException {
        return NpyFile.read(NpyTestFiles.bytes(folder.resolve("x.npy"), descriptor, "(1,)", bytes), arena)
                .get(0);
    }
}
