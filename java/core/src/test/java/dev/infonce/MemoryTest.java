package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Where matrices lie makes no difference to results, and whose memory it is stays true. */
class MemoryTest extends OnEachDevice {
    private static final int N = 33;
    private static final int DIM = 17;
    private static final Shape SHAPE = Shape.of(N, N, DIM);
    private static final InfoNce LOSS = InfoNce.withTemperature(0.3).symmetric();

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void heapNativeStridedAndDeviceMemoryGiveTheSameBits(DType dtype) {
        Plan plan = device.plan(LOSS, SHAPE, dtype);
        GradientResult expected = plan.forwardBackward(Samples.heap(dtype, N, DIM, 1), Samples.heap(dtype, N, DIM, 2));
        assertThat(expected.loss()).isGreaterThan(0.1);
        try (Arena confined = Arena.ofConfined();
                Arena shared = Arena.ofShared()) {
            long stride = DIM + 6;
            long bytes = N * stride * dtype.bytes();
            Matrix[][] places = {
                {matrix(confined.allocate(bytes, 64), dtype, DIM), matrix(shared.allocate(bytes, 8), dtype, DIM)},
                {matrix(confined.allocate(bytes, 64), dtype, stride), matrix(shared.allocate(bytes, 8), dtype, stride)},
                {device.allocate(dtype, N, DIM), device.allocate(dtype, N, DIM)},
                {strided(dtype, stride), strided(dtype, stride)},
                {strided(dtype, stride), matrix(Arena.ofAuto().allocate(bytes, 8), dtype, stride)}
            };
            for (Matrix[] place : places) {
                Inputs in = Inputs.of(Samples.fill(place[0], 1), Samples.fill(place[1], 2));
                for (Matrix[] other : places) {
                    if (other != place) {
                        GradientResult result = plan.forwardBackward(in, new Gradients(other[0], other[1], null));
                        assertSame(result, expected);
                        assertThat(result.dQueries()).isSameAs(other[0]);
                    }
                }
            }
        }
    }

    @Test
    void gradientsMayInterleaveInOneBuffer() {
        Plan plan = device.plan(LOSS, SHAPE, DType.FLOAT32);
        Matrix queries = Samples.heap(DType.FLOAT32, N, DIM, 1);
        Matrix keys = Samples.heap(DType.FLOAT32, N, DIM, 2);
        float[] buffer = new float[N * 2 * DIM];
        Arrays.fill(buffer, 7);
        MemorySegment both = MemorySegment.ofArray(buffer);
        Matrix left = Matrix.of(both, DType.FLOAT32, N, DIM, 2 * DIM);
        Matrix right = Matrix.of(both.asSlice(4 * DIM), DType.FLOAT32, N, DIM, 2 * DIM);
        assertSame(
                plan.forwardBackward(Inputs.of(queries, keys), new Gradients(left, right, null)),
                plan.forwardBackward(queries, keys));
    }

    @Test
    void nothingIsWrittenBetweenRows() {
        Plan plan = device.plan(LOSS, SHAPE, DType.FLOAT32);
        for (MemorySegment memory : new MemorySegment[] {
            MemorySegment.ofArray(new float[N * 20]), Arena.ofAuto().allocate(4L * N * 20, 4)
        }) {
            Matrix whole = Matrix.of(memory, DType.FLOAT32, N, 20);
            for (int i = 0; i < N; i++) {
                for (int j = 0; j < 20; j++) {
                    whole.set(i, j, 12345);
                }
            }
            Matrix out = Matrix.of(memory, DType.FLOAT32, N, DIM, 20);
            plan.forwardBackward(
                    Inputs.of(Samples.heap(DType.FLOAT32, N, DIM, 1), Samples.heap(DType.FLOAT32, N, DIM, 2)),
                    new Gradients(out, null, null));
            for (int i = 0; i < N; i++) {
                assertThat(whole.get(i, DIM - 1)).isNotEqualTo(12345);
                for (int j = DIM; j < 20; j++) {
                    assertThat(whole.get(i, j)).isEqualTo(12345);
                }
            }
        }
    }

    @Test
    void gradientsThatAreNotWantedAreNotComputed() {
        Plan plan = device.plan(LOSS, SHAPE, DType.FLOAT32);
        Matrix queries = Samples.heap(DType.FLOAT32, N, DIM, 1);
        Matrix keys = Samples.heap(DType.FLOAT32, N, DIM, 2);
        GradientResult all = plan.forwardBackward(queries, keys);
        Matrix dKeys = Matrix.zeros(DType.FLOAT32, N, DIM);
        GradientResult some = plan.forwardBackward(Inputs.of(queries, keys), new Gradients(null, dKeys, null));
        assertThat(some.dQueries()).isNull();
        assertThat(dKeys.toFloatArray()).isEqualTo(all.dKeys().toFloatArray());
        assertThat(some.dTemperature()).isEqualTo(all.dTemperature());
    }

