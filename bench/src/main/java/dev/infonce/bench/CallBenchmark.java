package dev.infonce.bench;

import dev.infonce.CpuOptions;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.GradientResult;
import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.Inputs;
import dev.infonce.Isa;
import dev.infonce.Matrix;
import dev.infonce.Outputs;
import dev.infonce.Plan;
import dev.infonce.Shape;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a call costs besides its arithmetic: forward and backward of 32 x 64 on one thread, metrics included, and of 1 x 1 with
 * next to no arithmetic. To be run with the profiler gc.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED"})
@State(Scope.Benchmark)
public class CallBenchmark {
    private static final int N = 32;
    private static final int DIM = 64;

    private Device device;
    private Plan plan;
    private Plan tiny;
    private Inputs inputs;
    private Inputs tinyInputs;
    private Gradients gradients;
    private Outputs outputs;
    private Outputs tinyOutputs;

    /** Makes plans, inputs and outputs that all calls use. */
    @Setup(Level.Trial)
    public void open() {
        device = Device.cpu(new CpuOptions(1, Isa.BEST));
        InfoNce loss = InfoNce.withTemperature(Loss.TEMPERATURE).symmetric();
        plan = device.plan(loss, Shape.of(N, N, DIM), DType.FLOAT32);
        inputs = Inputs.of(filled(N, DIM), filled(N, DIM));
        gradients = new Gradients(device.allocate(DType.FLOAT32, N, DIM), device.allocate(DType.FLOAT32, N, DIM), null);
        outputs = new Outputs(gradients);
        tiny = device.plan(loss, Shape.of(1, 1, 1), DType.FLOAT32);
        tinyInputs = Inputs.of(filled(1, 1), filled(1, 1));
        tinyOutputs = Outputs.of(device.allocate(DType.FLOAT32, 1, 1), device.allocate(DType.FLOAT32, 1, 1));
    }

    private Matrix filled(int rows, int dim) {
        Matrix matrix = device.allocate(DType.FLOAT32, rows, dim);
        Samples.queries((long) rows * dim, (i, value) -> matrix.set(i / dim, i % dim, value));
        return matrix;
    }

    /** Frees the device's memory. */
    @TearDown(Level.Trial)
    public void close() {
        device.close();
    }

    /** Outputs used again. */
    @Benchmark
    public double reusedOutputs() {
        plan.forwardBackward(inputs, outputs);
        return outputs.loss();
    }

    /** Gradients used again, a new result each call. */
    @Benchmark
    public GradientResult newResult() {
        return plan.forwardBackward(inputs, gradients);
    }

    /** A problem of one number a tower, outputs used again: the call itself. */
    @Benchmark
    public double emptyCall() {
        tiny.forwardBackward(tinyInputs, tinyOutputs);
        return tinyOutputs.loss();
    }
}
