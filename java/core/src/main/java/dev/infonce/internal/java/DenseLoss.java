package dev.infonce.internal.java;

import dev.infonce.Block;
import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import dev.infonce.Metrics;
import dev.infonce.Shape;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.java.row.RowFunction;
import dev.infonce.internal.java.row.RowRule;

/**
 * Losses of logits in which every row meets the same columns, and perhaps negatives of its own too. Where there are many more
 * columns than rows, they are read in strips, again for every pass.
 */
final class DenseLoss implements LossExecutor {
    /** Two such numbers have a sum that float32 holds. */
    private static final double LARGEST_SURE = Float.MAX_VALUE / 2.0;

    private final LossSpec spec;
    private final RowFunction.OfLogits loss;
    private final SimilarityMeasure measure;
    private final Pairing pairing;
    private final boolean symmetric;
    private final int dim;
    private final int own; // negatives of a row beside the columns
    private final long ownColumns; // those that have a gradient; behind them comes the queue
    private final int topK;
    private final Workers workers;
    private final ColumnStrips strips;

    DenseLoss(LossSpec spec, LossSpec.Terms.Logits terms, Shape shape, int topK, Workers workers) {
        this.spec = spec;
        this.loss = terms.row();
        this.measure = new SimilarityMeasure(terms.similarity());
        this.pairing = Pairing.of(spec);
        this.symmetric = spec.symmetric();
        this.dim = Math.toIntExact(shape.dim());
        this.own = Math.toIntExact(shape.ownNegatives());
        this.ownColumns = spec.oneTower() ? spec.rows(shape).losses() : shape.m();
        this.topK = topK;
        this.workers = workers;
        this.strips = ColumnStrips.of(spec, shape, Rows.BLOCK, Rows.bytes(shape.dim()));
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        return Rows.bytes(dim) * (strips.rowsInMemory() + strips.rows() * own);
    }

    /** A call: its rows, which stay in memory, and its columns, which may not. */
    private final class Call {
        final Inputs in;
        final MatrixRows.Input queries;
        final MatrixRows.Input keys;
        final MatrixRows.Input[] columnRows; // one matrix after the other
        final double temperature;
        final Gradients out;
        final boolean add;
        final ColumnFactors factors; // of all columns; null where they have none
        final Embeddings rows;

        /** Row i's positive is a row of these. */
        final Embeddings positives;

        /** The negatives of rows' own, null if they have none. */
        final Embeddings ownNegatives;

        /** Columns that stay in memory, else null. */
        final Embeddings onlyColumns;

        long zeroRows;
        private final double ofResident; // bounds of derivatives, where columns come in strips
        private double ofColumns;

        Call(Inputs in, double temperature, Gradients out, boolean add) {
            this.in = in;
            this.queries = MatrixRows.Input.of("queries", in.queries());
            this.keys = MatrixRows.Input.of("keys", in.keys());
            this.columnRows = spec.sharesNegatives()
                    ? new MatrixRows.Input[] {MatrixRows.Input.of("negatives", in.negatives())}
                    : new MatrixRows.Input[] {keys, MatrixRows.Input.of("queue", in.queue())};
            this.temperature = temperature;
            this.out = out;
            this.add = add;
            this.factors = ColumnFactors.of(in.keyOffsets(), own > 0);
            if (spec.oneTower()) {
                this.rows = read(queries, keys);
                this.positives = rows;
                this.ownNegatives = null;
                this.onlyColumns = rows;
                this.zeroRows = rows.zeroRows();
                this.ofResident = Double.NaN;
                return;
            }
            this.rows = read(queries);
            boolean apart = spec.sharesNegatives();
            this.positives = apart || strips.areMany() ? read(keys.part(0, rows.count())) : read(columnRows);
            this.onlyColumns = strips.areMany() ? null : apart ? read(columnRows) : positives;
            this.ownNegatives = own > 0 ? read(MatrixRows.Input.of("negatives", in.negatives())) : null;
            long zeros = rows.zeroRows() + (apart ? positives.zeroRows() : 0);
            double derivatives =
                    strips.areMany() ? measure.derivatives(rows) + measure.derivatives(positives) : Double.NaN;
            if (own > 0) {
                zeros += ownNegatives.zeroRows();
                derivatives += strips.areMany() ? measure.derivatives(ownNegatives) : 0.0;
            }
            this.zeroRows = zeros;
            this.ofResident = derivatives;
        }