    @Test
    void backwardNeedsNoForwardAndGivesNoLoss() {
        Plan plan = device.plan(LOSS, SHAPE, DType.FLOAT32);
        Inputs in = Inputs.of(Samples.heap(DType.FLOAT32, N, DIM, 1), Samples.heap(DType.FLOAT32, N, DIM, 2));
        GradientResult both = plan.forwardBackward(in);
        GradientResult backward = plan.backward(in);
        assertThat(backward.loss()).isNaN();
        assertThat(backward.metrics()).isNull();
        assertThat(backward.dQueries().toFloatArray()).isEqualTo(both.dQueries().toFloatArray());
        assertThat(backward.dTemperature()).isEqualTo(both.dTemperature());
        assertThat(plan.forward(in).loss()).isEqualTo(both.loss());
    }

    @Test
    void aClosedArenaIsAnExceptionThatNamesTheMatrix() {
        Plan plan = device.plan(LOSS, SHAPE, DType.FLOAT32);
        Matrix keys = Samples.heap(DType.FLOAT32, N, DIM, 2);
        Matrix closed;
        try (Arena arena = Arena.ofShared()) {
            closed = Matrix.of(arena.allocate(4L * N * DIM, 4), DType.FLOAT32, N, DIM);
        }
        assertThatThrownBy(() -> plan.forward(closed, keys))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("queries")
                .hasMessageContaining("closed");
        assertThatThrownBy(() -> plan.forwardBackward(Inputs.of(keys, keys), new Gradients(null, closed, null)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("dKeys");
    }

    @Test
    void anotherThreadsConfinedArenaIsAnException() {
        Plan plan = device.plan(LOSS, SHAPE, DType.FLOAT32);
        Matrix queries = Samples.heap(DType.FLOAT32, N, DIM, 1);
        try (Arena arena = Arena.ofConfined()) {
            Matrix confined = Matrix.of(arena.allocate(4L * N * DIM, 4), DType.FLOAT32, N, DIM);
            CompletableFuture<LossResult> call = CompletableFuture.supplyAsync(() -> plan.forward(queries, confined));
            assertThatThrownBy(call::join)
                    .isInstanceOf(CompletionException.class)
                    .cause()
                    .isInstanceOf(WrongThreadException.class)
                    .hasMessageContaining("keys");
        }
    }

    /** Either the call keeps the memory to its end, or it is told that it is closed; never a crash or a wrong result. */
    @Test
    @Timeout(value = 5, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void anArenaCannotBeClosedUnderARunningCall() throws InterruptedException {
        int n = deviceName.equals("emulated") ? 96 : 1024;
        Plan plan = device.plan(LOSS, Shape.of(n, n, 64), DType.FLOAT32);
        Matrix keys = Samples.heap(DType.FLOAT32, n, 64, 2);
        double expected =
                plan.forward(Samples.heap(DType.FLOAT32, n, 64, 1), keys).loss();
        int refusals = 0;
        // On cpu until a closing met a call; when that is, the scheduler says.
        boolean until = deviceName.equals("cpu");
        for (int round = 0; round < 8 || until && refusals == 0; round++) {
            Arena arena = Arena.ofShared();
            Matrix queries = Samples.fill(Matrix.of(arena.allocate(4L * n * 64, 4), DType.FLOAT32, n, 64), 1);
            CountDownLatch begins = new CountDownLatch(1);
            CompletableFuture<LossResult> call = CompletableFuture.supplyAsync(() -> {
                begins.countDown();
                return plan.forward(queries, keys);
            });
            begins.await();
            Thread.sleep(round % 8);
            try {
                arena.close();
            } catch (IllegalStateException inUse) {
                refusals++;
                assertThat(call.join().loss()).isEqualTo(expected);
                arena.close();
            }
            try {
                assertThat(call.join().loss()).isEqualTo(expected);
            } catch (CompletionException told) {
                assertThat(told).hasCauseInstanceOf(IllegalStateException.class);
            }
        }
    }

    @Test
    void memoryOfTheDeviceIsZeroAndEndsWithIt() {
        Matrix matrix = device.allocate(DType.FLOAT32, 5, 7);
        assertThat(Samples.content(matrix)).containsOnly(0);
        assertThat(matrix.segment().isNative()).isTrue();
        device.close();
        assertThatThrownBy(() -> Samples.content(matrix)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> device.allocate(DType.FLOAT32, 1, 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("device " + deviceName + " is closed");
    }

    private static Matrix matrix(MemorySegment memory, DType dtype, long stride) {
        return Matrix.of(memory, dtype, N, DIM, stride);
    }

    private static Matrix strided(DType dtype, long stride) {
        return Matrix.of(Matrix.zeros(dtype, N, stride).segment(), dtype, N, DIM, stride);
    }

    private static void assertSame(GradientResult actual, GradientResult expected) {
        assertThat(actual.loss()).isEqualTo(expected.loss());
        assertThat(actual.dTemperature()).isEqualTo(expected.dTemperature());
        assertThat(actual.metrics()).isEqualTo(expected.metrics());
        assertThat(Samples.content(actual.dQueries())).isEqualTo(Samples.content(expected.dQueries()));
        assertThat(Samples.content(actual.dKeys())).isEqualTo(Samples.content(expected.dKeys()));
    }
}
