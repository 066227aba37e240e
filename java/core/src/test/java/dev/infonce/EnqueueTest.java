package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Calls that are enqueued give what calls that wait give, and say later what they refused. */
class EnqueueTest extends OnDevicesWithMemory {
    private static final int N = 12;
    private static final int DIM = 5;
    private static final Shape SHAPE = Shape.of(N, N, DIM);
    private static final InfoNce LOSS = InfoNce.withTemperature(0.3).symmetric();

    private Matrix device(long seed) {
        return Samples.fill(device.allocate(DType.FLOAT32, N, DIM), seed);
    }

    private Plan plan() {
        return device.plan(LOSS, SHAPE, DType.FLOAT32);
    }

    private static void assertSame(DeviceOutputs out, GradientResult expected) {
        assertThat(out.readLoss()).containsExactly(expected.loss());
        assertThat(out.readMetrics()).isEqualTo(expected.metrics());
        assertThat(Samples.content(out.dQueries())).isEqualTo(Samples.content(expected.dQueries()));
        assertThat(Samples.content(out.dKeys())).isEqualTo(Samples.content(expected.dKeys()));
    }

    @Test
    void anEnqueuedCallGivesTheBitsOfOneThatWaits() {
        Plan plan = plan();
        Matrix queries = device(1);
        Matrix keys = device(2);
        GradientResult expected = plan.forwardBackward(queries, keys);
        DeviceOutputs out = plan.allocateOutputs();
        try (Stream stream = device.stream()) {
            PendingCall call = plan.enqueue(stream, DeviceInputs.of(queries, keys), out, plan.allocateWorkspace());
            assertThat(call.await()).isSameAs(out);
            assertThat(call.status()).isEqualTo(Status.OK);
        }
        assertSame(out, expected);
        assertThat(out.dTemperature().toDoubleArray()).containsExactly(expected.dTemperature());
    }

    @Test
    void aBiasIsTheLosssOwnOrComesFromTheDevice() {
        Plan plan = device.plan(SigLip.learned(), Shape.of(N, N, DIM), DType.FLOAT32);
        Matrix queries = device(1);
        Matrix keys = device(2);
        DeviceInputs own = DeviceInputs.of(queries, keys);
        DeviceOutputs out = plan.allocateOutputs();
        DeviceBuffer workspace = plan.allocateWorkspace();
        try (Stream stream = device.stream()) {
            for (DeviceInputs in : List.of(own, own.withBias(device.buffer(-2.0)))) {
                Inputs waiting = Inputs.of(queries, keys);
                GradientResult expected = plan.forwardBackward(in.bias() == null ? waiting : waiting.withBias(-2));
                plan.enqueue(stream, in, out, workspace).await();
                assertSame(out, expected);
                assertThat(out.dBias().toDoubleArray()).containsExactly(expected.dBias());
                assertThat(expected.dBias()).isNotZero();
            }
            PendingCall call = plan.enqueue(stream, own.withBias(device.buffer(2e30)), out, workspace);
            assertThatThrownBy(call::await)
                    .isInstanceOf(InfoNceException.class)
                    .hasMessageContaining("bias is 2e+30; allowed: -1e30 to 1e30");
        }
        Plan without = plan();
        assertThatThrownBy(() -> without.enqueue(
                        device.stream(), own.withBias(device.buffer(1.0)), without.allocateOutputs(), workspace))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("bias: InfoNce has none");
    }

    @Test
    void temperatureWeightsAndUpstreamComeFromTheDevice() {
        Plan plan = plan();
        Matrix queries = device(1);
        Matrix keys = device(2);
        float[] weights = new float[N];
        for (int i = 0; i < N; i++) {
            weights[i] = i % 3;
        }
        Inputs in = Inputs.of(queries, keys)
                .withTemperature(0.5)
                .withWeights(weights)
                .withUpstream(-2);
        GradientResult expected = plan.forwardBackward(in);
        DeviceInputs there = DeviceInputs.of(queries, keys)
                .withTemperature(device.buffer(0.5))
                .withWeights(device.buffer(weights))
                .withUpstream(device.buffer(new float[] {-2}));
        DeviceOutputs out = plan.allocateOutputs();
        DeviceBuffer workspace = plan.allocateWorkspace();
        try (Stream stream = device.stream()) {
            assertSame(plan.enqueue(stream, there, out, workspace).await(), expected);
            DeviceInputs learned = there.withLogTemperature(device.buffer(Math.log(0.5)));
            double slope = plan.enqueue(stream, learned, out, workspace)
                    .await()
                    .dTemperature()
                    .toDoubleArray()[0];
            // exp(ln 0.5) may be off by a rounding
            assertThat(Math.abs(slope - expected.dLogTemperature()))
                    .isLessThan(1e-5 * Math.abs(expected.dLogTemperature()));
        }
    }

