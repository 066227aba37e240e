package dev.infonce.internal.java.mined;

import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Shape;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.java.LossExecutor;
import dev.infonce.internal.java.Reducer;
import dev.infonce.internal.java.Refusals;
import dev.infonce.internal.java.TowerDistances;
import dev.infonce.internal.java.Workers;

/**
 * Losses of triplets that are mined among the rows of one tower (1703.07737). Distances come in strips of anchors, each row of
 * them is mined for its triplets at once, and their slopes go into the gradient before the next strip: nothing is computed twice.
 * Plain loops in float64, with vectors or without.
 */
public final class MinedLoss implements LossExecutor {
    private final LossSpec spec;
    private final LossSpec.Terms.Distances terms;
    private final int n;
    private final long dim;
    private final int topK;
    private final Workers workers;
    private final AnchorStrips strips;

    /** Of a plan; topK is 0 if nobody wants metrics. */
    public MinedLoss(LossSpec spec, LossSpec.Terms.Distances terms, Shape shape, int topK, Workers workers) {
        this.spec = spec;
        this.terms = terms;
        this.n = Math.toIntExact(shape.n());
        this.dim = shape.dim();
        this.topK = topK;
        this.workers = workers;
        this.strips = AnchorStrips.of(n);
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        return TowerDistances.bytes(n, dim) + n * strips.bytesPerRow(gradients);
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean add) {
        TowerDistances tower = TowerDistances.read(workers, terms.distance(), topK > 0, "queries", in.queries());
        boolean gradients = out != null && out.dQueries() != null;
        Reducer ofRows = new Reducer(spec, n, in);
        MiningPass pass = new MiningPass(tower, terms, in.labels(), strips, gradients, topK);
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
                topK == 0 ? null : pass.tally().metrics(n, tower.zeroRows(), tower.range()));
        Refusals.check(outcome, out != null);
        if (gradients) {
            pass.gradient.write(reducer.meanFactor(), "dQueries", out.dQueries(), add);
        }
        return outcome;
    }
}
