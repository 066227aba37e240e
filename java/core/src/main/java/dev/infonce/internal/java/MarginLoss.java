package dev.infonce.internal.java;

import dev.infonce.Distance;
import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.Triplet;
import dev.infonce.internal.Outcome;

/**
 * Pairwise contrastive (Hadsell 2006 eq. 4: d^2 / 2 for alike pairs, max(0, margin - d)^2 / 2 for the others) and triplet
 * (1503.03832 eq. 3: max(0, d(a, p) - d(a, n) + margin)) losses.
 */
final class MarginLoss implements LossExecutor {
    private static final int STRIP = 64;
    private static final int ALIKE = 1;

    private final boolean triplet;
    private final double margin;
    private final PairDistance measure;
    private final Reduction reduction;
    private final int n;
    private final int dim;
    private final int topK;
    private final Strips strips;

    MarginLoss(PairwiseContrastive loss, Shape shape, int topK, Strips strips) {
        this(false, loss.margin(), loss.distance(), loss.reduction(), shape, topK, strips);
    }

    MarginLoss(Triplet loss, Shape shape, int topK, Strips strips) {
        this(true, loss.margin(), loss.distance(), loss.reduction(), shape, topK, strips);
    }

    private MarginLoss(
            boolean triplet,
            double margin,
            Distance distance,
            Reduction reduction,
            Shape shape,
            int topK,
            Strips strips) {
        this.triplet = triplet;
        this.margin = margin;
        this.measure = new PairDistance(distance);
        this.reduction = reduction;
        this.n = Math.toIntExact(shape.n());
        this.dim = Math.toIntExact(shape.dim());
        this.topK = topK;
        this.strips = strips;
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out) {
        Call call = new Call(in);
        int stripCount = (n + STRIP - 1) / STRIP;
        Tally[] tallies = new Tally[stripCount];
        strips.run(stripCount, strip -> {
            tallies[strip] = new Tally();
            for (int row = strip * STRIP; row < Math.min(n, (strip + 1) * STRIP); row++) {
                if (triplet) {
                    call.triplet(row, tallies[strip]);
                } else {
                    call.pair(row, tallies[strip]);
                }
            }
        });
        Tally tally = new Tally();
        for (Tally part : tallies) {
            tally.add(part);
        }
        if (out != null) {
            write(call.queries, call.dQueries, out.dQueries());
            write(call.keys, call.dKeys, out.dKeys());
            if (triplet) {
                write(call.negatives, call.dNegatives, out.dNegatives());
            }
        }
        return new Outcome(
                call.reducer.loss(call.losses),
                call.reducer.rowLosses(call.losses),
                0.0,
                topK == 0 ? null : tally.metrics(n, call.zeroRows()));
    }

    private void write(Embeddings rows, double[][] gradient, Matrix matrix) {
        if (matrix == null) {
            return;
        }
        MatrixRows writer = new MatrixRows(matrix);
        for (int row = 0; row < n; row++) {
            if (measure.isOfUnitRows()) {
                Measure.throughNorm(
                        gradient[row],
                        0,
                        rows.vectors().blockOf(row),
                        Rows.offset(row, dim),
                        rows.vectors().inverseNorm(row),
                        dim);
            }
            writer.write(row, gradient[row], 0);
        }
    }

    private final class Call {
        final Embeddings queries;
        final Embeddings keys;
        final Embeddings negatives;
        final Reducer reducer;
        final double[] losses = new double[n];
        final double[][] dQueries = new double[n][];
        final double[][] dKeys = new double[n][];
        final double[][] dNegatives = new double[n][];

        private final int[] labels;

        Call(Inputs in) {
            this.queries = read("queries", in.queries());
            this.keys = read("keys", in.keys());
            this.negatives = triplet ? read("negatives", in.negatives()) : null;
            this.reducer = new Reducer(reduction, n, in);
            this.labels = in.labels();
        }

        private Embeddings read(String name, Matrix matrix) {
            Rows given = Rows.read(strips, dim, NamedMatrix.of(name, matrix));
            Rows units = topK > 0 || measure.isOfUnitRows() ? given.normalised(strips) : null;
            return new Embeddings(measure.isOfUnitRows() ? units : given, units, topK > 0 ? given.zeroRows() : 0);
        }

        long zeroRows() {
            return queries.zeroRows() + keys.zeroRows() + (triplet ? negatives.zeroRows() : 0);
        }

        void pair(int row, Tally tally) {
            boolean alike = labels[row] == ALIKE;
            double distance = measure.distance(queries, keys, row);
            double missing = alike ? distance : Math.max(0.0, margin - distance);
            losses[row] = missing * missing / 2.0;
            double slope = reducer.scale(row) * (alike ? missing : -missing);
            dQueries[row] = new double[dim];
            dKeys[row] = new double[dim];
            measure.addGradients(slope, distance, queries, keys, row, dQueries[row], dKeys[row]);
            if (topK > 0) {
                double squared = unitSquaredDistance(keys, row);
                if (alike) {
                    tally.positive(-distance, squared);
                } else {
                    tally.negative(-distance, squared);
                }
            }
        }

        void triplet(int row, Tally tally) {
            double toPositive = measure.distance(queries, keys, row);
            double toNegative = measure.distance(queries, negatives, row);
            double missing = toPositive - toNegative + margin;
            losses[row] = Math.max(0.0, missing);
            double slope = missing > 0.0 ? reducer.scale(row) : 0.0;
            dQueries[row] = new double[dim];
            dKeys[row] = new double[dim];
            dNegatives[row] = new double[dim];
            measure.addGradients(slope, toPositive, queries, keys, row, dQueries[row], dKeys[row]);
            measure.addGradients(-slope, toNegative, queries, negatives, row, dQueries[row], dNegatives[row]);
            if (topK > 0) {
                tally.rank(toPositive <= toNegative ? 0 : 1, topK);
                tally.positive(-toPositive, unitSquaredDistance(keys, row));
                tally.negative(-toNegative, unitSquaredDistance(negatives, row));
            }
        }

        private double unitSquaredDistance(Embeddings other, int row) {
            int at = Rows.offset(row, dim);
            return Kernels.squaredDistance(
                    queries.units().blockOf(row), at, other.units().blockOf(row), at, dim);
        }
    }
}