    @Test
    void queuesAndOffsetsOfKeysComeFromTheDevice() {
        int rows = 7;
        InfoNce loss = InfoNce.withTemperature(0.3).withKeyOffsets().excluding(Exclude.sameGroup());
        float[] offsets = new float[N + rows];
        int[] groups = new int[N + rows];
        for (int j = 0; j < offsets.length; j++) {
            offsets[j] = j % 5 - 2.5f;
            groups[j] = j % 4;
        }
        for (ContrastiveLoss of : List.of(loss, loss.matryoshka(1, DIM))) {
            Plan plan = device.plan(of, Shape.of(N, N, DIM).withQueue(rows), DType.FLOAT32);
            Matrix queries = device(1);
            Matrix keys = device(2);
            Matrix queue =
                    device.allocate(DType.FLOAT32, rows, DIM).copyFrom(Samples.heap(DType.FLOAT32, rows, DIM, 3));
            int[] ofQueries = Arrays.copyOf(groups, N);
            Inputs in = Inputs.of(queries, keys)
                    .withQueue(queue)
                    .withGroups(ofQueries, groups)
                    .withKeyOffsets(offsets);
            GradientResult expected = plan.forwardBackward(in);
            DeviceInputs there = DeviceInputs.of(queries, keys)
                    .withQueue(queue)
                    .withGroups(device.buffer(ofQueries), device.buffer(groups))
                    .withKeyOffsets(device.buffer(offsets));
            DeviceOutputs out = plan.allocateOutputs();
            DeviceBuffer workspace = plan.allocateWorkspace();
            try (Stream stream = device.stream()) {
                assertSame(plan.enqueue(stream, there, out, workspace).await(), expected);
                refused(
                        () -> plan.enqueue(
                                stream, there.withQueue(Samples.heap(DType.FLOAT32, rows, DIM, 3)), out, workspace),
                        "queue: must be in memory of device");
                refused(
                        () -> plan.enqueue(stream, there.withKeyOffsets(device.buffer(new float[N])), out, workspace),
                        "keyOffsets: must be " + 4 * (N + rows) + " bytes");
                refused(
                        () -> plan.enqueue(
                                stream, there, new DeviceOutputs(null, null, queue, null, null, null, null), workspace),
                        "dKeys: must be " + N + " x " + DIM);
                float[] wrong = offsets.clone();
                wrong[N + 2] = 31;
                PendingCall call = plan.enqueue(stream, there.withKeyOffsets(device.buffer(wrong)), out, workspace);
                assertThat(call.status()).isEqualTo(Status.INVALID_ARGUMENT);
            }
        }
    }

    @Test
    void scoresOfATeacherComeFromTheDevice() {
        int m = 3;
        float[] scores = new float[N * (m + 1)];
        for (int k = 0; k < scores.length; k++) {
            scores[k] = k % 7 - 2.5f;
        }
        KlDistillation lists = KlDistillation.withTemperature(0.3);
        for (ContrastiveLoss loss : List.of(lists, MarginMse.ofDots(), lists.matryoshka(1, DIM))) {
            Plan plan = device.plan(loss, Shape.of(N, m, DIM), DType.FLOAT32);
            Matrix queries = device(1);
            Matrix keys = device(2);
            Matrix negatives = Samples.fill(device.allocate(DType.FLOAT32, N * m, DIM), 3);
            GradientResult expected = plan.forwardBackward(
                    Inputs.of(queries, keys).withNegatives(negatives).withTeacherScores(scores));
            DeviceInputs bare = DeviceInputs.of(queries, keys).withNegatives(negatives);
            DeviceInputs there = bare.withTeacherScores(device.buffer(scores));
            DeviceOutputs out = plan.allocateOutputs();
            DeviceBuffer workspace = plan.allocateWorkspace();
            try (Stream stream = device.stream()) {
                assertSame(plan.enqueue(stream, there, out, workspace).await(), expected);
                refused(() -> plan.enqueue(stream, bare, out, workspace), "teacherScores: ");
                refused(
                        () -> plan.enqueue(stream, bare.withTeacherScores(device.buffer(new float[N])), out, workspace),
                        "teacherScores: must be " + 4 * scores.length + " bytes");
                float[] wrong = scores.clone();
                wrong[m] = 2e30f;
                PendingCall call = plan.enqueue(stream, bare.withTeacherScores(device.buffer(wrong)), out, workspace);
                assertThat(call.status()).isEqualTo(Status.INVALID_ARGUMENT);
            }
        }
    }

    @Test
    void callsOnOneStreamNeedOneWaitAndCallsOnTwoStreamsDoNotMeet() {
        Plan plan = plan();
        List<DeviceOutputs> outputs = new ArrayList<>();
        List<GradientResult> expected = new ArrayList<>();
        try (Stream first = device.stream();
                Stream second = device.stream()) {
            DeviceBuffer[] workspaces = {plan.allocateWorkspace(), plan.allocateWorkspace()};
            for (int i = 0; i < 6; i++) {
                Matrix queries = device(10 + i);
                Matrix keys = device(20 + i);
                expected.add(plan.forwardBackward(queries, keys));
                DeviceOutputs out = plan.allocateOutputs();
                outputs.add(out);
                plan.enqueue(i % 2 == 0 ? first : second, DeviceInputs.of(queries, keys), out, workspaces[i % 2]);
            }
            first.synchronize();
            second.synchronize();
        }
        for (int i = 0; i < outputs.size(); i++) {
            assertSame(outputs.get(i), expected.get(i));
        }
    }

