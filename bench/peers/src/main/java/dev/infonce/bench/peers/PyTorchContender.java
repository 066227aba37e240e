package dev.infonce.bench.peers;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.training.GradientCollector;
import dev.infonce.bench.Call;
import dev.infonce.bench.Loss;
import dev.infonce.bench.Problem;
import dev.infonce.bench.Samples;
import dev.infonce.bench.contest.Contender;
import dev.infonce.bench.contest.ContenderServer;
import dev.infonce.djl.simclr.TorchRuntime;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.stream.IntStream;

/**
 * DJL's PyTorch with its autograd. Variants: "log-softmax" takes log softmax of rows and of columns, the usual way;
 * "exponentials" takes exp(logits - 1 / tau) once for both directions, which a cosine allows. SupCon is written as its authors'
 * SupContrast has it, SigLIP as open_clip has it, batch-hard triplets as sentence-transformers' BatchHardTripletLoss.
 */
public final class PyTorchContender implements Contender {
    /** Log softmax of rows and columns. */
    static final String LOG_SOFTMAX = "log-softmax";
    /** One exponential for both directions. */
    static final String EXPONENTIALS = "exponentials";

    private static final float SCALE = (float) (1 / Loss.TEMPERATURE);
    private static final float SIGLIP_SCALE = 10;

    private final Problem problem;
    private final String variant;
    private final Engine engine;
    private final NDManager manager;
    private final NDArray queries;
    private final NDArray keys;
    private final NDArray own;
    private final NDArray labels;
    private NDArray dQueries;
    private NDArray dKeys;

    private PyTorchContender(Problem problem, String variant) {
        this.problem = problem;
        this.variant = variant;
        System.setProperty("ai.djl.pytorch.num_threads", Integer.toString(problem.threads()));
        engine = TorchRuntime.start();
        manager = engine.newBaseManager(Device.cpu());
        Shape shape = new Shape(problem.n(), problem.dim());
        long count = shape.size();
        FloatBuffer numbers = FloatBuffer.allocate(Math.toIntExact(count));
        Samples.queries(count, (i, value) -> numbers.put((int) i, value));
        queries = manager.create(numbers.array(), shape);
        Samples.keys(count, (i, value) -> numbers.put((int) i, value));
        keys = manager.create(numbers.array(), shape);
        own = manager.arange(problem.n()).toType(DataType.INT64, false).reshape(problem.n(), 1);
        labels = manager.create(IntStream.range(0, problem.n())
                .map(i -> Loss.label(i, problem.n()))
                .toArray());
    }

    /** The process; see {@link ContenderServer#serve}. */
    public static void main(String[] arguments) throws IOException {
        ContenderServer.serve(arguments, PyTorchContender::new);
    }

    @Override
    public String description() {
        return "DJL with " + engine.getEngineName() + " " + engine.getVersion() + ", autograd, " + variant + ", "
                + problem.threads() + " threads, " + Allocator.name();
    }

    @Override
    public double step() {
        release();
        try (NDManager scope = manager.newSubManager()) {
            NDArray q = queries.stopGradient();
            NDArray k = keys.stopGradient();
            q.attach(scope);
            k.attach(scope);
            if (problem.call() == Call.FORWARD) {
                return loss(q, k).getFloat();
            }
            q.setRequiresGradient(true);
            boolean tower = problem.loss().isOneTower();
            k.setRequiresGradient(!tower);
            try (GradientCollector collector = engine.newGradientCollector()) {
                NDArray loss = loss(q, k);
                collector.backward(loss);
                dQueries = q.getGradient();
                dQueries.attach(manager);
                if (!tower) {
                    dKeys = k.getGradient();
                    dKeys.attach(manager);
                }
                return loss.getFloat();
            }
        }
    }

    private NDArray loss(NDArray q, NDArray k) {
        return switch (problem.loss()) {
            case INFONCE, SYMMETRIC -> infoNce(q, k);
            case SUPCON -> supCon(q);
            case SIGLIP -> sigLip(q, k);
            case BATCH_HARD -> batchHard(q);
            case NT_XENT, NT_LOGISTIC, TRIPLET ->
                throw new IllegalArgumentException("no " + problem.loss().word() + " here");
        };
    }

