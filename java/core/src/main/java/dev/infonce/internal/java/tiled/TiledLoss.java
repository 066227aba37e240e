package dev.infonce.internal.java.tiled;

import dev.infonce.Block;
import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Metrics;
import dev.infonce.Shape;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.java.ColumnFactors;
import dev.infonce.internal.java.ColumnStrips;
import dev.infonce.internal.java.Exclusion;
import dev.infonce.internal.java.LossExecutor;
import dev.infonce.internal.java.MatrixRows;
import dev.infonce.internal.java.Pairing;
import dev.infonce.internal.java.Reducer;
import dev.infonce.internal.java.Workers;
import dev.infonce.internal.java.vector.Tiles;
import dev.infonce.internal.java.vector.VectorModule;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Losses in which every row meets the same columns, and perhaps negatives of its own too, in float32 on vectors, where that is precise: cosines or dot products whose
 * largest logit is small.
 */
public final class TiledLoss implements LossExecutor {
    /** Up to which |s| / tau exponentials neither overflow nor lose digits. */
    private static final double LARGEST_LOGIT = 32.0;

    /** No norm may be near the ends of float32. */
    private static final double SMALLEST_NORM = 1e-15;

    private static final double LARGEST_NORM = 1e15;

    /** Of kept tiles where columns come in strips, unless the caller has set a budget. */
    public static final long DEFAULT_BUDGET_WITH_STRIPS = 16L << 20;

    /** Gradients that may become larger are left to who can refuse them. */
    private static final double LARGEST_GRADIENT = 1e37;

    /** Gradients that are added to larger numbers likewise. */
    private static final double LARGEST_HELD = 1e38;

    private final LossSpec spec;
    private final Tiles tiles;
    private final ColumnStrips strips;
    private final TileLayout layout;
    private final long ownColumns; // those that have a gradient; behind them comes the queue
    private final int topK;
    private final long budget;
    private final Workers workers;
    private final LossExecutor plain;
    private final AtomicReference<TileWorkspace> spare;

    /** spare holds a workspace that no call uses, or null, or is null, and then none is kept; plain does the calls for which float32 is not precise enough. */
    public TiledLoss(
            LossSpec spec,
            LossSpec.Terms.Logits terms,
            Shape shape,
            int topK,
            long budget,
            Workers workers,
            AtomicReference<TileWorkspace> spare,
            LossExecutor plain) {
        this.spec = spec;
        this.tiles = VectorModule.tiles();
        this.strips = strips(spec, shape);
        this.layout = new TileLayout(spec, terms, shape, strips);
        this.ownColumns = spec.oneTower() ? layout.xCount : shape.m();
        this.topK = topK;
        this.budget = budget;
        this.workers = workers;
        this.spare = spare;
        this.plain = plain;
    }

    /** Each row of a strip is packed twice, and its gradient takes as much. */
    private static ColumnStrips strips(LossSpec spec, Shape shape) {
        int dim = Math.toIntExact(shape.dim());
        return ColumnStrips.of(spec, shape, Tiles.SIDE, 4 * TileWorkspace.blockBytes(dim) / Tiles.SIDE);
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        return Math.max(TileWorkspace.bytes(layout, strips, budget, gradients), plain.workspaceBytes(gradients));
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean add) {
        double bias = layout.biased ? spec.bias(in) : 0.0;
        ColumnFactors factors = ColumnFactors.of(in.keyOffsets(), layout.own > 0);
        double added = Math.abs(bias) + (factors == null ? 0.0 : factors.range());
        if (!(added + (layout.cosine ? 1.0 / temperature + layout.rule.hardness() : 0.0) <= LARGEST_LOGIT)) {
            return plain.run(in, temperature, out, add);
        }
        if (add && out != null && !isWithin(out)) {
            return plain.run(in, temperature, out, true);
        }
        TileWorkspace space = spare == null ? null : spare.getAndSet(null);
        if (space == null) {
            space = new TileWorkspace(layout, strips, budget);
        }
        readRows(space, in);
        TileClasses classes = layout.pairing.hasOnePositive() ? null : TileClasses.of(layout, in);
        TileCall call =
                new TileCall(tiles, space, workers, temperature, bias, factors, out != null, excluded(in, 0), classes);
        Outcome outcome = tryTiles(call, in, out, add);
        if (outcome == null) {
            outcome = plain.run(in, temperature, out, add);
        }
        if (spare != null) {
            spare.set(space);
        }
        return outcome;
    }

