package dev.infonce.bench;

import dev.infonce.DType;
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

/** The losses through the Java API, on all processors. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
// The vectors of device java are objects until the compiler has come to their loops, which takes seconds.
@Warmup(iterations = 6, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector"})
@State(Scope.Benchmark)
public class LossBenchmark {
    /** The device's name. */
    @Param({"cpu", "java"})
    public String device;

    /** The loss's name. */
    @Param({"symmetric", "infonce", "nt-xent", "nt-logistic", "triplet"})
    public String loss;

    /** Queries, and as many keys; or rows of the one tower. */
    @Param({"256", "1024", "4096"})
    public int n;

    /** Numbers a row. */
    @Param({"64", "128", "512"})
    public int dim;

    /** The type of inputs and gradients. */
    @Param({"FLOAT32", "FLOAT64"})
    public DType dtype;

    private LossCase open;

    /** Opens the device and fills the inputs. */
    @Setup(Level.Trial)
    public void open() {
        int threads = Runtime.getRuntime().availableProcessors();
        open = new LossCase(device, new Problem(Loss.named(loss), dtype, n, dim, Call.FORWARD_BACKWARD, threads));
    }

    /** Frees the device's memory. */
    @TearDown(Level.Trial)
    public void close() {
        open.close();
    }

    /** The loss alone. */
    @Benchmark
    public double forward() {
        return open.forward();
    }

    /** The loss and the gradients of queries, keys and temperature. */
    @Benchmark
    public double forwardBackward() {
        return open.forwardBackward();
    }
}