    /** 1 where two rows have one label. */
    private NDArray alike() {
        return labels.expandDims(0).eq(labels.expandDims(1)).toType(DataType.FLOAT32, false);
    }

    private NDArray supCon(NDArray q) {
        NDArray rows = unit(q);
        NDArray logits = rows.matMul(rows.transpose()).div((float) Loss.TEMPERATURE);
        logits = logits.sub(logits.max(new int[] {1}, true).stopGradient());
        NDArray others = logits.onesLike().sub(q.getManager().eye(problem.n()));
        NDArray positives = alike().mul(others);
        NDArray exponentials = logits.exp().mul(others);
        NDArray logProbabilities =
                logits.sub(exponentials.sum(new int[] {1}, true).log());
        NDArray means = positives.mul(logProbabilities).sum(new int[] {1}).div(positives.sum(new int[] {1}));
        return means.neg().mean();
    }

    private NDArray sigLip(NDArray q, NDArray k) {
        NDArray logits = unit(q).mul(SIGLIP_SCALE).matMul(unit(k).transpose()).add((float) Loss.BIAS);
        NDArray signs = q.getManager().eye(problem.n()).mul(2).sub(1);
        return Activation.softPlus(signs.mul(logits).neg()).sum().div(problem.n());
    }

    private NDArray batchHard(NDArray q) {
        NDArray dot = q.matMul(q.transpose());
        NDArray squares = q.square().sum(new int[] {1});
        NDArray squared = squares.expandDims(0).sub(dot.mul(2)).add(squares.expandDims(1));
        NDArray positive = squared.maximum(0);
        NDArray zeros = positive.eq(0).toType(DataType.FLOAT32, false);
        NDArray distances =
                positive.add(zeros.mul(1e-16f)).sqrt().mul(zeros.neg().add(1));
        NDArray alike = alike();
        NDArray others = alike.onesLike().sub(q.getManager().eye(problem.n()));
        NDArray hardestPositive = distances.mul(alike.mul(others)).max(new int[] {1});
        NDArray largest = distances.max(new int[] {1}, true);
        NDArray hardestNegative = distances.add(largest.mul(alike)).min(new int[] {1});
        return hardestPositive
                .sub(hardestNegative)
                .add((float) Loss.MARGIN)
                .maximum(0)
                .mean();
    }

    private NDArray infoNce(NDArray q, NDArray k) {
        boolean symmetric = problem.loss().isSymmetric();
        NDArray scaled = unit(q).mul(SCALE);
        NDArray unitKeys = unit(k);
        NDArray logits = scaled.matMul(unitKeys.transpose());
        if (variant.equals(LOG_SOFTMAX)) {
            NDArray rows = logits.logSoftmax(1).gather(own, 1).mean().neg();
            if (!symmetric) {
                return rows;
            }
            NDArray columns =
                    logits.transpose().logSoftmax(1).gather(own, 1).mean().neg();
            return rows.add(columns).div(2);
        }
        NDArray exponentials = logits.sub(SCALE).exp();
        NDArray logs = exponentials.sum(new int[] {1}).log().mean();
        if (symmetric) {
            logs = logs.add(exponentials.sum(new int[] {0}).log().mean()).div(2);
        }
        NDArray positives = scaled.mul(unitKeys).sum(new int[] {1}).mean();
        return logs.sub(positives).add(SCALE);
    }

    private static NDArray unit(NDArray rows) {
        return rows.div(rows.square().sum(new int[] {1}, true).sqrt());
    }

    @Override
    public FloatBuffer dQueries() {
        return FloatBuffer.wrap(dQueries.toFloatArray());
    }

    @Override
    public FloatBuffer dKeys() {
        return dKeys == null ? null : FloatBuffer.wrap(dKeys.toFloatArray());
    }

    private void release() {
        if (dQueries != null) {
            dQueries.close();
        }
        if (dKeys != null) {
            dKeys.close();
        }
    }

    @Override
    public void close() {
        manager.close();
    }
}
