package dev.infonce.internal.java;

import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import dev.infonce.Metrics;
import dev.infonce.Negatives;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.java.vector.Tiles;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/** Losses in which every row meets the same columns: InfoNCE in-batch and shared, NT-Xent, NT-Logistic in-batch. */
final class DenseLoss implements LossExecutor {
    private static final int LARGEST_TILED_DIM = 1 << 14; // tiles are of whole blocks, however few rows there are

    private final Measure measure;
    private final Pairing pairing;
    private final boolean symmetric;
    private final boolean logistic;
    private final Reduction negativeReduction;
    private final Reduction reduction;
    private final Shape shape;
    private final int topK;
    private final Strips strips;

    DenseLoss(InfoNce loss, Shape shape, int topK, Strips strips) {
        this(
                loss.similarity(),
                loss.negatives() == Negatives.SHARED ? Pairing.APART : Pairing.DIAGONAL,
                loss.isSymmetric(),
                null,
                loss.reduction(),
                shape,
                topK,
                strips);
    }

    DenseLoss(NtXent loss, Shape shape, int topK, Strips strips) {
        this(loss.similarity(), Pairing.TWO_VIEWS, false, null, loss.reduction(), shape, topK, strips);
    }

    DenseLoss(NtLogistic loss, Shape shape, int topK, Strips strips) {
        this(
                loss.similarity(),
                Pairing.TWO_VIEWS,
                false,
                loss.negativeReduction(),
                loss.reduction(),
                shape,
                topK,
                strips);
    }

    private DenseLoss(
            Similarity similarity,
            Pairing pairing,
            boolean symmetric,
            Reduction negativeReduction,
            Reduction reduction,
            Shape shape,
            int topK,
            Strips strips) {
        this.measure = new Measure(similarity);
        this.pairing = pairing;
        this.symmetric = symmetric;
        this.logistic = negativeReduction != null;
        this.negativeReduction = negativeReduction;
        this.reduction = reduction;
        this.shape = shape;
        this.topK = topK;
        this.strips = strips;
    }

    /** The same loss on vectors wherever that is precise; this one if it never is. */
    LossExecutor onTiles(Tiles tiles, long budget, AtomicReference<TileWorkspace> spare) {
        boolean products = measure.similarity() == Similarity.COSINE || measure.similarity() == Similarity.DOT;
        if (!products || shape.dim() > LARGEST_TILED_DIM) {
            return this;
        }
        int n = Math.toIntExact(shape.n());
        int m = Math.toIntExact(shape.m());
        int xCount = pairing == Pairing.TWO_VIEWS && m != 0 ? 2 * n : n;
        int yCount = pairing == Pairing.TWO_VIEWS ? xCount : m;
        TileLayout layout = new TileLayout(
                pairing,
                symmetric,
                logistic,
                measure.isOfUnitRows(),
                Math.toIntExact(shape.dim()),
                xCount,
                yCount,
                negativeShare(xCount));
        int zCount = pairing == Pairing.APART ? n : 0;
        return new TiledLoss(tiles, layout, reduction, zCount, topK, budget, strips, spare, this);
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out) {
        NamedMatrix queries = NamedMatrix.of("queries", in.queries());
        NamedMatrix keys = NamedMatrix.of("keys", in.keys());
        Embeddings rows;
        Embeddings columns;
        Embeddings positives;
        if (pairing == Pairing.TWO_VIEWS) {
            rows = read(queries, keys);
            columns = rows;
            positives = rows;
        } else {
            rows = read(queries);
            positives = read(keys);
            columns = pairing == Pairing.APART ? read(NamedMatrix.of("negatives", in.negatives())) : positives;
        }

        int count = rows.count();
        Reducer reducer = new Reducer(reduction, count, in);
        double[] scales = new double[count];
        for (int row = 0; row < count; row++) {
            scales[row] = symmetric ? reducer.scale(row) / 2.0 : reducer.scale(row);
        }
        double share = negativeShare(count);
        Supplier<NegativeSum> sums = () -> logistic ? new LogisticSum(temperature, share) : new SoftmaxSum(temperature);
        DenseForward forward = new DenseForward(
                        measure, pairing, rows, columns, positives, slopes(temperature, share, count))
                .run(strips, sums, temperature, scales, topK);
        DenseForward ofColumns = null;
        if (symmetric) {
            ofColumns = new DenseForward(measure, pairing, columns, rows, rows, slopes(temperature, share, count))
                    .run(strips, sums, temperature, scales, 0);
        }
        double[] losses = forward.losses;
        double dTemperature = 0.0;
        for (int row = 0; row < count; row++) {
            dTemperature += forward.temperatureSlopes[row];
            if (symmetric) {
                losses[row] = (losses[row] + ofColumns.losses[row]) / 2.0;
                dTemperature += ofColumns.temperatureSlopes[row];
            }
        }
        if (out != null) {
            writeGradients(rows, columns, positives, forward, ofColumns, out);
        }
        Metrics metrics = topK == 0 ? null : forward.tally.metrics(count, zeroRows(rows, columns, positives));
        return new Outcome(reducer.loss(losses), reducer.rowLosses(losses), dTemperature, metrics);
    }

