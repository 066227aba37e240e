package dev.infonce.bench;

import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.GradientResult;
import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.Inputs;
import dev.infonce.LossResult;
import dev.infonce.Matrix;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Shape;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** InfoNCE with in-batch negatives (cosine, float32) through the Java API, inputs and gradients in the device's memory. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--add-modules", "jdk.incubator.vector"})
@State(Scope.Benchmark)
public class LossBenchmark {
    private static final long SEED = 1;
    private static final double TEMPERATURE = 0.07;

    /** The device's name. */
    @Param({"cpu", "java"})
    public String device;

    /** Queries, and as many keys. */
    @Param({"256", "1024", "4096"})
    public int n;

    /** Numbers a row. */
    @Param("128")
    public int dim;

    private Device open;
    private Plan plan;
    private Inputs inputs;
    private Gradients gradients;

    /** Multiplications and additions of one call of a benchmark: a product of queries and keys is one unit, gradients two. */
    static double flops(String benchmark, int n, int dim) {
        double unit = 2.0 * n * n * dim;
        return benchmark.endsWith("forwardBackward") ? 3 * unit : unit;
    }

    /** Fills the matrices with Gaussian numbers. */
    @Setup(Level.Trial)
    public void open() {
        open = Device.named(device);
        plan = open.plan(
                InfoNce.withTemperature(TEMPERATURE),
                Shape.of(n, n, dim),
                DType.FLOAT32,
                PlanOptions.defaults().withoutMetrics());
        Random random = new Random(SEED);
        inputs = Inputs.of(random(random), random(random));
        gradients = new Gradients(open.allocate(DType.FLOAT32, n, dim), open.allocate(DType.FLOAT32, n, dim), null);
    }

    private Matrix random(Random random) {
        Matrix matrix = open.allocate(DType.FLOAT32, n, dim);
        for (int row = 0; row < n; row++) {
            for (int column = 0; column < dim; column++) {
                matrix.set(row, column, random.nextGaussian());
            }
        }
        return matrix;
    }

    /** Frees the device's memory. */
    @TearDown(Level.Trial)
    public void close() {
        open.close();
    }

    /** The loss alone. */
    @Benchmark
    public LossResult forward() {
        return plan.forward(inputs);
    }

    /** The loss and the gradients of queries, keys and temperature. */
    @Benchmark
    public GradientResult forwardBackward() {
        return plan.forwardBackward(inputs, gradients);
    }
}
