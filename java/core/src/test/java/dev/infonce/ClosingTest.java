package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Devices and plans end once, in any order, and never under a running call. */
@Timeout(value = 5, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ClosingTest extends OnEachDevice {
    private static final InfoNce LOSS = InfoNce.withTemperature(0.3).symmetric();

    private final Matrix queries = Samples.heap(DType.FLOAT32, 200, 32, 1);
    private final Matrix keys = Samples.heap(DType.FLOAT32, 200, 32, 2);

    private Plan plan() {
        return device.plan(LOSS, Shape.of(200, 200, 32), DType.FLOAT32);
    }

    @Test
    void planBeforeDeviceOrDeviceBeforePlanOrEachTwice() {
        Plan first = plan();
        Plan second = plan();
        first.forward(queries, keys);
        second.forward(queries, keys);
        first.close();
        first.close();
        device.close();
        assertThatCode(second::close).doesNotThrowAnyException();
        assertThatCode(device::close).doesNotThrowAnyException();
        assertThatCode(first::close).doesNotThrowAnyException();
    }

    @Test
    void everyCallOfAClosedPlanIsAnException() {
        Plan plan = plan();
        Inputs in = Inputs.of(queries, keys);
        plan.close();
        List<Callable<?>> calls = List.of(
                () -> plan.forward(queries, keys),
                () -> plan.forward(in),
                () -> plan.backward(in),
                () -> plan.forwardBackward(in),
                () -> plan.forwardBackward(in, new Gradients(null, null, null)),
                plan::workspaceBytes);
        for (Callable<?> call : calls) {
            assertThatThrownBy(call::call)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("plan is closed");
        }
        assertThat(plan.loss()).isEqualTo(LOSS);
        assertThat(plan.shape()).isEqualTo(Shape.of(200, 200, 32));
    }

    @Test
    void aClosedDeviceClosesItsPlansAndMakesNoMore() {
        Plan plan = plan();
        device.close();
        assertThatThrownBy(() -> plan.forward(queries, keys)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(this::plan)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("device " + deviceName + " is closed");
    }

    @Test
    void eightThreadsOnOnePlanGetTheSameBits() throws Exception {
        Plan plan = plan();
        GradientResult expected = plan.forwardBackward(queries, keys);
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Callable<GradientResult>> calls = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                calls.add(() -> plan.forwardBackward(queries, keys));
            }
            for (Future<GradientResult> call : threads.invokeAll(calls)) {
                GradientResult result = call.get();
                assertThat(result.loss()).isEqualTo(expected.loss());
                assertThat(result.dTemperature()).isEqualTo(expected.dTemperature());
                assertThat(result.dQueries().toFloatArray())
                        .isEqualTo(expected.dQueries().toFloatArray());
                assertThat(result.dKeys().toFloatArray())
                        .isEqualTo(expected.dKeys().toFloatArray());
            }
        }
    }

    @Test
    void closingUnderRunningCallsLetsThemEndAndRefusesTheNext() throws Exception {
        double expected = plan().forward(queries, keys).loss();
        for (int round = 0; round < 10; round++) {
            Device own = Device.named(deviceName);
            try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
                Plan plan = own.plan(LOSS, Shape.of(200, 200, 32), DType.FLOAT32);
                CountDownLatch running = new CountDownLatch(8);
                List<Future<Integer>> callers = new ArrayList<>();
                for (int i = 0; i < 8; i++) {
                    callers.add(threads.submit(() -> callUntilClosed(plan, running, expected)));
                }
                running.await();
                if (round % 2 == 0) {
                    plan.close();
                }
                own.close();
                for (Future<Integer> caller : callers) {
                    assertThat(calls(caller)).isPositive();
                }
            }
        }
    }

    private int callUntilClosed(Plan plan, CountDownLatch running, double expected) {
        int calls = 0;
        try {
            while (true) {
                assertThat(plan.forward(queries, keys).loss()).isEqualTo(expected);
                if (calls++ == 0) {
                    running.countDown();
                }
            }
        } catch (IllegalStateException closed) {
            assertThat(closed).hasMessage("plan is closed");
            return calls;
        }
    }

    private static int calls(Future<Integer> caller) throws InterruptedException {
        try {
            return caller.get();
        } catch (ExecutionException e) {
            throw new AssertionError("a caller failed", e.getCause());
        }
    }
}
