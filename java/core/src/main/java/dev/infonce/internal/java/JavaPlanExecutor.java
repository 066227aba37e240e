package dev.infonce.internal.java;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.InfoNceException;
import dev.infonce.Inputs;
import dev.infonce.Negatives;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.PlanOptions;
import dev.infonce.Shape;
import dev.infonce.Status;
import dev.infonce.Triplet;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.PlanExecutor;

/**
 * The losses in plain Java, in float64 whatever the inputs: what runs where no native library does, and what the other
 * backends are compared with. No N x M buffer; memory grows with the rows of the inputs. Results do not depend on the
 * number of threads.
 */
public final class JavaPlanExecutor implements PlanExecutor {
    private final LossExecutor withMetrics;
    private final LossExecutor withoutMetrics;
    private final long workspaceBytes;

    /**
     * Makes an executor; loss, shape and dtype go together.
     *
     * @throws InfoNceException UNSUPPORTED for more rows than a Java array can have
     */
    public JavaPlanExecutor(ContrastiveLoss loss, Shape shape, DType dtype, PlanOptions options, int threads) {
        if (dtype != DType.FLOAT32 && dtype != DType.FLOAT64) {
            throw new InfoNceException(
                    Status.UNSUPPORTED, "dtype: the java device takes FLOAT32 and FLOAT64, but got " + dtype);
        }
        if (shape.n() > Integer.MAX_VALUE / 4 || shape.m() > Integer.MAX_VALUE / 4) {
            throw new InfoNceException(
                    Status.UNSUPPORTED,
                    "shape: the java device takes at most " + Integer.MAX_VALUE / 4 + " rows a matrix, but got "
                            + shape);
        }
        Strips strips = new Strips(threads);
        this.withoutMetrics = executor(loss, shape, 0, strips);
        this.withMetrics = options.metrics() ? executor(loss, shape, options.topK(), strips) : withoutMetrics;
        // every row as doubles, row by row and as a panel, and its gradient
        this.workspaceBytes = 3 * Double.BYTES * (shape.n() + shape.m()) * shape.dim();
    }

    private static LossExecutor executor(ContrastiveLoss loss, Shape shape, int topK, Strips strips) {
        return switch (loss) {
            case InfoNce infoNce
            when infoNce.negatives() == Negatives.OWN -> new OwnNegatives(infoNce, shape, topK, strips);
            case InfoNce infoNce -> new DenseLoss(infoNce, shape, topK, strips);
            case NtXent ntXent -> new DenseLoss(ntXent, shape, topK, strips);
            case NtLogistic logistic
            when logistic.negatives() == Negatives.PAIRED -> new OwnNegatives(logistic, shape, topK, strips);
            case NtLogistic logistic -> new DenseLoss(logistic, shape, topK, strips);
            case PairwiseContrastive contrastive -> new MarginLoss(contrastive, shape, topK, strips);
            case Triplet triplet -> new MarginLoss(triplet, shape, topK, strips);
        };
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean wantLoss) {
        if (wantLoss) {
            return withMetrics.run(in, temperature, out);
        }
        Outcome outcome = withoutMetrics.run(in, temperature, out);
        return new Outcome(Double.NaN, new double[0], outcome.dTemperature(), null);
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        return workspaceBytes;
    }

    @Override
    public void close() {}
}
