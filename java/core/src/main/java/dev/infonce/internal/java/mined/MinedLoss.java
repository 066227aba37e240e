package dev.infonce.internal.java.mined;

import dev.infonce.Distance;
import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.java.LossExecutor;
import dev.infonce.internal.java.Reducer;
import dev.infonce.internal.java.Refusals;
import dev.infonce.internal.java.Tally;
import dev.infonce.internal.java.TowerDistances;
import dev.infonce.internal.java.Workers;
import java.util.function.Function;

/**
 * Losses of triplets that are mined among the rows of one tower (1703.07737), or of all its pairs. Distances come in strips of anchors,
 * each row of them makes its loss at once, and their slopes go into the gradient before the next strip: nothing is computed twice.
 * Plain loops in float64, with vectors or without.
 */
public final class MinedLoss implements LossExecutor {
    private final LossSpec spec;
    private final Distance distance;
    private final double origin; // less a distance is what metrics call a similarity
    private final Function<int[], AnchorLoss> ofLabels;
    private final long bytesOfGroup;
    private final int n;
    private final long dim;
    private final int topK;
    private final Workers workers;
    private final AnchorStrips strips;

    /** Of triplets, of a plan; topK is 0 if nobody wants metrics. */
    public MinedLoss(LossSpec spec, LossSpec.Terms.Distances terms, Shape shape, int topK, Workers workers) {
        this(
                spec,
                terms.distance(),
                0.0,
                labels -> new AnchorMiner(terms.mining(), terms.row(), terms.margin(), labels),
                AnchorMiner.bytesPerRow(),
                shape,
                topK,
                workers);
    }

    /** Likewise of pairs. */
    public MinedLoss(LossSpec spec, LossSpec.Terms.Pairs terms, Shape shape, int topK, Workers workers) {
        double origin = originOf(terms.similarity());
        this(
                spec,
                distanceOf(terms.similarity()),
                origin,
                labels -> new AnchorPairs(terms.row(), terms.rule(), origin, labels),
                AnchorLoss.bytesPerRow(),
                shape,
                topK,
                workers);
    }

    private MinedLoss(
            LossSpec spec,
            Distance distance,
            double origin,
            Function<int[], AnchorLoss> ofLabels,
            long bytesOfGroup,
            Shape shape,
            int topK,
            Workers workers) {
        this.spec = spec;
        this.distance = distance;
        this.origin = origin;
        this.ofLabels = ofLabels;
        this.bytesOfGroup = bytesOfGroup;
        this.n = Math.toIntExact(shape.n());
        this.dim = shape.dim();
        this.topK = topK;
        this.workers = workers;
        this.strips = AnchorStrips.of(n);
    }

    /** What a similarity falls with. */
    private static Distance distanceOf(Similarity similarity) {
        return switch (similarity) {
            case COSINE -> Distance.COSINE;
            case NEGATIVE_SQUARED_EUCLIDEAN -> Distance.SQUARED_EUCLIDEAN;
            case NEGATIVE_EUCLIDEAN -> Distance.EUCLIDEAN;
            case DOT -> throw new IllegalStateException(similarity + " is of no distance");
        };
    }

    /** The similarity at distance 0. */
    private static double originOf(Similarity similarity) {
        return switch (similarity) {
            case COSINE -> 1.0;
            case DOT, NEGATIVE_SQUARED_EUCLIDEAN, NEGATIVE_EUCLIDEAN -> 0.0;
        };
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        return TowerDistances.bytes(n, dim) + n * strips.bytesPerRow(gradients, bytesOfGroup);
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean add) {
        TowerDistances tower = TowerDistances.read(workers, distance, topK > 0, "queries", in.queries());
        boolean gradients = out != null && out.dQueries() != null;
        Reducer ofRows = new Reducer(spec, n, in);
        MiningPass pass = new MiningPass(tower, () -> ofLabels.apply(in.labels()), origin, strips, gradients, topK);
        for (int strip = 0; strip < strips.count(); strip++) {
            pass.run(workers, strip, ofRows);
        }
        pass.refuseOverflow();
        Reducer reducer = new Reducer(spec, n, in, pass.counts);
        Outcome outcome = new Outcome(
                reducer.loss(pass.losses),
                reducer.rowLosses(pass.losses),
                0.0,
                0.0,
                topK == 0 ? null : pass.tally().metrics(n, tower.zeroRows(), range(tower)));
        Refusals.check(outcome, out != null);
        if (gradients) {
            pass.gradient.write(reducer.meanFactor(), "dQueries", out.dQueries(), add);
        }
        return outcome;
    }

    private Tally.Range range(TowerDistances tower) {
        Tally.Range ofDistances = tower.range();
        return new Tally.Range(origin + ofDistances.least(), origin + ofDistances.most());
    }
}
