package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A call neither ends early when its thread is interrupted, nor hides the interrupt from who called. */
class InterruptTest {
    private static final int ROWS = 200;
    private static final int DIM = 8;
    private static final int THREADS = 4;

    @AfterEach
    void clear() {
        Thread.interrupted();
    }

    static Stream<ContrastiveLoss> losses() {
        return ContrastiveLoss.kinds().stream();
    }

    @ParameterizedTest
    @MethodSource("losses")
    void anInterruptOutlivesACallOfDeviceJavaWithSeveralThreads(ContrastiveLoss loss) {
        try (Device device = Device.java(THREADS)) {
            assertSurvives(device, loss);
        }
    }

    @Test
    void anInterruptOutlivesACallOfDeviceCpu() {
        if (Device.report().stream().noneMatch(report -> report.name().equals("cpu") && report.available())) {
            System.out.println("left out: device cpu is not available");
            return;
        }
        try (Device device = Device.cpu(new CpuOptions(THREADS, Isa.BEST))) {
            assertSurvives(device, InfoNce.withTemperature(0.1));
        }
    }

    /** One that arrives while tasks are running; whenever that is, none may be lost. */
    @Test
    void anInterruptDuringACallOutlivesIt() throws InterruptedException {
        try (Device device = Device.java(THREADS);
                Plan plan = device.plan(InfoNce.withTemperature(0.1), Shape.of(ROWS, ROWS, DIM), DType.FLOAT64)) {
            Matrix rows = rows(DType.FLOAT64);
            double expected = plan.forward(rows, rows).loss();
            for (int round = 0; round < 20; round++) {
                AtomicBoolean kept = new AtomicBoolean();
                AtomicBoolean same = new AtomicBoolean(true);
                Thread caller = new Thread(() -> {
                    while (!Thread.currentThread().isInterrupted()) {
                        same.compareAndSet(true, plan.forward(rows, rows).loss() == expected);
                    }
                    kept.set(true);
                });
                caller.start();
                Thread.sleep(round % 5);
                caller.interrupt();
                assertThat(caller.join(Duration.ofMinutes(1)))
                        .as("the caller sees its interrupt and ends")
                        .isTrue();
                assertThat(kept).isTrue();
                assertThat(same).isTrue();
            }
        }
    }

    private static void assertSurvives(Device device, ContrastiveLoss loss) {
        boolean paired = loss.negatives() == Negatives.PAIRED;
        Shape shape = paired ? Shape.pairs(ROWS, DIM) : Shape.of(ROWS, ROWS, DIM);
        if (loss.negatives() == Negatives.IN_BATCH_AND_OWN) {
            shape = shape.withOwnNegatives(1);
        }
        if (loss.negatives() == Negatives.OWN) {
            shape = Shape.of(ROWS, 1, DIM);
        }
        if (loss.isMined()) {
            shape = Shape.tower(ROWS, DIM);
        }
        Matrix rows = rows(DType.FLOAT32);
        Inputs in = loss.isMined() ? Inputs.of(rows) : Inputs.of(rows, rows);
        if (loss.takesNegatives()) {
            in = in.withNegatives(rows);
        }
        if (loss.takesLabels()) {
            in = in.withLabels(IntStream.range(0, loss.isOneTower() && !loss.isMined() ? 2 * ROWS : ROWS)
                    .map(row -> row % 7 == 0 ? 1 : 0)
                    .toArray());
        }
        if (loss.takesTeacherScores()) {
            in = in.withTeacherScores(new float[2 * ROWS]);
        }
        try (Plan plan = device.plan(loss, shape, DType.FLOAT32)) {
            GradientResult expected = plan.forwardBackward(in);
            Thread.currentThread().interrupt();
            GradientResult interrupted = plan.forwardBackward(in);
            assertThat(Thread.interrupted())
                    .as("the flag after a call of %s", plan)
                    .isTrue();
            assertThat(interrupted.loss()).isEqualTo(expected.loss());
            assertThat(interrupted.dQueries().toFloatArray())
                    .isEqualTo(expected.dQueries().toFloatArray());
            if (!loss.isMined()) {
                assertThat(interrupted.dKeys().toFloatArray())
                        .isEqualTo(expected.dKeys().toFloatArray());
            }
            assertThat(plan.forward(in).loss()).isEqualTo(expected.loss());
            assertThat(Thread.currentThread().isInterrupted()).isFalse();
        }
    }

    private static Matrix rows(DType dtype) {
        Matrix rows = Matrix.zeros(dtype, ROWS, DIM);
        for (int i = 0; i < ROWS; i++) {
            for (int d = 0; d < DIM; d++) {
                rows.set(i, d, Math.sin(1 + 7 * i + 3 * d));
            }
        }
        return rows;
    }
}