        /** Takes note of a strip of columns. */
        void seen(Embeddings columns) {
            if (columns != rows) {
                zeroRows += columns.zeroRows();
            }
            if (strips.areMany()) {
                ofColumns = Math.max(ofColumns, measure.derivatives(columns));
            }
        }

        private Embeddings read(MatrixRows.Input... matrices) {
            return Embeddings.read(workers, measure, topK > 0, dim, matrices);
        }

        Embeddings columns(int strip) {
            return onlyColumns != null
                    ? onlyColumns
                    : read(MatrixRows.Input.parts(strips.first(strip), strips.count(strip), columnRows));
        }

        /** Those of rows at the columns of a strip. */
        Slopes slopes(DenseForward forward, int strip) {
            return forward.slopes.with(factors == null ? null : factors.from(strips.first(strip)));
        }

        /** Which columns of a strip are no negatives: those of the pairing are in the first. */
        Exclusion excluded(int strip) {
            return pairing.hasOnePositive()
                    ? Exclusion.of(strip == 0 ? pairing : Pairing.APART, in, strips.first(strip))
                    : Exclusion.ofLabels(pairing, in);
        }

        String nameOf(int row) {
            return spec.oneTower() && row >= queries.rows() ? keys.name() : queries.name();
        }
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean add) {
        Call call = new Call(in, temperature, out, add);
        int count = call.rows.count();
        RowRule rule = spec.rowRule(pairing.negatives(strips.columns()) + own, spec.bias(in));
        DenseForward forward = new DenseForward(
                loss, measure, pairing, call.rows, call.positives, temperature, rule, call.factors, topK);
        for (int strip = 0; strip < strips.count(); strip++) {
            Embeddings columns = call.columns(strip);
            Exclusion excluded = call.excluded(strip);
            if (!pairing.hasOnePositive()) {
                forward.findPositives(workers, excluded, columns);
            }
            forward.add(workers, excluded, strips.first(strip), columns);
            call.seen(columns);
        }
        addBlocks(call, forward);
        if (own > 0) {
            forward.addOwn(workers, call.ownNegatives, own);
        }
        Reducer reducer = new Reducer(spec, count, in, pairing.hasOnePositive() ? null : forward.counts());
        double[] scales = new double[count];
        for (int row = 0; row < count; row++) {
            scales[row] = symmetric ? reducer.scale(row) / 2.0 : reducer.scale(row);
        }
        forward.finish(workers, scales);
        refuseOverflow(forward, call, false);
        DenseForward ofColumns = null;
        if (symmetric) {
            ofColumns = new DenseForward(loss, measure, pairing, call.positives, call.rows, temperature, rule, null, 0)
                    .add(workers, call.excluded(0).transposed(), 0, call.rows)
                    .finish(workers, scales);
            refuseOverflow(ofColumns, call, true);
        }
        double[] losses = forward.losses;
        double dTemperature = 0.0;
        double dBias = 0.0;
        for (int row = 0; row < count; row++) {
            dTemperature += forward.temperatureSlopes[row];
            dBias += spec.hasBias() ? forward.biasSlopes[row] : 0.0;
            if (symmetric) {
                losses[row] = (losses[row] + ofColumns.losses[row]) / 2.0;
                dTemperature += ofColumns.temperatureSlopes[row];
            }
        }
        Metrics metrics = topK == 0 ? null : forward.tally.metrics(count, call.zeroRows, measure.range());
        Outcome outcome = new Outcome(reducer.loss(losses), reducer.rowLosses(losses), dTemperature, dBias, metrics);
        Refusals.check(outcome, out != null);
        if (out != null) {
            if (pairing.isOneTower()) {
                writeGradients(call, forward);
            } else if (strips.areMany()) {
                double sum = 0.0;
                for (double scale : scales) {
                    sum += Math.abs(scale);
                }
                // of a positive that is in negatives of its row too
                double times = spec.blocks().isEmpty() ? 1.0 : 2.0;
                writeStrips(call, forward, times * sum / temperature * (call.ofResident + call.ofColumns));
            } else {
                writeGradients(call, forward, ofColumns);
            }
        }
        return outcome;
    }

    private void addBlocks(Call call, DenseForward forward) {
        for (Block block : spec.blocks()) {
            switch (block) {
                case QUERY_QUERY -> forward.addFurther(workers, Exclusion.amongQueries(call.in), call.rows, call.rows);
                case KEY_QUERY -> forward.addFurther(workers, call.excluded(0).transposed(), call.positives, call.rows);
                case KEY_KEY ->
                    forward.addFurther(workers, Exclusion.amongKeys(call.in), call.positives, call.positives);
            }
        }
    }

