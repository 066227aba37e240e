package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Gradients;
import dev.infonce.Matrix;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.Plan;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.LongFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Where rows lie makes no difference to a bit, and what lies between them is left alone. */
class MemoryLayoutTest extends DeviceSuite {
    private static final long SEED = 81;
    private static final double SENTINEL = -12345.5;
    private static final int PADDING = 3;

    static List<ContrastiveLoss> losses() {
        return Cases.all(0.07);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void strideAndMemoryDoNotChangeABit(ContrastiveLoss loss) {
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            Case c = Cases.random(loss, 67, 80, 13, dtype, SEED);
            Result dense = Result.of(device, c);
            try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype());
                    Arena confined = Arena.ofConfined();
                    Arena shared = Arena.ofShared()) {
                List<LongFunction<MemorySegment>> memories = List.of(
                        bytes -> dtype == DType.FLOAT32
                                ? MemorySegment.ofArray(new float[(int) bytes / Float.BYTES])
                                : MemorySegment.ofArray(new double[(int) bytes / Double.BYTES]),
                        bytes -> confined.allocate(bytes, dtype.bytes()),
                        bytes -> shared.allocate(bytes, dtype.bytes()));
                for (LongFunction<MemorySegment> memory : memories) {
                    Matrix queries = strided(c.queries(), c, memory);
                    Matrix keys = strided(c.keys(), c, memory);
                    Matrix negatives = strided(c.negatives(), c, memory);
                    Gradients out = new Gradients(
                            strided(c.queries(), c, memory),
                            strided(c.keys(), c, memory),
                            strided(c.negatives(), c, memory));
                    Result result = Result.of(plan.forwardBackward(c.inputs(queries, keys, negatives), out));
                    Compare.assertSameBits(result, dense, what(c, SEED));
                    assertPaddingUntouched(out.dQueries(), c);
                    assertPaddingUntouched(out.dKeys(), c);
                    assertPaddingUntouched(out.dNegatives(), c);
                }
            }
        }
    }

    /** Of views in two matrices the second is not laid out as the first, nor are its gradients. */
    @Test
    void viewsOfATowerMayHaveStridesOfTheirOwn() {
        List<DType> dtypes = deviceName.startsWith("java")
                ? List.of(DType.FLOAT32, DType.FLOAT64)
                : List.of(DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16);
        for (DType dtype : dtypes) {
            for (ContrastiveLoss loss : List.of(NtXent.withTemperature(0.2), NtLogistic.withTemperature(0.2))) {
                Case c = Cases.random(loss, 9, 9, 5, dtype, SEED);
                Result dense = Result.of(device, c);
                Compare.assertClose(dense, Oracle.evaluate(c), Tolerances.of(deviceName, c, dtype), what(c, SEED));
                Matrix dQueries = apart(c.queries(), c, 6);
                Matrix dKeys = apart(c.keys(), c, 3);
                try (Plan plan = device.plan(loss, c.shape(), dtype)) {
                    Result result = Result.of(plan.forwardBackward(
                            c.inputs(apart(c.queries(), c, 1), apart(c.keys(), c, 4), null),
                            new Gradients(dQueries, dKeys, null)));
                    Compare.assertSameBits(result, dense, what(c, SEED));
                    assertPaddingUntouched(dQueries, c, 6);
                    assertPaddingUntouched(dKeys, c, 3);
                }
            }
        }
    }

    /** As the type has it. */
    private static double sentinel(DType dtype) {
        Matrix one = Matrix.zeros(dtype, 1, 1);
        one.set(0, 0, SENTINEL);
        return one.get(0, 0);
    }

    private static Matrix apart(double[][] rows, Case c, int padding) {
        return strided(
                rows, c, bytes -> Arena.ofAuto().allocate(bytes, c.dtype().bytes()), padding);
    }

    @Test
    void memoryOfTheDeviceIsAsGoodAsAnyOther() {
        for (ContrastiveLoss loss : losses()) {
            Case c = Cases.random(loss, 9, 12, 5, DType.FLOAT32, SEED);
            try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
                Result result = Result.of(
                        plan.forwardBackward(c.inputs(owned(c.queries()), owned(c.keys()), owned(c.negatives()))));
                Compare.assertSameBits(result, Result.of(device, c), what(c, SEED));
            }
        }
    }

    @Test
    void gradientsThatNobodyWantsChangeNoOther() {
        for (ContrastiveLoss loss : losses()) {
            Case c = Cases.random(loss, 20, 30, 5, DType.FLOAT32, SEED);
            Result all = Result.of(device, c);
            try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
                Gradients onlyQueries = new Gradients(c.matrix(new double[c.queries().length][5]), null, null);
                Result queries = Result.of(plan.forwardBackward(c.inputs(), onlyQueries));
                assertThat(queries.dQueries()).as(what(c, SEED)).isDeepEqualTo(all.dQueries());
                assertThat(queries.dTemperature()).as(what(c, SEED)).isEqualTo(all.dTemperature());
                if (c.keys() != null) {
                    Gradients onlyKeys = new Gradients(null, c.matrix(new double[c.keys().length][5]), null);
                    Result keys = Result.of(plan.forwardBackward(c.inputs(), onlyKeys));
                    assertThat(keys.dKeys()).as(what(c, SEED)).isDeepEqualTo(all.dKeys());
                }
                if (c.negatives() != null) {
                    Gradients onlyNegatives = new Gradients(null, null, c.matrix(new double[c.negatives().length][5]));
                    Result negatives = Result.of(plan.forwardBackward(c.inputs(), onlyNegatives));
                    assertThat(negatives.dNegatives()).as(what(c, SEED)).isDeepEqualTo(all.dNegatives());
                }
            }
        }
    }

    private Matrix owned(double[][] rows) {
        if (rows == null) {
            return null;
        }
        Matrix matrix = Matrix.zeros(DType.FLOAT32, rows.length, rows[0].length);
        for (int i = 0; i < rows.length; i++) {
            for (int d = 0; d < rows[i].length; d++) {
                matrix.set(i, d, rows[i][d]);
            }
        }
        return device.allocate(DType.FLOAT32, rows.length, rows[0].length).copyFrom(matrix);
    }

    /** Rows apart from each other, the gaps filled with the sentinel. */
    private static Matrix strided(double[][] rows, Case c, LongFunction<MemorySegment> memory) {
        return strided(rows, c, memory, PADDING);
    }

    private static Matrix strided(double[][] rows, Case c, LongFunction<MemorySegment> memory, int padding) {
        if (rows == null) {
            return null;
        }
        long stride = c.shape().dim() + padding;
        MemorySegment segment = memory.apply(rows.length * stride * c.dtype().bytes());
        Matrix everything = Matrix.of(segment, c.dtype(), rows.length, stride);
        Matrix matrix = Matrix.of(segment, c.dtype(), rows.length, c.shape().dim(), stride);
        for (int i = 0; i < rows.length; i++) {
            for (int d = 0; d < stride; d++) {
                everything.set(i, d, d < rows[i].length ? rows[i][d] : SENTINEL);
            }
        }
        return matrix;
    }

    private void assertPaddingUntouched(Matrix matrix, Case c) {
        assertPaddingUntouched(matrix, c, PADDING);
    }

    private void assertPaddingUntouched(Matrix matrix, Case c, int padding) {
        if (matrix == null) {
            return;
        }
        // the view ends with its last row's last element, so that the last gap is out of sight
        MemorySegment segment = matrix.segment();
        long stride = matrix.rowStride();
        Matrix gaps = Matrix.of(
                segment.asSlice(matrix.dim() * c.dtype().bytes()), c.dtype(), matrix.rows() - 1, padding, stride);
        for (long i = 0; i < gaps.rows(); i++) {
            for (long d = 0; d < padding; d++) {
                assertThat(gaps.get(i, d))
                        .as("gap after row %d, %s", i, what(c, SEED))
                        .isEqualTo(sentinel(c.dtype()));
            }
        }
    }
}
