package dev.infonce.bench.peers;

import dev.infonce.bench.Call;
import dev.infonce.bench.Loss;
import dev.infonce.bench.Problem;
import dev.infonce.bench.Samples;
import dev.infonce.bench.contest.Contender;
import dev.infonce.bench.contest.ContenderServer;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.List;
import org.tensorflow.Graph;
import org.tensorflow.Operand;
import org.tensorflow.Result;
import org.tensorflow.Session;
import org.tensorflow.TensorFlow;
import org.tensorflow.ndarray.Shape;
import org.tensorflow.ndarray.buffer.DataBuffers;
import org.tensorflow.op.Ops;
import org.tensorflow.op.core.Gradients;
import org.tensorflow.op.core.Placeholder;
import org.tensorflow.op.core.ReduceSum;
import org.tensorflow.op.linalg.MatMul;
import org.tensorflow.op.nn.SparseSoftmaxCrossEntropyWithLogits;
import org.tensorflow.proto.ConfigProto;
import org.tensorflow.types.TFloat32;

/**
 * TensorFlow-Java in graph mode. Variants: "softmax" is its fused softmax cross entropy of logits and of their transpose, with
 * gradients of rows that the operation brings along; "exponentials" takes exp(logits - 1 / tau) once for both directions, which
 * a cosine allows, and TensorFlow's own gradients.
 */
public final class TensorFlowContender implements Contender {
    /** Fused softmax cross entropy. */
    static final String SOFTMAX = "softmax";
    /** One exponential for both directions. */
    static final String EXPONENTIALS = "exponentials";

    private static final float SCALE = (float) (1 / Loss.TEMPERATURE);
    private static final float SMALLEST_SQUARE = 1e-24F;

    private final Problem problem;
    private final String variant;
    private final Graph graph = new Graph();
    private final Ops tf = Ops.create(graph);
    private final Session session;
    private final Placeholder<TFloat32> queries;
    private final Placeholder<TFloat32> keys;
    private final TFloat32 queriesTensor;
    private final TFloat32 keysTensor;
    private final Operand<TFloat32> loss;
    private Operand<TFloat32> dQueries;
    private Operand<TFloat32> dKeys;
    private Result last;

    private TensorFlowContender(Problem problem, String variant) {
        this.problem = problem;
        this.variant = variant;
        Shape shape = Shape.of(problem.n(), problem.dim());
        queries = tf.placeholder(TFloat32.class, Placeholder.shape(shape));
        keys = tf.placeholder(TFloat32.class, Placeholder.shape(shape));
        loss = build(problem.loss().isSymmetric());
        long count = shape.size();
        FloatBuffer numbers = FloatBuffer.allocate(Math.toIntExact(count));
        Samples.queries(count, (i, value) -> numbers.put((int) i, value));
        queriesTensor = TFloat32.tensorOf(shape, DataBuffers.of(numbers));
        Samples.keys(count, (i, value) -> numbers.put((int) i, value));
        keysTensor = TFloat32.tensorOf(shape, DataBuffers.of(numbers));
        session = new Session(
                graph,
                ConfigProto.newBuilder()
                        .setIntraOpParallelismThreads(problem.threads())
                        .setInterOpParallelismThreads(1)
                        .build());
    }

    /** The process; see {@link ContenderServer#serve}. */
    public static void main(String[] arguments) throws IOException {
        ContenderServer.serve(arguments, TensorFlowContender::new);
    }

    private Operand<TFloat32> build(boolean symmetric) {
        Operand<TFloat32> queryNorms = inverseNorms(queries);
        Operand<TFloat32> keyNorms = inverseNorms(keys);
        Operand<TFloat32> unitQueries = tf.math.mul(queries, queryNorms);
        Operand<TFloat32> unitKeys = tf.math.mul(keys, keyNorms);
        Operand<TFloat32> scaled = tf.math.mul(unitQueries, tf.constant(SCALE));
        Operand<TFloat32> logits = tf.linalg.matMul(scaled, unitKeys, MatMul.transposeB(true));
        if (variant.equals(EXPONENTIALS)) {
            Operand<TFloat32> mean = exponentials(logits, scaled, unitKeys, symmetric);
            Gradients gradients = tf.gradients(mean, List.of(queries, keys));
            dQueries = gradients.dy(0);
            dKeys = gradients.dy(1);
            return mean;
        }
        return softmax(logits, unitQueries, unitKeys, queryNorms, keyNorms, symmetric);
    }

    private Operand<TFloat32> inverseNorms(Operand<TFloat32> rows) {
        Operand<TFloat32> squares = rowSums(tf.math.square(rows));
        return tf.math.rsqrt(tf.math.maximum(squares, tf.constant(SMALLEST_SQUARE)));
    }