    private boolean has(Block block) {
        return spec.blocks().contains(block);
    }

    /** Those of the rows whose columns a strip has, if these columns are in the sums of rows; else null. */
    private Slopes ofColumns(DenseForward forward, int strip) {
        return strip == 0 && has(Block.KEY_QUERY) ? forward.slopes : null;
    }

    private static void refuseOverflow(DenseForward forward, Call call, boolean ofColumns) {
        int row = forward.firstOverflow();
        if (row >= 0) {
            String matrix = ofColumns ? call.keys.name() : call.nameOf(row);
            boolean second = !ofColumns && row >= call.queries.rows();
            throw Refusals.row(matrix, second ? row - call.queries.rows() : row);
        }
    }

    /** The gradient of one tower, whose every row is a row, a column, and, of two views, its positive's positive. */
    private void writeGradients(Call call, DenseForward forward) {
        Gradients out = call.out;
        if (out.dQueries() == null && out.dKeys() == null) {
            return;
        }
        DenseGradient gradient = new DenseGradient(measure, call.rows)
                .addMeetings(workers, call.excluded(0), call.rows, forward.slopes, forward.slopes);
        if (pairing.hasOnePositive()) {
            double[] factors = forward.positiveFactors.clone();
            for (int row = 0; row < factors.length; row++) {
                factors[row] += forward.positiveFactors[pairing.positive(row, factors.length)];
            }
            gradient.addPositives(pairing, call.rows, factors);
        }
        gradient.throughNorms();
        DenseGradient.To queries = DenseGradient.To.all("dQueries", out.dQueries(), 0, call.add);
        DenseGradient.To keys = DenseGradient.To.all("dKeys", out.dKeys(), call.rows.count() / 2, call.add);
        gradient.check(queries).check(keys);
        gradient.write(queries);
        gradient.write(keys);
    }

    private void writeGradients(Call call, DenseForward forward, DenseForward ofColumns) {
        Gradients out = call.out;
        Embeddings columns = call.onlyColumns;
        Slopes ofRows = call.slopes(forward, 0);
        Slopes slopesOfColumns = symmetric ? ofColumns.slopes : ofColumns(forward, 0);
        double[] factors = forward.positiveFactors.clone();
        for (int row = 0; symmetric && row < factors.length; row++) {
            factors[row] += ofColumns.positiveFactors[row];
        }
        Tower queries = new Tower("dQueries", call.rows, out.dQueries(), call.add);
        queries.addMeetings(call.excluded(0), columns, ofRows, slopesOfColumns);
        queries.addMeetingsOfQueries(call, forward);
        queries.addPositives(call.positives, factors);
        int keyRows = columns == call.positives ? strips.countWithin(0, ownColumns) : call.positives.count();
        Tower keys = new Tower("dKeys", call.positives, keyRows, out.dKeys(), call.add);
        keys.addPositives(call.rows, factors);
        if (columns == call.positives) {
            keys.addMeetings(call.excluded(0).transposed(), call.rows, slopesOfColumns, ofRows);
        }
        if (has(Block.KEY_KEY) && keys.gradient != null) {
            addMeetingsOfKeys(keys.gradient, call, forward);
        }
        Tower negatives =
                own > 0 ? addOwn(call, queries, ofRows) : new Tower("dNegatives", columns, out.dNegatives(), call.add);
        if (spec.sharesNegatives()) {
            negatives.addMeetings(call.excluded(0).transposed(), call.rows, null, ofRows);
        }
        write(queries, keys, negatives);
    }

    /** What comes from rows and their own negatives: adds it to the gradient of rows, and returns the negatives'. */
    private Tower addOwn(Call call, Tower ofRows, Slopes slopes) {
        if (ofRows.gradient != null) {
            ofRows.gradient.addOwn(workers, call.ownNegatives, own, slopes);
        }
        Tower negatives = new Tower("dNegatives", call.ownNegatives, call.out.dNegatives(), call.add);
        if (negatives.gradient != null) {
            negatives.gradient.addToOwn(workers, call.rows, own, slopes);
        }
        return negatives;
    }

