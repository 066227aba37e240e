package dev.infonce.bench;

import dev.infonce.ContrastiveLoss;
import dev.infonce.CpuOptions;
import dev.infonce.Device;
import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Isa;
import dev.infonce.Matrix;
import dev.infonce.Outputs;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import java.util.stream.IntStream;

/** A problem on one of this library's devices, inputs and gradients in the device's memory, without metrics. */
public final class LossCase implements AutoCloseable {
    private final Problem problem;
    private final Device device;
    private final Plan plan;
    private final Inputs inputs;
    private final Outputs outputs;

    /** Opens the device, with the default options, and fills the inputs. */
    public LossCase(String deviceName, Problem problem) {
        this(deviceName, problem, PlanOptions.defaults());
    }

    /** Opens the device and fills the inputs. */
    public LossCase(String deviceName, Problem problem, PlanOptions options) {
        this.problem = problem;
        this.device = open(deviceName, problem.threads());
        ContrastiveLoss loss = problem.loss().loss();
        this.plan = device.plan(
                loss, problem.loss().shape(problem.n(), problem.dim()), problem.dtype(), options.withoutMetrics());
        long count = (long) problem.n() * problem.dim();
        Matrix queries = matrix();
        Samples.queries(count, sink(queries));
        Matrix keys = null;
        Matrix negatives = null;
        if (!loss.isOneTower()) {
            keys = matrix();
            Samples.keys(count, sink(keys));
        }
        if (loss.takesNegatives()) {
            negatives = matrix();
            Samples.Sink sink = sink(negatives);
            Samples.keys(count, (i, value) -> sink.put(count - 1 - i, value));
        }
        Inputs matrices = Inputs.of(queries, keys).withNegatives(negatives);
        this.inputs = loss.takesClassLabels() ? matrices.withLabels(labels(problem.n())) : matrices;
        this.outputs = new Outputs(
                new Gradients(matrix(), keys == null ? null : matrix(), negatives == null ? null : matrix()));
    }

    private static Device open(String name, int threads) {
        return switch (name) {
            case "cpu" -> Device.cpu(new CpuOptions(threads, Isa.BEST));
            case "java" -> Device.java(threads);
            default -> throw new IllegalArgumentException("device: must be cpu or java, but is '" + name + "'");
        };
    }

    private static int[] labels(int n) {
        return IntStream.range(0, n).map(i -> Loss.label(i, n)).toArray();
    }

    private Matrix matrix() {
        return device.allocate(problem.dtype(), problem.n(), problem.dim());
    }

    private Samples.Sink sink(Matrix matrix) {
        return (i, value) -> matrix.set(i / problem.dim(), i % problem.dim(), value);
    }

    /** The loss alone. */
    public double forward() {
        return plan.forward(inputs).loss();
    }

    /** The loss and every gradient. */
    public double forwardBackward() {
        plan.forwardBackward(inputs, outputs);
        return outputs.loss();
    }

    /** What the problem says. */
    public double step() {
        return problem.call() == Call.FORWARD ? forward() : forwardBackward();
    }

    /** The gradient by the queries. */
    public Matrix dQueries() {
        return outputs.gradients().dQueries();
    }

    /** The gradient by the keys; null for one tower. */
    public Matrix dKeys() {
        return outputs.gradients().dKeys();
    }

    /** One line on the device. */
    public String description() {
        return device.description();
    }

    /** Scratch memory of a call, as the plan states it. */
    public long workspaceBytes() {
        return plan.workspaceBytes();
    }

    @Override
    public void close() {
        device.close();
    }
}
