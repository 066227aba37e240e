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
import dev.infonce.internal.java.vector.VectorModule;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The losses in Java: what runs where no native library does. Plain loops in float64 whatever the inputs, which is what the other
 * backends are compared with, or, where the application has enabled jdk.incubator.vector and float32 is precise enough, vectors.
 * No N x M buffer beyond the budget; memory grows with the rows of the inputs. Results do not depend on the number of threads.
 */
public final class JavaPlanExecutor implements PlanExecutor {
    private static final long DEFAULT_BUDGET = 256L << 20;
    private static final int LARGEST_SHARE_OF_HEAP = 4;

    private final LossExecutor withMetrics;
    private final LossExecutor withoutMetrics;
    private final long workspaceBytes;

    /**
     * Makes an executor; loss, shape and dtype go together.
     *
     * @param vectors whether to use vectors; only if {@link VectorModule#isEnabled}
     * @throws InfoNceException UNSUPPORTED for 16-bit types, and for more rows than a Java array can have
     */
    public JavaPlanExecutor(
            ContrastiveLoss loss, Shape shape, DType dtype, PlanOptions options, int threads, boolean vectors) {
        if (dtype != DType.FLOAT32 && dtype != DType.FLOAT64) {
            throw new InfoNceException(
                    Status.UNSUPPORTED, "dtype: device java computes with FLOAT32 and FLOAT64, but got " + dtype);
        }
        if (shape.n() > Integer.MAX_VALUE / 4 || shape.m() > Integer.MAX_VALUE / 4) {
            throw new InfoNceException(
                    Status.UNSUPPORTED,
                    "shape: the java device takes at most " + Integer.MAX_VALUE / 4 + " rows a matrix, but got "
                            + shape);
        }
        Strips strips = new Strips(threads);
        LossExecutor plain = executor(loss, shape, 0, strips);
        LossExecutor plainWithMetrics = options.metrics() ? executor(loss, shape, options.topK(), strips) : plain;
        if (vectors && dtype == DType.FLOAT32) {
            AtomicReference<TileWorkspace> spare = new AtomicReference<>();
            long budget = budget(options);
            this.withoutMetrics = onVectors(plain, budget, spare);
            this.withMetrics = plain == plainWithMetrics ? withoutMetrics : onVectors(plainWithMetrics, budget, spare);
        } else {
            this.withoutMetrics = plain;
            this.withMetrics = plainWithMetrics;
        }
        // every row as doubles, row by row and as a panel, and its gradient
        this.workspaceBytes = 3 * Double.BYTES * (shape.n() + shape.m()) * shape.dim();
    }

    private static LossExecutor onVectors(LossExecutor plain, long budget, AtomicReference<TileWorkspace> spare) {
        return plain instanceof DenseLoss dense ? dense.onTiles(VectorModule.tiles(), budget, spare) : plain;
    }

    private static long budget(PlanOptions options) {
        long asked = options.workspaceBudgetBytes();
        return Math.min(asked < 0 ? DEFAULT_BUDGET : asked, Runtime.getRuntime().maxMemory() / LARGEST_SHARE_OF_HEAP);
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
        return withMetrics instanceof TiledLoss tiled
                ? Math.max(workspaceBytes, tiled.workspaceBytes(gradients))
                : workspaceBytes;
    }

    @Override
    public void close() {}
}
