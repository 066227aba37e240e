package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** No gradient may share an element with an input or with another gradient. */
class OverlapTest extends OnEachDevice {
    private static final int N = 4;
    private static final int M = 6;
    private static final int DIM = 3;
    private static final long STRIDE = 5;

    /** Queries, keys, negatives and their gradients. */
    private static final String[] NAMES = {"queries", "keys", "negatives", "dQueries", "dKeys", "dNegatives"};

    private static final int[] ROWS = {N, N, M, N, N, M};
    private static final int FIRST_GRADIENT = 3;

    /** Elements of a matrix's room, in whose middle it lies. */
    private static final int ROOM = 200;

    private final InfoNce loss = InfoNce.withTemperature(0.5).withSharedNegatives();
    private final Shape shape = Shape.of(N, M, DIM);

    @Test
    void noGradientMayShareAnElementWithAnything() {
        Plan plan = device.plan(loss, shape, DType.FLOAT32);
        for (MemorySegment memory : new MemorySegment[] {
            MemorySegment.ofArray(new float[ROOM * NAMES.length]),
            Arena.ofAuto().allocate(4L * ROOM * NAMES.length, 4)
        }) {
            for (int gradient = FIRST_GRADIENT; gradient < NAMES.length; gradient++) {
                for (int other = 0; other < NAMES.length; other++) {
                    if (other == gradient) {
                        continue;
                    }
                    long[] places = places();
                    assertThat(plan.forwardBackward(in(memory, places), out(memory, places))
                                    .loss())
                            .isPositive();
                    // Its first element on the other's last, and its last on the other's first.
                    places[gradient] = places[other] + span(other) - 1;
                    assertRefused(plan, memory, places, gradient, other);
                    places[gradient] = places[other] - span(gradient) + 1;
                    assertRefused(plan, memory, places, gradient, other);
                }
            }
        }
    }

    @Test
    void blocksOfOneMatrixInterleaveOnlyWhileTheyDoNotWrap() {
        Plan plan = device.plan(InfoNce.withTemperature(0.5), Shape.of(N, N, DIM), DType.FLOAT32);
        Matrix queries = Samples.heap(DType.FLOAT32, N, DIM, 1);
        Matrix keys = Samples.heap(DType.FLOAT32, N, DIM, 2);
        long wide = 2 * DIM + 1;
        long before = 2; // neither starts where the memory does
        for (long shift = 0; shift < 2 * wide; shift++) {
            MemorySegment memory = MemorySegment.ofArray(new float[100]);
            Matrix first = Matrix.of(memory.asSlice(4 * before), DType.FLOAT32, N, DIM, wide);
            Matrix second = Matrix.of(memory.asSlice(4 * (before + shift)), DType.FLOAT32, N, DIM, wide);
            boolean apart = shift % wide >= DIM && shift % wide + DIM <= wide;
            for (Gradients out :
                    new Gradients[] {new Gradients(first, second, null), new Gradients(second, first, null)}) {
                if (apart) {
                    plan.forwardBackward(Inputs.of(queries, keys), out);
                } else {
                    assertThatThrownBy(() -> plan.forwardBackward(Inputs.of(queries, keys), out))
                            .as("%d elements apart, rows of %d", shift, wide)
                            .isInstanceOf(IllegalArgumentException.class)
                            .hasMessageContaining("overlap");
                }
            }
        }
    }

    @Test
    void gradientsOfAnotherTypeInterleaveWithNothing() {
        assumeFalse(deviceName.equals("java"), "device java has no 16-bit types");
        Plan plan = device.plan(
                InfoNce.withTemperature(0.5),
                Shape.of(N, N, DIM),
                DType.FLOAT16,
                PlanOptions.defaults().withGradientDType(DType.FLOAT32));
        MemorySegment memory = Arena.ofAuto().allocate(400, 8);
        // As many elements a row, but not as many bytes: rows 0 are apart, rows 1 are not.
        Matrix gradient = Matrix.of(memory, DType.FLOAT32, N, DIM, 8);
        Matrix queries = Samples.fill(Matrix.of(memory.asSlice(12), DType.FLOAT16, N, DIM, 8), 1);
        Matrix keys = Samples.heap(DType.FLOAT16, N, DIM, 2);
        assertThatThrownBy(() -> plan.forwardBackward(Inputs.of(queries, keys), new Gradients(null, gradient, null)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("dKeys: must not overlap queries");
    }

    private void assertRefused(Plan plan, MemorySegment memory, long[] places, int gradient, int other) {
        double[] before = Samples.content(Matrix.of(memory, DType.FLOAT32, 1, (long) ROOM * NAMES.length));
        String first = NAMES[other < FIRST_GRADIENT ? gradient : Math.min(gradient, other)];
        String second = NAMES[other < FIRST_GRADIENT ? other : Math.max(gradient, other)];
        assertThatThrownBy(() -> plan.forwardBackward(in(memory, places), out(memory, places)))
                .as("%s on %s", NAMES[gradient], NAMES[other])
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(first + ": must not overlap " + second);
        assertThat(Samples.content(Matrix.of(memory, DType.FLOAT32, 1, (long) ROOM * NAMES.length)))
                .isEqualTo(before);
    }

    private static long[] places() {
        long[] places = new long[NAMES.length];
        for (int i = 0; i < places.length; i++) {
            places[i] = (long) ROOM * i + ROOM / 2;
        }
        return places;
    }

    private static long span(int matrix) {
        return (ROWS[matrix] - 1) * STRIDE + DIM;
    }

    private static Matrix matrix(MemorySegment memory, long[] places, int matrix) {
        return Matrix.of(memory.asSlice(4 * places[matrix]), DType.FLOAT32, ROWS[matrix], DIM, STRIDE);
    }

    private static Inputs in(MemorySegment memory, long[] places) {
        return Inputs.of(Samples.fill(matrix(memory, places, 0), 1), Samples.fill(matrix(memory, places, 1), 2))
                .withNegatives(Samples.fill(matrix(memory, places, 2), 3));
    }

    private static Gradients out(MemorySegment memory, long[] places) {
        return new Gradients(matrix(memory, places, 3), matrix(memory, places, 4), matrix(memory, places, 5));
    }
}