    private Operand<TFloat32> rowSums(Operand<TFloat32> matrix) {
        return tf.reduceSum(matrix, tf.constant(1), ReduceSum.keepDims(true));
    }

    private Operand<TFloat32> meanOf(Operand<TFloat32> values) {
        return tf.math.mul(
                tf.reduceSum(values, tf.range(tf.constant(0), tf.rank(values), tf.constant(1))),
                tf.constant(1F / problem.n()));
    }

    private Operand<TFloat32> exponentials(
            Operand<TFloat32> logits, Operand<TFloat32> scaled, Operand<TFloat32> unitKeys, boolean symmetric) {
        Operand<TFloat32> exponentials = tf.math.exp(tf.math.sub(logits, tf.constant(SCALE)));
        Operand<TFloat32> logs = meanOf(tf.math.log(tf.reduceSum(exponentials, tf.constant(1))));
        if (symmetric) {
            Operand<TFloat32> ofColumns = meanOf(tf.math.log(tf.reduceSum(exponentials, tf.constant(0))));
            logs = tf.math.mul(tf.math.add(logs, ofColumns), tf.constant(0.5F));
        }
        Operand<TFloat32> positives = meanOf(tf.reduceSum(tf.math.mul(scaled, unitKeys), tf.constant(1)));
        return tf.math.add(tf.math.sub(logs, positives), tf.constant(SCALE));
    }

    private Operand<TFloat32> softmax(
            Operand<TFloat32> logits,
            Operand<TFloat32> unitQueries,
            Operand<TFloat32> unitKeys,
            Operand<TFloat32> queryNorms,
            Operand<TFloat32> keyNorms,
            boolean symmetric) {
        var own = tf.range(tf.constant(0), tf.constant(problem.n()), tf.constant(1));
        var rows = SparseSoftmaxCrossEntropyWithLogits.create(tf.scope(), logits, own);
        Operand<TFloat32> losses = rows.loss();
        Operand<TFloat32> dLogits = rows.backprop();
        float factor = 1F / problem.n();
        if (symmetric) {
            var swap = tf.constant(new int[] {1, 0});
            var columns =
                    SparseSoftmaxCrossEntropyWithLogits.create(tf.scope(), tf.linalg.transpose(logits, swap), own);
            losses = tf.math.add(losses, columns.loss());
            dLogits = tf.math.add(dLogits, tf.linalg.transpose(columns.backprop(), swap));
            factor /= 2;
        }
        Operand<TFloat32> slope = tf.constant(factor * SCALE);
        Operand<TFloat32> forQueries = tf.math.mul(tf.linalg.matMul(dLogits, unitKeys), slope);
        Operand<TFloat32> forKeys = tf.math.mul(tf.linalg.matMul(dLogits, unitQueries, MatMul.transposeA(true)), slope);
        dQueries = throughNorm(forQueries, unitQueries, queryNorms);
        dKeys = throughNorm(forKeys, unitKeys, keyNorms);
        return tf.math.mul(tf.reduceSum(losses, tf.constant(0)), tf.constant(factor));
    }

    private Operand<TFloat32> throughNorm(Operand<TFloat32> gradient, Operand<TFloat32> unit, Operand<TFloat32> norms) {
        Operand<TFloat32> radial = tf.math.mul(unit, rowSums(tf.math.mul(gradient, unit)));
        return tf.math.mul(tf.math.sub(gradient, radial), norms);
    }

    @Override
    public String description() {
        return "TensorFlow-Java (TensorFlow " + TensorFlow.version() + "), graph mode, " + variant + ", "
                + problem.threads() + " intra-op threads, " + Allocator.name();
    }

    @Override
    public double step() {
        if (last != null) {
            last.close();
        }
        Session.Runner runner = session.runner()
                .feed(queries, queriesTensor)
                .feed(keys, keysTensor)
                .fetch(loss);
        if (problem.call() == Call.FORWARD_BACKWARD) {
            runner.fetch(dQueries).fetch(dKeys);
        }
        last = runner.run();
        return ((TFloat32) last.get(0)).getFloat();
    }

    @Override
    public FloatBuffer dQueries() {
        return floats(1);
    }

    @Override
    public FloatBuffer dKeys() {
        return floats(2);
    }

    private FloatBuffer floats(int index) {
        FloatBuffer copy = FloatBuffer.allocate(problem.n() * problem.dim());
        ((TFloat32) last.get(index)).copyTo(DataBuffers.of(copy));
        return copy;
    }

    @Override
    public void close() {
        if (last != null) {
            last.close();
        }
        session.close();
        queriesTensor.close();
        keysTensor.close();
        graph.close();
    }
}