    private static boolean isWithin(Gradients held) {
        return MatrixRows.isWithin(held.dQueries(), LARGEST_HELD)
                && MatrixRows.isWithin(held.dKeys(), LARGEST_HELD)
                && MatrixRows.isWithin(held.dNegatives(), LARGEST_HELD);
    }

    private Exclusion excluded(Inputs in, int strip) {
        return Exclusion.of(strip == 0 ? layout.pairing : Pairing.APART, in, strips.first(strip));
    }

    private static Exclusion excludedAmong(Inputs in, Block block) {
        return switch (block) {
            case QUERY_QUERY -> Exclusion.amongQueries(in);
            case KEY_KEY -> Exclusion.amongKeys(in);
            case KEY_QUERY -> throw new IllegalArgumentException(block + " has other rows than columns");
        };
    }

    /** All rows but those of strips. */
    private void readRows(TileWorkspace space, Inputs in) {
        MatrixRows.Input queries = MatrixRows.Input.of("queries", in.queries());
        MatrixRows.Input keys = MatrixRows.Input.of("keys", in.keys());
        if (layout.isOneTower()) {
            space.x.read(workers, layout.cosine, queries, keys);
            return;
        }
        space.x.read(workers, layout.cosine, queries);
        if (space.z != null) {
            space.z.read(workers, layout.cosine, keys.part(0, layout.zCount));
        }
    }

    private void readStrip(TileWorkspace space, Inputs in, int strip) {
        if (layout.isOneTower()) {
            return;
        }
        MatrixRows.Input[] columns = layout.positivesInY
                ? new MatrixRows.Input[] {
                    MatrixRows.Input.of("keys", in.keys()), MatrixRows.Input.of("queue", in.queue())
                }
                : new MatrixRows.Input[] {MatrixRows.Input.of("negatives", in.negatives())};
        space.y.read(workers, layout.cosine, MatrixRows.Input.parts(strips.first(strip), strips.count(strip), columns));
    }

    /** The norms of rows that are not zero, where they are asked for. */
    private static final class Norms {
        double largest;
        double smallest = Double.POSITIVE_INFINITY;

        void add(PackedRows rows) {
            add(rows.largestNorm(), rows.smallestNorm());
        }

        void add(double largestOfRows, double smallestOfRows) {
            largest = Math.max(largest, largestOfRows);
            smallest = Math.min(smallest, smallestOfRows);
        }
    }

    private boolean isPrecise(TileWorkspace space, Norms others, TileCall call) {
        if (layout.cosine) {
            return true;
        }
        double largest = space.x.largestNorm();
        double added = Math.abs(call.rule().bias())
                + (call.factors() == null ? 0.0 : call.factors().range());
        double most = Math.max(largest, others.largest);
        double product = layout.blocksAmongRows.isEmpty() ? largest * others.largest : most * most;
        return product / call.temperature() + call.rule().hardness() * product + added <= LARGEST_LOGIT
                && most <= LARGEST_NORM
                && Math.min(space.x.smallestNorm(), others.smallest) >= SMALLEST_NORM;
    }

    /** No element of a gradient is larger. */
    private double largestGradient(TileWorkspace space, Norms others, double[] scales, double temperature) {
        double scale = 0.0;
        for (double one : scales) {
            scale += Math.abs(one);
        }
        double smallest = Math.min(space.x.smallestNorm(), others.smallest);
        double derivative = layout.cosine ? 2.0 / smallest : Math.max(space.x.largestNorm(), others.largest);
        double negatives = Math.max(1.0, layout.rule.share() * (strips.columns() + layout.own));
        return 2.0 * scale * negatives / temperature * derivative;
    }