    private Embeddings read(NamedMatrix... matrices) {
        return Embeddings.read(strips, measure, topK > 0, Math.toIntExact(shape.dim()), matrices);
    }

    /** What a negative's term of NT-Logistic counts in its row; 1 for other losses. */
    private double negativeShare(int count) {
        int negatives = count - 2;
        return negativeReduction == Reduction.MEAN && negatives > 0 ? 1.0 / negatives : 1.0;
    }

    private NegativeSlopes slopes(double temperature, double share, int count) {
        return logistic ? new LogisticSlopes(temperature, share, count) : new SoftmaxSlopes(temperature, count);
    }

    private void writeGradients(
            Embeddings rows,
            Embeddings columns,
            Embeddings positives,
            DenseForward forward,
            DenseForward ofColumns,
            Gradients out) {
        NegativeSlopes ofRows = forward.slopes;
        NegativeSlopes slopesOfColumns = symmetric ? ofColumns.slopes : null;
        double[] factors = positiveFactors(forward, ofColumns);
        DenseGradient dQueries = null;
        DenseGradient dKeys = null;
        DenseGradient dNegatives = null;
        if (pairing == Pairing.TWO_VIEWS) {
            if (out.dQueries() != null || out.dKeys() != null) {
                dQueries = new DenseGradient(measure, rows)
                        .addNegatives(strips, pairing, rows, ofRows, ofRows)
                        .addPositives(pairing, rows, factors);
            }
        } else {
            if (out.dQueries() != null) {
                dQueries = new DenseGradient(measure, rows)
                        .addNegatives(strips, pairing, columns, ofRows, slopesOfColumns)
                        .addPositives(pairing, positives, factors);
            }
            if (out.dKeys() != null) {
                dKeys = new DenseGradient(measure, positives).addPositives(pairing, rows, factors);
                if (columns == positives) {
                    dKeys.addNegatives(strips, pairing, rows, slopesOfColumns, ofRows);
                }
            }
            if (out.dNegatives() != null) {
                dNegatives = new DenseGradient(measure, columns).addNegatives(strips, pairing, rows, null, ofRows);
            }
        }
        if (pairing == Pairing.TWO_VIEWS && dQueries != null) {
            dQueries.throughNorms();
            dQueries.write(out.dQueries(), 0);
            dQueries.write(out.dKeys(), rows.count() / 2);
            return;
        }
        write(dQueries, out.dQueries());
        write(dKeys, out.dKeys());
        write(dNegatives, out.dNegatives());
    }

    private static void write(DenseGradient gradient, Matrix matrix) {
        if (gradient != null) {
            gradient.throughNorms();
            gradient.write(matrix, 0);
        }
    }

    /** The derivatives of the objective by the similarity of each row and its positive, in all roles of the row. */
    private double[] positiveFactors(DenseForward forward, DenseForward ofColumns) {
        double[] factors = forward.positiveFactors.clone();
        for (int row = 0; row < factors.length; row++) {
            if (pairing == Pairing.TWO_VIEWS) {
                factors[row] += forward.positiveFactors[pairing.positive(row, factors.length)];
            } else if (symmetric) {
                factors[row] += ofColumns.positiveFactors[row];
            }
        }
        return factors;
    }

    private static long zeroRows(Embeddings rows, Embeddings columns, Embeddings positives) {
        long zeros = rows.zeroRows();
        zeros += columns == rows ? 0 : columns.zeroRows();
        zeros += positives == rows || positives == columns ? 0 : positives.zeroRows();
        return zeros;
    }
}
