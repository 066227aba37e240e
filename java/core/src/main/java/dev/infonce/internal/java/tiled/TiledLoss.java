package dev.infonce.internal.java.tiled;

import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Metrics;
import dev.infonce.Reduction;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.java.LossExecutor;
import dev.infonce.internal.java.MatrixRows;
import dev.infonce.internal.java.Reducer;
import dev.infonce.internal.java.Workers;
import dev.infonce.internal.java.vector.Tiles;
import dev.infonce.internal.java.vector.VectorModule;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Losses in which every row meets the same columns, in float32 on vectors, where that is precise: cosines or dot products whose
 * largest logit is small.
 */
public final class TiledLoss implements LossExecutor {
    /** Up to which |s| / tau exponentials neither overflow nor lose digits. */
    private static final double LARGEST_LOGIT = 32.0;

    /** No norm may be near the ends of float32. */
    private static final double SMALLEST_NORM = 1e-15;

    private static final double LARGEST_NORM = 1e15;

    private final Tiles tiles;
    private final TileLayout layout;
    private final Reduction reduction;
    private final int topK;
    private final long budget;
    private final Workers workers;
    private final LossExecutor plain;
    private final AtomicReference<TileWorkspace> spare;

    /** spare holds a workspace that no call uses, or null; plain does the calls for which float32 is not precise enough. */
    public TiledLoss(
            TileLayout layout,
            Reduction reduction,
            int topK,
            long budget,
            Workers workers,
            AtomicReference<TileWorkspace> spare,
            LossExecutor plain) {
        this.tiles = VectorModule.tiles();
        this.layout = layout;
        this.reduction = reduction;
        this.topK = topK;
        this.budget = budget;
        this.workers = workers;
        this.spare = spare;
        this.plain = plain;
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        return TileWorkspace.bytes(layout, budget, gradients);
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out) {
        if (layout.cosine && 1.0 / temperature > LARGEST_LOGIT) {
            return plain.run(in, temperature, out);
        }
        TileWorkspace space = spare.getAndSet(null);
        if (space == null) {
            space = new TileWorkspace(layout, budget);
        }
        read(space, in);
        Outcome outcome = isPrecise(space, temperature)
                ? run(new TileCall(tiles, space, workers, temperature, out != null, topK), in, out)
                : plain.run(in, temperature, out);
        spare.set(space);
        return outcome;
    }

    private void read(TileWorkspace space, Inputs in) {
        MatrixRows.Input queries = MatrixRows.Input.of("queries", in.queries());
        MatrixRows.Input keys = MatrixRows.Input.of("keys", in.keys());
        if (layout.isOneTower()) {
            space.x.read(workers, layout.cosine, queries, keys);
            return;
        }
        space.x.read(workers, layout.cosine, queries);
        if (space.z != null) {
            space.z.read(workers, layout.cosine, keys);
            space.y.read(workers, layout.cosine, MatrixRows.Input.of("negatives", in.negatives()));
        } else {
            space.y.read(workers, layout.cosine, keys);
        }
    }

    private boolean isPrecise(TileWorkspace space, double temperature) {
        if (layout.cosine) {
            return true;
        }
        double other = space.y.largestNorm();
        double smallest = Math.min(space.x.smallestNorm(), space.y.smallestNorm());
        if (space.z != null) {
            other = Math.max(other, space.z.largestNorm());
            smallest = Math.min(smallest, space.z.smallestNorm());
        }
        double largest = space.x.largestNorm();
        return largest * other / temperature <= LARGEST_LOGIT
                && Math.max(largest, other) <= LARGEST_NORM
                && smallest >= SMALLEST_NORM;
    }

    private Outcome run(TileCall call, Inputs in, Gradients out) {
        TileWorkspace space = call.space();
        Reducer reducer = new Reducer(reduction, layout.xCount, in);
        TileMetrics tileMetrics = topK == 0 ? null : new TileMetrics(call);
        new TileForward(call, tileMetrics).run();
        TileRows rows = new TileRows(call, space.rowValue, space.rowMoment, layout.xCount);
        TileRows columns =
                layout.symmetric ? new TileRows(call, space.columnValue, space.columnMoment, layout.yCount) : null;
        double[] losses = rows.losses();
        double[] scales = new double[layout.xCount];
        double dTemperature = 0.0;
        for (int i = 0; i < layout.xCount; i++) {
            scales[i] = reducer.scale(i) / (layout.symmetric ? 2.0 : 1.0);
            double slope = rows.temperatureSlope(i);
            if (layout.symmetric) {
                losses[i] = (losses[i] + columns.loss(i)) / 2.0;
                slope += columns.temperatureSlope(i);
            }
            dTemperature += scales[i] * slope;
        }
        Metrics metrics = tileMetrics == null ? null : tileMetrics.metrics(rows);
        if (out != null) {
            new TileBackward(call, new TileCoefficients(layout, rows, columns, scales)).run(out);
        }
        return new Outcome(reducer.loss(losses), reducer.rowLosses(losses), dTemperature, metrics);
    }
}