    /** Null, with nothing written, if float32 is not precise enough. */
    private Outcome tryTiles(TileCall call, Inputs in, Gradients out, boolean add) {
        TileWorkspace space = call.space();
        Norms others = new Norms();
        if (space.z != null) {
            others.add(space.z);
        }
        TileMetrics metrics = topK == 0 ? null : new TileMetrics(space, call.classes(), topK);
        space.clearRowSums();
        for (int strip = 0; strip < strips.count(); strip++) {
            readStrip(space, in, strip);
            others.add(space.y);
            if (!isPrecise(space, others, call)) {
                return null;
            }
            TileForward forward = new TileForward(call.of(strip, strips.first(strip), excluded(in, strip)), metrics);
            if (strip == 0) {
                forward.findPositives();
            }
            forward.run();
        }
        for (Block block : layout.blocksAmongRows) {
            TileForward.amongRows(call.among(block, excludedAmong(in, block)), metrics)
                    .run();
        }
        TileOwn own = layout.own == 0 ? null : new TileOwn(call, in.negatives());
        if (own != null) {
            own.forward(metrics);
            others.add(own.largestNorm(), own.smallestNorm());
            if (!isPrecise(space, others, call)) {
                return null;
            }
        }
        Reducer reducer = new Reducer(spec, layout.xCount, in, counts(call.classes()));
        TileRows rows = new TileRows(call, space.value, space.moment, space.sigmoids, layout.xCount);
        TileRows columns = layout.symmetric ? columns(call) : null;
        double[] losses = rows.losses();
        double[] scales = new double[layout.xCount];
        double dTemperature = 0.0;
        double dBias = 0.0;
        for (int i = 0; i < layout.xCount; i++) {
            scales[i] = reducer.scale(i) / (layout.symmetric ? 2.0 : 1.0);
            double slope = rows.temperatureSlope(i);
            if (layout.symmetric) {
                losses[i] = (losses[i] + columns.loss(i)) / 2.0;
                slope += columns.temperatureSlope(i);
            }
            dTemperature += scales[i] * slope;
            dBias += scales[i] * rows.biasSlope(i);
        }
        if (out != null && !(largestGradient(space, others, scales, call.temperature()) <= LARGEST_GRADIENT)) {
            return null;
        }
        Metrics found = metrics == null ? null : metrics.metrics(rows);
        if (out != null) {
            goBack(call, new TileCoefficients(layout, rows, columns, scales), own, in, out, add);
        }
        return new Outcome(reducer.loss(losses), reducer.rowLosses(losses), dTemperature, dBias, found);
    }

    /** Which rows have a share in a mean, 1 or 0; null if all. */
    private double[] counts(TileClasses classes) {
        if (classes == null) {
            return null;
        }
        double[] counts = new double[layout.xCount];
        Arrays.setAll(counts, row -> layout.loss.counts(classes.positives(row), classes.negatives(row)) ? 1.0 : 0.0);
        return counts;
    }

    private TileRows columns(TileCall call) {
        TileWorkspace space = call.space();
        double[] value = new double[layout.yBlocks * Tiles.SIDE];
        double[] moment = new double[value.length];
        TileWorkspace.addGroups(space.columnValue, space.columnValue.length, value);
        TileWorkspace.addGroups(space.columnMoment, space.columnMoment.length, moment);
        return new TileRows(call, value, moment, null, layout.yCount);
    }

    private void goBack(
            TileCall call, TileCoefficients coefficients, TileOwn own, Inputs in, Gradients out, boolean add) {
        if (!strips.areMany() && !layout.addsToTotals()) {
            new TileBackward(call, coefficients, strips.countWithin(0, ownColumns), add).run(out);
            return;
        }
        TileWorkspace space = call.space();
        space.clearTotals();
        for (Block block : layout.blocksAmongRows) {
            boolean ofKeys = block == Block.KEY_KEY;
            if ((ofKeys ? out.dKeys() : out.dQueries()) != null) {
                new TileBackward(call.among(block, excludedAmong(in, block)), coefficients, 0, add)
                        .addTo(ofKeys ? space.keyTotals() : space.xTotals());
            }
        }
        if (own != null) {
            own.backward(coefficients, out, add);
        }
        for (int strip = 0; strip < strips.count(); strip++) {
            if (strips.count() > 1) {
                readStrip(space, in, strip);
            }
            new TileBackward(
                            call.of(strip, strips.first(strip), excluded(in, strip)),
                            coefficients,
                            strips.countWithin(strip, ownColumns),
                            add)
                    .runStrip(out, strips.first(strip));
        }
        new TileBackward(call, coefficients, 0, add).finishStrips(out);
    }
}