    @Test
    void theLossAloneNeedsNoGradient() {
        Plan plan = plan();
        Matrix queries = device(1);
        Matrix keys = device(2);
        DeviceOutputs out = new DeviceOutputs(device.buffer(0.0), null, null, null, null, null, null);
        try (Stream stream = device.stream()) {
            plan.enqueue(stream, DeviceInputs.of(queries, keys), out, plan.allocateWorkspace())
                    .await();
        }
        assertThat(out.readLoss()[0]).isEqualTo(plan.forward(queries, keys).loss());
        assertThat(out.readMetrics()).isNull();
    }

    @Test
    void refusalsAreToldLaterAndNothingIsWritten() {
        Plan plan = plan();
        Matrix bad = Samples.heap(DType.FLOAT32, N, DIM, 1);
        bad.set(3, 2, Double.NaN);
        Matrix queries = device.allocate(DType.FLOAT32, N, DIM).copyFrom(bad);
        Matrix keys = device(2);
        Matrix dQueries = device.allocate(DType.FLOAT32, N, DIM).copyFrom(Samples.sentinel(DType.FLOAT32, N, DIM));
        DeviceOutputs out = new DeviceOutputs(
                device.buffer(77.0), dQueries, null, null, device.buffer(77.0), device.buffer(77.0), null);
        DeviceBuffer workspace = plan.allocateWorkspace();
        try (Stream stream = device.stream()) {
            PendingCall call = plan.enqueue(stream, DeviceInputs.of(queries, keys), out, workspace);
            assertThat(call.status()).isEqualTo(Status.NON_FINITE);
            assertThatThrownBy(call::await)
                    .isInstanceOf(InfoNceException.class)
                    .hasMessageContaining("queries")
                    .hasMessageContaining("row 3");
            DeviceInputs cold = DeviceInputs.of(device(1), keys).withTemperature(device.buffer(-1.0));
            assertThat(plan.enqueue(stream, cold, out, workspace).status()).isEqualTo(Status.INVALID_ARGUMENT);
            assertThat(out.readLoss()).containsExactly(77);
            assertThat(out.dTemperature().toDoubleArray()).containsExactly(77);
            assertThat(Samples.isUntouched(dQueries)).isTrue();
            plan.enqueue(stream, DeviceInputs.of(device(1), keys), out, workspace)
                    .await();
            assertThat(Samples.isUntouched(dQueries)).isFalse();
        }
    }

    @Test
    void whatCanBeToldAtOnceIsToldAtOnce() {
        Plan plan = plan();
        DeviceInputs in = DeviceInputs.of(device(1), device(2));
        DeviceOutputs out = plan.allocateOutputs();
        DeviceBuffer workspace = plan.allocateWorkspace();
        DeviceBuffer shorter =
                DeviceBuffer.ofPointer(device, workspace.segment().address(), plan.workspaceBytes() - 1);
        try (Stream stream = device.stream();
                Device other = Device.named(deviceName);
                Arena arena = Arena.ofConfined()) {
            refused(() -> plan.enqueue(stream, in, out, shorter), "workspace: must be at least", "but got");
            refused(
                    () -> plan.enqueue(
                            stream, DeviceInputs.of(device(1), Samples.heap(DType.FLOAT32, N, DIM, 2)), out, workspace),
                    "keys: must be in memory of device");
            refused(
                    () -> plan.enqueue(stream, in.withWeights(device.buffer(new float[N - 1])), out, workspace),
                    "weights: must be " + 4 * N + " bytes");
            refused(() -> plan.enqueue(stream, in.withLabels(device.buffer(new int[N])), out, workspace), "labels");
            refused(
                    () -> plan.enqueue(stream, in, out, other.allocateBuffer(plan.workspaceBytes())),
                    "workspace: must be memory of the plan's device");
            refused(
                    () -> plan.enqueue(
                            stream, in, new DeviceOutputs(null, in.queries(), null, null, null, null, null), workspace),
                    "dQueries: must not overlap queries");
            MemorySegment host = arena.allocate(plan.workspaceBytes(), 64);
            DeviceBuffer hostWorkspace = DeviceBuffer.ofPointer(device, host.address(), host.byteSize());
            assertThatThrownBy(() -> plan.enqueue(stream, in, out, hostWorkspace))
                    .isInstanceOfSatisfying(
                            InfoNceException.class, e -> assertThat(e.status()).isEqualTo(Status.INVALID_ARGUMENT))
                    .hasMessageContaining("workspace")
                    .hasMessageContaining("host memory");
            plan.close();
            assertThatThrownBy(() -> plan.enqueue(stream, in, out, workspace)).hasMessage("plan is closed");
        }
    }

    private static void refused(org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String... says) {
        Malformed.argument(says[0], call, says).check();
    }
}
