package dev.infonce.internal.java;

import dev.infonce.DType;
import dev.infonce.Gradients;
import dev.infonce.InfoNceException;
import dev.infonce.Inputs;
import dev.infonce.PlanOptions;
import dev.infonce.Shape;
import dev.infonce.Status;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.PlanExecutor;
import dev.infonce.internal.java.mined.MinedLoss;
import dev.infonce.internal.java.tiled.TileLayout;
import dev.infonce.internal.java.tiled.TileWorkspace;
import dev.infonce.internal.java.tiled.TiledLoss;
import dev.infonce.internal.java.vector.VectorModule;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The losses in Java: what runs where no native library does. Plain loops in float64 whatever the inputs, which is what the other
 * backends are compared with, or, where the application has enabled jdk.incubator.vector and float32 is precise enough, vectors
 * for losses whose rows meet the same columns.
 * No N x M buffer beyond the budget; memory grows with the rows of the inputs, but not with the keys where they are many more than
 * the queries. Results do not depend on the number of threads.
 */
public final class JavaPlanExecutor implements PlanExecutor {
    private static final long DEFAULT_BUDGET = 256L << 20;
    private static final int LARGEST_SHARE_OF_HEAP = 4;
    private static final int MOST_ROWS = Integer.MAX_VALUE / 4;

    private final LossExecutor withMetrics;
    private final LossExecutor withoutMetrics;

    /**
     * Makes an executor; loss, shape and dtype go together.
     *
     * @param vectors whether to use vectors; only if {@link VectorModule#isEnabled}
     * @param keeps whether scratch memory is kept for the next call, and tiles for the backward pass
     * @throws InfoNceException UNSUPPORTED for 16-bit types, and for more rows than a Java array can have
     */
    public JavaPlanExecutor(
            LossSpec loss, Shape shape, DType dtype, PlanOptions options, int threads, boolean vectors, boolean keeps) {
        if (dtype != DType.FLOAT32 && dtype != DType.FLOAT64) {
            throw new InfoNceException(
                    Status.UNSUPPORTED, "dtype: device java computes with FLOAT32 and FLOAT64, but got " + dtype);
        }
        boolean strips = loss.engine() == LossSpec.Engine.ROWWISE || ColumnStrips.areMany(loss, shape);
        if (shape.n() > MOST_ROWS || !strips && shape.m() + shape.queue() > MOST_ROWS) {
            throw new InfoNceException(
                    Status.UNSUPPORTED,
                    "shape: the java device takes at most " + MOST_ROWS
                            + " queries, and more keys, with the queue, or negatives only where they are own ones of each query or at "
                            + "least 16 times as many in two towers without symmetry and class labels; got " + shape);
        }
        if (shape.ownNegatives() > MOST_ROWS / shape.n()) {
            throw new InfoNceException(
                    Status.UNSUPPORTED,
                    "shape: the java device takes at most " + MOST_ROWS
                            + " own negatives in all beside those of the batch, but got " + shape);
        }
        Room room = new Room(
                new Workers(threads),
                vectors && dtype == DType.FLOAT32,
                keeps ? budget(loss, shape, options) : 0,
                keeps ? new AtomicReference<>() : null);
        this.withoutMetrics = executor(loss, shape, 0, room);
        this.withMetrics = options.metrics() ? executor(loss, shape, options.topK(), room) : withoutMetrics;
    }

    private static long budget(LossSpec loss, Shape shape, PlanOptions options) {
        long asked = options.workspaceBudgetBytes();
        long standard = ColumnStrips.areMany(loss, shape) ? TiledLoss.DEFAULT_BUDGET_WITH_STRIPS : DEFAULT_BUDGET;
        return Math.min(asked < 0 ? standard : asked, Runtime.getRuntime().maxMemory() / LARGEST_SHARE_OF_HEAP);
    }

    /** What the executors of a plan share. spare holds a workspace that no call uses, or null, or is null. */
    private record Room(Workers workers, boolean vectors, long budget, AtomicReference<TileWorkspace> spare) {}

    private static LossExecutor executor(LossSpec loss, Shape shape, int topK, Room room) {
        return switch (loss.terms()) {
            case LossSpec.Terms.Logits terms ->
                switch (loss.engine()) {
                    case DENSE -> dense(loss, terms, shape, topK, room);
                    case ROWWISE -> OwnNegatives.of(loss, terms, shape, topK, room.workers);
                    case MINED -> throw new IllegalStateException(loss + " has no distances");
                };
            case LossSpec.Terms.Scores terms -> OwnNegatives.of(loss, terms, shape, topK, room.workers);
            case LossSpec.Terms.Distances terms ->
                switch (loss.engine()) {
                    case DENSE -> throw new IllegalStateException(loss + " has distances");
                    case ROWWISE -> new MarginLoss(loss, terms, shape, topK, room.workers);
                    case MINED -> new MinedLoss(loss, terms, shape, topK, room.workers);
                };
            case LossSpec.Terms.Pairs terms ->
                switch (loss.engine()) {
                    case DENSE, ROWWISE -> throw new IllegalStateException(loss + " has pairs of one tower");
                    case MINED -> new MinedLoss(loss, terms, shape, topK, room.workers);
                };
        };
    }

    private static LossExecutor dense(LossSpec loss, LossSpec.Terms.Logits terms, Shape shape, int topK, Room room) {
        DenseLoss plain = new DenseLoss(loss, terms, shape, topK, room.workers);
        return room.vectors && TileLayout.fits(terms, shape)
                ? new TiledLoss(loss, terms, shape, topK, room.budget, room.workers, room.spare, plain)
                : plain;
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean add, boolean wantLoss) {
        if (wantLoss) {
            return withMetrics.run(in, temperature, out, add);
        }
        Outcome outcome = withoutMetrics.run(in, temperature, out, add);
        return new Outcome(Double.NaN, new double[0], outcome.dTemperature(), outcome.dBias(), null);
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        return withMetrics.workspaceBytes(gradients);
    }

    @Override
    public void close() {}
}