    /** Where columns come in strips; no element of a gradient is larger than most. */
    private void writeStrips(Call call, DenseForward forward, double most) {
        Gradients out = call.out;
        double[] factors = forward.positiveFactors;
        Tower queries = new Tower("dQueries", call.rows, out.dQueries(), call.add);
        queries.addMeetingsOfQueries(call, forward);
        queries.addPositives(call.positives, factors);
        Tower keys = new Tower("dKeys", call.positives, spec.sharesNegatives() ? out.dKeys() : null, call.add);
        keys.addPositives(call.rows, factors);
        Tower[] resident = own > 0
                ? new Tower[] {queries, keys, addOwn(call, queries, call.slopes(forward, 0))}
                : new Tower[] {queries, keys};
        Matrix ofColumns = spec.sharesNegatives() ? out.dNegatives() : out.dKeys();
        boolean safe = most <= LARGEST_SURE && (!call.add || MatrixRows.isWithin(ofColumns, LARGEST_SURE));
        for (int strip = 0; strip < strips.count(); strip++) {
            Embeddings columns = call.columns(strip);
            queries.addMeetings(call.excluded(strip), columns, call.slopes(forward, strip), ofColumns(forward, strip));
            strip(call, forward, strip, columns, safe);
        }
        write(resident);
        for (int strip = 0; !safe && strip < strips.count(); strip++) {
            strip(call, forward, strip, call.columns(strip), true);
        }
    }

    /** The gradient of a strip of columns, which is checked, or also written. */
    private void strip(Call call, DenseForward forward, int strip, Embeddings columns, boolean write) {
        boolean apart = spec.sharesNegatives();
        Matrix matrix = apart ? call.out.dNegatives() : call.out.dKeys();
        int count = strips.countWithin(strip, ownColumns);
        if (matrix == null || count == 0) {
            return;
        }
        DenseGradient gradient = new DenseGradient(measure, columns, count)
                .addMeetings(
                        workers,
                        call.excluded(strip).transposed(),
                        call.rows,
                        ofColumns(forward, strip),
                        call.slopes(forward, strip));
        if (!apart && strip == 0) {
            gradient.addPositives(pairing, call.rows, forward.positiveFactors);
            if (has(Block.KEY_KEY)) {
                addMeetingsOfKeys(gradient, call, forward);
            }
        }
        DenseGradient.To to =
                new DenseGradient.To(apart ? "dNegatives" : "dKeys", matrix, strips.first(strip), count, 0, call.add);
        gradient.throughNorms();
        gradient.check(to);
        if (write) {
            gradient.write(to);
        }
    }

    /** Of keys that are positives with each other, which are the first of the gradient's. */
    private void addMeetingsOfKeys(DenseGradient gradient, Call call, DenseForward forward) {
        gradient.addMeetingsAmong(
                workers, Exclusion.amongKeys(call.in), call.positives, call.rows.count(), forward.slopes);
    }

    /** A tower's gradient and where it goes; nothing is done if nobody wants it. */
    private final class Tower {
        final DenseGradient gradient;
        final DenseGradient.To to;

        Tower(String name, Embeddings rows, Matrix matrix, boolean add) {
            this(name, rows, rows.count(), matrix, add);
        }

        /** Of the first rows. */
        Tower(String name, Embeddings rows, int count, Matrix matrix, boolean add) {
            this.gradient = matrix == null ? null : new DenseGradient(measure, rows, count);
            this.to = DenseGradient.To.all(name, matrix, 0, add);
        }

        void addMeetings(Exclusion excluded, Embeddings other, Slopes ofTarget, Slopes ofOther) {
            if (gradient != null) {
                gradient.addMeetings(workers, excluded, other, ofTarget, ofOther);
            }
        }

        void addMeetingsOfQueries(Call call, DenseForward forward) {
            if (gradient != null && has(Block.QUERY_QUERY)) {
                gradient.addMeetingsAmong(
                        workers, Exclusion.amongQueries(call.in), call.rows, call.rows.count(), forward.slopes);
            }
        }

        void addPositives(Embeddings positives, double[] factors) {
            if (gradient != null && pairing.hasOnePositive()) {
                gradient.addPositives(pairing, positives, factors);
            }
        }
    }

    /** All of them, or none if a row of one overflows. */
    private static void write(Tower... towers) {
        for (Tower tower : towers) {
            if (tower.gradient != null) {
                tower.gradient.throughNorms().check(tower.to);
            }
        }
        for (Tower tower : towers) {
            if (tower.gradient != null) {
                tower.gradient.write(tower.to);
            }
        }
    }
}
