package dev.infonce;

import static dev.infonce.Malformed.argument;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class MatrixTest {
    @Test
    void arraysAreViewedNotCopied() {
        float[] data = {1, 2, 3, 4, 5, 6};
        Matrix matrix = Matrix.of(data, 2, 3);
        data[4] = 50;
        matrix.set(0, 2, 30);
        assertThat(matrix.toFloatArray()).containsExactly(1, 2, 30, 4, 50, 6);
        assertThat(data[2]).isEqualTo(30);
        double[] doubles = {1, 2};
        Matrix.of(doubles, 2, 1).set(1, 0, 5);
        assertThat(doubles).containsExactly(1, 5);
    }

    @Test
    void rowsStartAStrideApart() {
        MemorySegment data = MemorySegment.ofArray(new double[] {1, 2, -1, 3, 4});
        Matrix matrix = Matrix.of(data, DType.FLOAT64, 2, 2, 3);
        assertThat(matrix.toDoubleArray()).containsExactly(1, 2, 3, 4);
        assertThat(matrix.segment().byteSize()).isEqualTo(5 * 8);
        assertThat(matrix.get(1, 0)).isEqualTo(3);
        assertThat(matrix).hasToString("2 x 2 FLOAT64, rowStride 3");
    }

    @ParameterizedTest
    @EnumSource
    void everyTypeKeepsSmallIntegersAndHalves(DType dtype) {
        Matrix matrix = Matrix.zeros(dtype, 2, 2);
        matrix.set(1, 0, -2.5);
        matrix.set(0, 1, 96);
        assertThat(matrix.toDoubleArray()).containsExactly(0, 96, -2.5, 0);
        assertThat(matrix.segment().byteSize()).isEqualTo(4L * dtype.bytes());
    }

    @Test
    void bfloat16RoundsToNearestTiesToEven() {
        Matrix matrix = Matrix.zeros(DType.BFLOAT16, 1, 1);
        double ulp = 1.0 / 128;
        double[][] roundings = {
            {1 + ulp / 2, 1},
            {1 + 1.5 * ulp, 1 + 2 * ulp},
            {1 + 0.51 * ulp, 1 + ulp},
            {-1 - 0.51 * ulp, -1 - ulp},
            {Float.MAX_VALUE, Double.POSITIVE_INFINITY},
            {Double.NaN, Double.NaN}
        };
        for (double[] rounding : roundings) {
            matrix.set(0, 0, rounding[0]);
            assertThat(Double.valueOf(matrix.get(0, 0)))
                    .as("%s rounded", rounding[0])
                    .isEqualTo(Double.valueOf(rounding[1]));
        }
    }

    @Test
    void aMatrixMayHaveNoRows() {
        assertThat(Matrix.of(new float[0], 0, 3).toFloatArray()).isEmpty();
    }

    @Test
    void oneRowMayHaveAnyStride() {
        MemorySegment data = MemorySegment.ofArray(new float[] {1, 2, 3});
        assertThat(Matrix.of(data, DType.FLOAT32, 1, 3, Long.MAX_VALUE).toFloatArray())
                .containsExactly(1, 2, 3);
    }

    @Test
    void copiesLeaveTheSourceAndGiveTheDestination() {
        Matrix source = Matrix.of(MemorySegment.ofArray(new float[] {1, 2, -1, 3, 4}), DType.FLOAT32, 2, 2, 3);
        Matrix copy = Matrix.zeros(DType.FLOAT32, 2, 2);
        assertThat(copy.copyFrom(source)).isSameAs(copy);
        assertThat(copy.toFloatArray()).containsExactly(1, 2, 3, 4);
        assertThat(source.toFloatArray()).containsExactly(1, 2, 3, 4);
    }

    @Test
    void aClosedArenaIsNeitherSourceNorDestination() {
        Matrix open = Matrix.zeros(DType.FLOAT32, 2, 3);
        Matrix closed;
        try (Arena arena = Arena.ofConfined()) {
            closed = Matrix.of(arena.allocate(24), DType.FLOAT32, 2, 3);
        }
        for (Matrix[] copy : new Matrix[][] {{closed, open}, {open, closed}}) {
            assertThatThrownBy(() -> copy[0].copyTo(copy[1]))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("matrix: the arena of its memory is closed");
        }
    }

    @Test
    void aClosedArenaIsAnException() {
        Matrix matrix;
        try (Arena arena = Arena.ofConfined()) {
            matrix = Matrix.of(arena.allocate(24), DType.FLOAT32, 2, 3);
        }
        assertThatThrownBy(() -> matrix.get(0, 0)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> matrix.set(0, 0, 1)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(matrix::toFloatArray).isInstanceOf(IllegalStateException.class);
    }

    @ParameterizedTest
    @MethodSource("calls")
    void malformedIsRefusedWithTheArgumentInTheMessage(Malformed call) {
        call.check();
    }

    static Stream<Malformed> calls() {
        MemorySegment bytes = Arena.ofAuto().allocate(64, 8);
        Matrix matrix = Matrix.zeros(DType.FLOAT32, 2, 3);
        return Stream.of(
                argument("array too short", () -> Matrix.of(new float[5], 2, 3), "data: 2 x 3 FLOAT32", "24", "20"),
                argument("segment too short", () -> Matrix.of(bytes, DType.FLOAT64, 3, 3), "72 bytes", "64"),
                argument(
                        "strided segment too short",
                        () -> Matrix.of(bytes, DType.FLOAT32, 4, 3, 5),
                        "rowStride 5 need 72 bytes, but got 64"),
                argument(
                        "stride below dim",
                        () -> Matrix.of(bytes, DType.FLOAT32, 2, 3, 2),
                        "rowStride",
                        "dim = 3",
                        "2"),
                argument("negative stride", () -> Matrix.of(bytes, DType.FLOAT32, 2, 3, -3), "rowStride", "-3"),
                argument(
                        "stride that overflows",
                        () -> Matrix.of(bytes, DType.FLOAT32, 5, 3, Long.MAX_VALUE / 2),
                        "rows * rowStride"),
                argument(
                        "stride whose product overflows to a small number",
                        () -> Matrix.of(bytes, DType.FLOAT32, 5, 3, (1L << 62) + 1),
                        "rows * rowStride"),
                argument(
                        "stride whose span overflows to a small number",
                        () -> Matrix.of(bytes, DType.FLOAT32, 5, 5, (1L << 62) - 1),
                        "rows * rowStride"),
                argument(
                        "span that overflows",
                        () -> Matrix.of(bytes, DType.FLOAT32, 2, 1, Long.MAX_VALUE),
                        "rows * rowStride"),
                argument(
                        "the smallest span that is too large",
                        () -> Matrix.of(bytes, DType.FLOAT32, 2, 1, (1L << 60) - 1),
                        "rows * rowStride: must be < 2^60, but got 2 * 1152921504606846975"),
                argument(
                        "the largest span, of which there is too little",
                        () -> Matrix.of(bytes, DType.FLOAT64, 2, 1, (1L << 60) - 2),
                        "need 9223372036854775800 bytes, but got 64"),
                argument("negative rows", () -> Matrix.of(new float[6], -1, 3), "rows: must be in [0", "got -1"),
                argument(
                        "copy of fewer rows",
                        () -> matrix.copyFrom(Matrix.zeros(DType.FLOAT32, 1, 3)),
                        "source: must be 2 x 3 FLOAT32, but got 1 x 3 FLOAT32"),
                argument(
                        "copy of fewer columns",
                        () -> matrix.copyFrom(Matrix.zeros(DType.FLOAT32, 2, 2)),
                        "source: must be 2 x 3 FLOAT32, but got 2 x 2 FLOAT32"),
                argument(
                        "copy of another type",
                        () -> matrix.copyFrom(Matrix.zeros(DType.FLOAT64, 2, 3)),
                        "source: must be 2 x 3 FLOAT32, but got 2 x 3 FLOAT64"),
                argument(
                        "copy to memory that is only read",
                        () -> matrix.copyTo(Matrix.of(bytes.asReadOnly(), DType.FLOAT32, 2, 3)),
                        "destination: must be writable"),
                argument("no columns", () -> Matrix.of(new float[6], 2, 0), "dim", "got 0"),
                argument(
                        "misaligned native memory",
                        () -> Matrix.of(bytes.asSlice(2), DType.FLOAT32, 2, 3),
                        "aligned to 4 bytes",
                        "aligned to 2"),
                argument(
                        "bytes on the heap",
                        () -> Matrix.of(MemorySegment.ofArray(new byte[64]), DType.FLOAT32, 2, 3),
                        "aligned to 4 bytes",
                        "aligned to 1"),
                argument(
                        "more than an array",
                        () -> Matrix.zeros(DType.FLOAT32, 1L << 31, 1),
                        "rows * dim",
                        "2147483648",
                        "Device.allocate"),
                new Malformed("no array", NullPointerException.class, () -> Matrix.of((float[]) null, 2, 3)),
                new Malformed("no type", NullPointerException.class, () -> Matrix.of(bytes, null, 2, 3), "dtype"),
                new Malformed("row beyond", IndexOutOfBoundsException.class, () -> matrix.get(2, 0), "2"),
                new Malformed("column beyond", IndexOutOfBoundsException.class, () -> matrix.set(0, 3, 1), "3"));
    }
}
