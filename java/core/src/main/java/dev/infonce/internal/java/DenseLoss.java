package dev.infonce.internal.java;

import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import dev.infonce.Metrics;
import dev.infonce.Shape;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.java.row.RowFunction;

/** Losses of logits in which every row meets the same columns. */
final class DenseLoss implements LossExecutor {
    private final LossSpec spec;
    private final RowFunction.OfLogits loss;
    private final SimilarityMeasure measure;
    private final Pairing pairing;
    private final boolean symmetric;
    private final int dim;
    private final int topK;
    private final Workers workers;

    DenseLoss(LossSpec spec, LossSpec.Terms.Logits terms, Shape shape, int topK, Workers workers) {
        this.spec = spec;
        this.loss = terms.row();
        this.measure = new SimilarityMeasure(terms.similarity());
        this.pairing = Pairing.of(spec);
        this.symmetric = spec.symmetric();
        this.dim = Math.toIntExact(shape.dim());
        this.topK = topK;
        this.workers = workers;
    }

    /** What a call reads; row i's positive is a row of positives. */
    private record Towers(Embeddings rows, Embeddings columns, Embeddings positives) {
        long zeroRows() {
            long zeros = rows.zeroRows();
            zeros += columns == rows ? 0 : columns.zeroRows();
            zeros += positives == rows || positives == columns ? 0 : positives.zeroRows();
            return zeros;
        }
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out) {
        Towers towers = read(in);
        int count = towers.rows.count();
        Reducer reducer = new Reducer(spec.reduction(), count, in);
        double[] scales = new double[count];
        for (int row = 0; row < count; row++) {
            scales[row] = symmetric ? reducer.scale(row) / 2.0 : reducer.scale(row);
        }
        double share = spec.negativeShare(pairing.negatives(towers.columns.count()));
        DenseForward forward = new DenseForward(
                        loss, measure, pairing, towers.rows, towers.columns, towers.positives, temperature)
                .run(workers, share, scales, topK);
        DenseForward ofColumns = null;
        if (symmetric) {
            ofColumns = new DenseForward(loss, measure, pairing, towers.columns, towers.rows, towers.rows, temperature)
                    .run(workers, share, scales, 0);
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
            switch (pairing) {
                case TWO_VIEWS -> writeGradients(towers.rows, forward, out);
                case DIAGONAL, APART -> writeGradients(towers, forward, ofColumns, out);
            }
        }
        Metrics metrics = topK == 0 ? null : forward.tally.metrics(count, towers.zeroRows());
        return new Outcome(reducer.loss(losses), reducer.rowLosses(losses), dTemperature, metrics);
    }

    private Towers read(Inputs in) {
        MatrixRows.Input queries = MatrixRows.Input.of("queries", in.queries());
        MatrixRows.Input keys = MatrixRows.Input.of("keys", in.keys());
        if (spec.oneTower()) {
            Embeddings tower = read(queries, keys);
            return new Towers(tower, tower, tower);
        }
        Embeddings rows = read(queries);
        Embeddings positives = read(keys);
        return spec.takesNegatives()
                ? new Towers(rows, read(MatrixRows.Input.of("negatives", in.negatives())), positives)
                : new Towers(rows, positives, positives);
    }

    private Embeddings read(MatrixRows.Input... matrices) {
        return Embeddings.read(workers, measure, topK > 0, dim, matrices);
    }

    /** The gradient of one tower, whose every row is a row, a column, and its positive's positive. */
    private void writeGradients(Embeddings tower, DenseForward forward, Gradients out) {
        if (out.dQueries() == null && out.dKeys() == null) {
            return;
        }
        double[] factors = forward.positiveFactors.clone();
        for (int row = 0; row < factors.length; row++) {
            factors[row] += forward.positiveFactors[pairing.positive(row, factors.length)];
        }
        DenseGradient gradient = new DenseGradient(measure, tower)
                .addNegatives(workers, pairing, tower, forward.slopes, forward.slopes)
                .addPositives(pairing, tower, factors)
                .throughNorms();
        gradient.write(out.dQueries(), 0);
        gradient.write(out.dKeys(), tower.count() / 2);
    }

    private void writeGradients(Towers towers, DenseForward forward, DenseForward ofColumns, Gradients out) {
        Slopes ofRows = forward.slopes;
        Slopes slopesOfColumns = symmetric ? ofColumns.slopes : null;
        double[] factors = forward.positiveFactors.clone();
        for (int row = 0; symmetric && row < factors.length; row++) {
            factors[row] += ofColumns.positiveFactors[row];
        }
        DenseGradient dQueries = null;
        DenseGradient dKeys = null;
        DenseGradient dNegatives = null;
        if (out.dQueries() != null) {
            dQueries = new DenseGradient(measure, towers.rows)
                    .addNegatives(workers, pairing, towers.columns, ofRows, slopesOfColumns)
                    .addPositives(pairing, towers.positives, factors);
        }
        if (out.dKeys() != null) {
            dKeys = new DenseGradient(measure, towers.positives).addPositives(pairing, towers.rows, factors);
            if (towers.columns == towers.positives) {
                dKeys.addNegatives(workers, pairing, towers.rows, slopesOfColumns, ofRows);
            }
        }
        if (out.dNegatives() != null) {
            dNegatives = new DenseGradient(measure, towers.columns)
                    .addNegatives(workers, pairing, towers.rows, null, ofRows);
        }
        write(dQueries, out.dQueries());
        write(dKeys, out.dKeys());
        write(dNegatives, out.dNegatives());
    }

    private static void write(DenseGradient gradient, Matrix matrix) {
        if (gradient != null) {
            gradient.throughNorms().write(matrix, 0);
        }
    }
}
