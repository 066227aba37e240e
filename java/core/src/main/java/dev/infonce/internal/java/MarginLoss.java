package dev.infonce.internal.java;

import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import dev.infonce.Shape;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.java.row.RowFunction;

/**
 * Losses of distances, in which rows do not meet. With labels, key i is row i's positive or its negative; else it is the
 * positive, and row i of the negatives the negative.
 */
final class MarginLoss implements LossExecutor {
    private static final int STRIP = 64;
    private static final int ALIKE = 1;

    private final LossSpec spec;
    private final RowFunction.OfDistances loss;
    private final double margin;
    private final DistanceMeasure measure;
    private final int n;
    private final int dim;
    private final int topK;
    private final Workers workers;

    MarginLoss(LossSpec spec, LossSpec.Terms.Distances terms, Shape shape, int topK, Workers workers) {
        this.spec = spec;
        this.loss = terms.row();
        this.margin = terms.margin();
        this.measure = new DistanceMeasure(terms.distance());
        this.n = Math.toIntExact(shape.n());
        this.dim = Math.toIntExact(shape.dim());
        this.topK = topK;
        this.workers = workers;
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        return (spec.takesNegatives() ? 3L : 2L) * n * Rows.bytes(dim);
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean add) {
        Call call = new Call(in);
        int stripCount = (n + STRIP - 1) / STRIP;
        Tally[] tallies = new Tally[stripCount];
        workers.run(stripCount, strip -> {
            tallies[strip] = new Tally();
            for (int row = strip * STRIP; row < Math.min(n, (strip + 1) * STRIP); row++) {
                call.row(row, tallies[strip]);
            }
        });
        Tally tally = new Tally();
        for (Tally part : tallies) {
            tally.add(part);
        }
        for (int row = 0; row < n; row++) {
            if (!Double.isFinite(call.losses[row]) || call.overflows[row]) {
                throw Refusals.row("queries", row);
            }
        }
        Outcome outcome = new Outcome(
                call.reducer.loss(call.losses),
                call.reducer.rowLosses(call.losses),
                0.0,
                0.0,
                topK == 0 ? null : tally.metrics(n, call.zeroRows(), measure.range()));
        Refusals.check(outcome, out != null);
        if (out != null) {
            check("dQueries", call.queries, call.dQueries, out.dQueries(), add);
            check("dKeys", call.keys, call.dKeys, out.dKeys(), add);
            check("dNegatives", call.negatives, call.dNegatives, out.dNegatives(), add);
            write(call.dQueries, out.dQueries(), add);
            write(call.dKeys, out.dKeys(), add);
            write(call.dNegatives, out.dNegatives(), add);
        }
        return outcome;
    }

    private void write(double[][] gradient, Matrix matrix, boolean add) {
        if (matrix != null) {
            MatrixRows writer = new MatrixRows(matrix, add);
            for (int row = 0; row < n; row++) {
                writer.write(row, gradient[row], 0);
            }
        }
    }

    /** Takes the gradient through the norms. NON_FINITE if the matrix does not hold a row. */
    private void check(String name, Embeddings rows, double[][] gradient, Matrix matrix, boolean add) {
        if (matrix == null) {
            return;
        }
        MatrixRows writer = new MatrixRows(matrix, add);
        for (int row = 0; row < n; row++) {
            if (measure.isOfUnitRows()) {
                SimilarityMeasure.throughNorm(
                        gradient[row],
                        0,
                        rows.vectors().blockOf(row),
                        Rows.offset(row, dim),
                        rows.vectors().inverseNorm(row),
                        dim);
            }
            if (!writer.holds(row, gradient[row], 0)) {
                throw Refusals.gradient(name, row, matrix.dtype());
            }
        }
    }

    private final class Call {
        final Embeddings queries;
        final Embeddings keys;
        final Embeddings negatives;
        final Reducer reducer;
        final double[] losses = new double[n];
        final boolean[] overflows = new boolean[n];
        final double[][] dQueries = new double[n][];
        final double[][] dKeys = new double[n][];
        final double[][] dNegatives = new double[n][];

        private final int[] labels;

        Call(Inputs in) {
            this.queries = read("queries", in.queries());
            this.keys = read("keys", in.keys());
            this.negatives = spec.takesNegatives() ? read("negatives", in.negatives()) : null;
            this.reducer = new Reducer(spec, n, in);
            this.labels = in.labels();
        }

        private Embeddings read(String name, Matrix matrix) {
            Rows given = Rows.read(workers, dim, MatrixRows.Input.of(name, matrix));
            Rows units = topK > 0 || measure.isOfUnitRows() ? given.normalised(workers) : null;
            return new Embeddings(measure.isOfUnitRows() ? units : given, units, topK > 0 ? given.zeroRows() : 0);
        }

        long zeroRows() {
            return queries.zeroRows() + keys.zeroRows() + (negatives == null ? 0 : negatives.zeroRows());
        }

        void row(int row, Tally tally) {
            Embeddings positive = spec.labels() && labels[row] != ALIKE ? null : keys;
            Embeddings negative = spec.labels() && positive == null ? keys : negatives;
            double toPositive = positive == null ? Double.NaN : measure.distance(queries, positive, row);
            double toNegative = negative == null ? Double.NaN : measure.distance(queries, negative, row);
            losses[row] = loss.loss(toPositive, toNegative, margin);
            overflows[row] = Double.isInfinite(toPositive) || Double.isInfinite(toNegative);
            double scale = reducer.scale(row);
            dQueries[row] = new double[dim];
            dKeys[row] = new double[dim];
            dNegatives[row] = spec.labels() ? dKeys[row] : new double[dim];
            if (positive != null) {
                double slope = scale * loss.positiveSlope(toPositive, toNegative, margin);
                measure.addGradients(slope, toPositive, queries, positive, row, dQueries[row], dKeys[row]);
            }
            if (negative != null) {
                double slope = scale * loss.negativeSlope(toPositive, toNegative, margin);
                measure.addGradients(slope, toNegative, queries, negative, row, dQueries[row], dNegatives[row]);
            }
            if (topK > 0) {
                tally(row, positive, toPositive, negative, toNegative, tally);
            }
        }

        private void tally(
                int row, Embeddings positive, double toPositive, Embeddings negative, double toNegative, Tally tally) {
            tally.row(positive == null ? 0 : 1, negative == null ? 0 : 1);
            if (positive != null && negative != null) {
                tally.rank(toNegative < toPositive ? 1 : 0, toNegative == toPositive ? 1 : 0, topK);
            }
            if (positive != null) {
                tally.positive(-toPositive, unitSquaredDistance(positive, row));
            }
            if (negative != null) {
                tally.negative(-toNegative, unitSquaredDistance(negative, row));
            }
        }

        private double unitSquaredDistance(Embeddings other, int row) {
            int at = Rows.offset(row, dim);
            return Kernels.squaredDistance(
                    queries.units().blockOf(row), at, other.units().blockOf(row), at, dim);
        }
    }
}
