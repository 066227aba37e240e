package dev.infonce.internal.java;

import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.Outcome;
import dev.infonce.internal.java.row.RowRule;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Losses in which every row has negatives of its own, rows i m ... i m + m - 1 of the negatives. Rows do not meet, so
 * that a row's loss and gradients are made in one go.
 */
final class OwnNegatives implements LossExecutor {
    private static final int STRIP = 16;
    private static final int CHUNK = 64; // negatives in memory at a time
    private static final double SAFE_GRADIENT = 1e38;
    private static final double LEAST_SLOPE = 1e-9;

    private final LossSpec spec;
    private final Mathematics mathematics;
    private final SimilarityMeasure measure;
    private final int n;
    private final long m;
    private final int dim;
    private final int topK;
    private final Workers workers;

    /** What tells losses apart: what is made of a row's similarities. */
    private interface Mathematics {
        /** For rows of a call, one after the other. */
        OwnRow rows(Inputs in, double temperature, RowRule rule);

        /** No derivative by a positive's similarity is larger, and the absolute ones by all of a row add up to at most twice this. */
        double largestSlope(Inputs in, double temperature, RowRule rule, double similarity);
    }

    /** Of logits. */
    static OwnNegatives of(LossSpec spec, LossSpec.Terms.Logits terms, Shape shape, int topK, Workers workers) {
        Mathematics ofLogits = new Mathematics() {
            @Override
            public OwnRow rows(Inputs in, double temperature, RowRule rule) {
                return new OwnRow.OfLogits(terms.row(), temperature, rule);
            }

            @Override
            public double largestSlope(Inputs in, double temperature, RowRule rule, double similarity) {
                return Math.max(1.0, rule.share() * rule.negatives()) / temperature;
            }
        };
        return new OwnNegatives(spec, ofLogits, terms.similarity(), shape, topK, workers);
    }

    /** Of lists that a teacher has scored. */
    static OwnNegatives of(LossSpec spec, LossSpec.Terms.Scores terms, Shape shape, int topK, Workers workers) {
        Mathematics ofScores = new Mathematics() {
            @Override
            public OwnRow rows(Inputs in, double temperature, RowRule rule) {
                return new OwnRow.OfScores(terms.row(), temperature, in.teacherScores(), rule.negatives());
            }

            @Override
            public double largestSlope(Inputs in, double temperature, RowRule rule, double similarity) {
                double largest = 0.0;
                for (float score : in.teacherScores()) {
                    largest = Math.max(largest, Math.abs(score));
                }
                return terms.row().largestSlope(temperature, similarity, largest);
            }
        };
        return new OwnNegatives(spec, ofScores, terms.similarity(), shape, topK, workers);
    }

    private OwnNegatives(
            LossSpec spec, Mathematics mathematics, Similarity similarity, Shape shape, int topK, Workers workers) {
        this.spec = spec;
        this.mathematics = mathematics;
        this.measure = new SimilarityMeasure(similarity);
        this.n = Math.toIntExact(shape.n());
        this.m = spec.rows(shape).negatives() / n;
        this.dim = Math.toIntExact(shape.dim());
        this.topK = topK;
        this.workers = workers;
    }

    @Override
    public long workspaceBytes(boolean gradients) {
        return 2L * n * Rows.bytes(dim);
    }

    @Override
    public Outcome run(Inputs in, double temperature, Gradients out, boolean add) {
        Embeddings queries =
                Embeddings.read(workers, measure, topK > 0, dim, MatrixRows.Input.of("queries", in.queries()));
        Embeddings keys = Embeddings.read(workers, measure, topK > 0, dim, MatrixRows.Input.of("keys", in.keys()));
        boolean shared = MatrixRows.isShared(in.negatives()) && (out == null || MatrixRows.isShared(out.dNegatives()));
        Workers rowStrips = shared ? workers : Workers.sequential();
        Sizes sizes = checkFinite(rowStrips, in.negatives());

        Call call = new Call(in, temperature, out, add, queries, keys);
        boolean safe = call.isSafe(sizes) && (!add || MatrixRows.isWithin(call.dNegatives, SAFE_GRADIENT));
        Outcome outcome = run(call, rowStrips, safe);
        if (out != null) {
            check("dQueries", call.dQueries, out.dQueries(), add);
            check("dKeys", call.dKeys, out.dKeys(), add);
            if (!safe) {
                run(call, rowStrips, true);
            }
            write(call.dQueries, out.dQueries(), add);
            write(call.dKeys, out.dKeys(), add);
        }
        return outcome;
    }

    /** All rows, once. Gradients by negatives are written at once, or only checked. */
    private Outcome run(Call call, Workers rowStrips, boolean write) {
        int stripCount = (n + STRIP - 1) / STRIP;
        Tally[] tallies = new Tally[stripCount];
        long[] zeroRows = new long[stripCount];
        rowStrips.run(stripCount, strip -> {
            tallies[strip] = new Tally();
            zeroRows[strip] = call.strip(strip * STRIP, Math.min(n, (strip + 1) * STRIP), tallies[strip], write);
        });
        call.refuseOverflow();
        Tally tally = new Tally();
        long zeros = call.queries.zeroRows() + call.keys.zeroRows();
        double dTemperature = 0.0;
        for (int strip = 0; strip < stripCount; strip++) {
            tally.add(tallies[strip]);
            zeros += zeroRows[strip];
        }
        for (int row = 0; row < n; row++) {
            dTemperature += call.temperatureSlopes[row];
        }
        Outcome outcome = new Outcome(
                call.reducer.loss(call.losses),
                call.reducer.rowLosses(call.losses),
                dTemperature,
                0.0,
                topK == 0 ? null : tally.metrics(n, zeros, measure.range()));
        Refusals.check(outcome, call.wantGradients);
        return outcome;
    }

    /**
     * The largest elements of rows.
     *
     * @param smallest of the rows that are not zero
     */
    private record Sizes(double largest, double smallest) {
        static final Sizes NONE = new Sizes(0.0, Double.POSITIVE_INFINITY);

        static Sizes of(double[] row) {
            double largest = 0.0;
            for (double value : row) {
                largest = Math.max(largest, Math.abs(value));
            }
            return new Sizes(largest, largest == 0.0 ? Double.POSITIVE_INFINITY : largest);
        }

        Sizes and(Sizes other) {
            return new Sizes(Math.max(largest, other.largest), Math.min(smallest, other.smallest));
        }
    }

    private Sizes checkFinite(Workers rowStrips, Matrix negatives) {
        if (m == 0) {
            return Sizes.NONE;
        }
        long[] firstBad = new long[n];
        Sizes[] sizes = new Sizes[n];
        rowStrips.run((n + STRIP - 1) / STRIP, strip -> {
            MatrixRows reader = new MatrixRows(negatives);
            double[] row = new double[dim];
            for (int i = strip * STRIP; i < Math.min(n, (strip + 1) * STRIP); i++) {
                firstBad[i] = -1;
                sizes[i] = Sizes.NONE;
                for (long j = i * m; firstBad[i] < 0 && j < (i + 1) * m; j++) {
                    firstBad[i] = reader.read(j, row, 0) ? -1 : j;
                    sizes[i] = sizes[i].and(Sizes.of(row));
                }
            }
        });
        Sizes all = Sizes.NONE;
        for (int i = 0; i < n; i++) {
            if (firstBad[i] >= 0) {
                throw Refusals.element("negatives", firstBad[i]);
            }
            all = all.and(sizes[i]);
        }
        return all;
    }

    private void check(String name, double[][] gradient, Matrix matrix, boolean add) {
        if (matrix != null) {
            MatrixRows writer = new MatrixRows(matrix, add);
            for (int row = 0; row < n; row++) {
                if (!writer.holds(row, gradient[row], 0)) {
                    throw Refusals.gradient(name, row, matrix.dtype());
                }
            }
        }
    }

    private void write(double[][] gradient, Matrix matrix, boolean add) {
        if (matrix != null) {
            MatrixRows writer = new MatrixRows(matrix, add);
            for (int row = 0; row < n; row++) {
                writer.write(row, gradient[row], 0);
            }
        }
    }

    private final class Call {
        final Reducer reducer;
        final double[] losses = new double[n];
        final double[] temperatureSlopes = new double[n];
        final double[][] dQueries = new double[n][];
        final double[][] dKeys = new double[n][];

        private final Inputs in;
        private final double temperature;
        private final RowRule rule = spec.rowRule(m, 0.0);
        private final Embeddings queries;
        private final Embeddings keys;
        private final boolean wantGradients;
        private final Matrix dNegatives;
        private final boolean add;

        /** The first row with a similarity that overflows, and the first negative whose gradient does. */
        private final AtomicInteger overflow = new AtomicInteger(n);

        private final AtomicLong gradientOverflow = new AtomicLong(Long.MAX_VALUE);

        Call(Inputs in, double temperature, Gradients out, boolean add, Embeddings queries, Embeddings keys) {
            this.reducer = new Reducer(spec, n, in);
            this.in = in;
            this.temperature = temperature;
            this.queries = queries;
            this.keys = keys;
            this.wantGradients = out != null;
            this.dNegatives = out == null ? null : out.dNegatives();
            this.add = add;
        }

        /**
         * Whether neither a similarity nor a gradient can overflow. With room: what it refuses is only done with more care. What
         * bounds gradients bounds similarities too: as slopes count as at least 1e-9, elements are below 1e47.
         */
        boolean isSafe(Sizes ofNegatives) {
            double scale = 1.0;
            for (int row = 0; row < n; row++) {
                scale += Math.abs(reducer.scale(row));
            }
            double largest = Math.max(1.0, ofNegatives.largest);
            double ofUnits = 1.0;
            if (measure.isOfUnitRows()) {
                ofUnits += 1.0 / ofNegatives.smallest;
                ofUnits +=
                        queries.vectors().largestInverseNorm() + keys.vectors().largestInverseNorm();
            } else {
                largest = Math.max(largest, queries.vectors().largestElement());
                largest = Math.max(largest, keys.vectors().largestElement());
            }
            double similarity = measure.largest(largest, dim);
            double slopes = scale * Math.max(LEAST_SLOPE, mathematics.largestSlope(in, temperature, rule, similarity));
            return slopes * 4.0 * Math.max(largest, ofUnits) < SAFE_GRADIENT;
        }

        void refuseOverflow() {
            int row = overflow.get();
            if (row < n) {
                throw Refusals.row("queries", row);
            }
            long negative = gradientOverflow.get();
            if (negative < Long.MAX_VALUE) {
                throw Refusals.gradient("dNegatives", negative, dNegatives.dtype());
            }
        }

        /** Does rows first ... end - 1 and returns how many of their negatives are zero. */
        long strip(int first, int end, Tally tally, boolean write) {
            Chunk chunk = new Chunk(m == 0 ? null : new MatrixRows(in.negatives()), topK > 0);
            MatrixRows writer = dNegatives == null || m == 0 ? null : new MatrixRows(dNegatives, add);
            double[] similarities = new double[CHUNK];
            OwnRow state = mathematics.rows(in, temperature, rule);
            long zeros = 0;
            for (int row = first; row < end; row++) {
                double[] x = queries.vectors().blockOf(row);
                double[] y = keys.vectors().blockOf(row);
                int at = Rows.offset(row, dim);
                double positive = measure.similarity(x, at, y, at, dim);
                state.begin(row, positive);
                long[] ranks = new long[2];
                for (long done = 0; done < m; done += CHUNK) {
                    zeros += chunk.read(row * m + done, (int) Math.min(CHUNK, m - done));
                    chunk.similarities(x, at, similarities);
                    state.add(similarities, chunk.count);
                    if (topK > 0) {
                        tally(tally, chunk, row, similarities, positive, ranks);
                    }
                }
                state.end();
                double scale = reducer.scale(row);
                losses[row] = state.loss();
                if (!state.isFinite() || !Double.isFinite(losses[row])) {
                    overflow.accumulateAndGet(row, Math::min);
                    continue;
                }
                temperatureSlopes[row] = scale * state.temperatureSlope();
                if (topK > 0) {
                    tally.rank(ranks[0], ranks[1], topK);
                    tally.positive(
                            positive,
                            Kernels.squaredDistance(
                                    queries.units().blockOf(row),
                                    at,
                                    keys.units().blockOf(row),
                                    at,
                                    dim));
                    tally.effectiveNegatives(state.effectiveNegatives(), m);
                    tally.row(1, m);
                }
                if (wantGradients) {
                    gradients(row, state, positive, scale, chunk, similarities, writer, write);
                }
            }
            return zeros;
        }

        /** ranks: how many negatives are more similar than the positive, and how many just as similar. */
        private void tally(Tally tally, Chunk chunk, int row, double[] similarities, double positive, long[] ranks) {
            for (int k = 0; k < chunk.count; k++) {
                double squaredDistance = Kernels.squaredDistance(
                        queries.units().blockOf(row), Rows.offset(row, dim), chunk.units, k * dim, dim);
                tally.negative(similarities[k], squaredDistance);
                ranks[0] += similarities[k] > positive ? 1 : 0;
                ranks[1] += similarities[k] == positive ? 1 : 0;
            }
        }

        private void gradients(
                int row,
                OwnRow state,
                double positive,
                double scale,
                Chunk chunk,
                double[] similarities,
                MatrixRows writer,
                boolean write) {
            double[] x = queries.vectors().blockOf(row);
            double[] y = keys.vectors().blockOf(row);
            int at = Rows.offset(row, dim);
            double[] dx = new double[dim];
            double[] dy = new double[dim];
            double positiveFactor = state.positiveSlope(scale);
            measure.addGradient(positiveFactor, positive, x, at, y, at, dim, dx, 0);
            measure.addGradient(positiveFactor, positive, y, at, x, at, dim, dy, 0);
            double[] factors = new double[CHUNK];
            double[] dNegative = new double[dim];
            for (long done = 0; done < m; done += CHUNK) {
                if (m > CHUNK) { // else it still holds them
                    chunk.read(row * m + done, (int) Math.min(CHUNK, m - done));
                    chunk.similarities(x, at, similarities);
                }
                state.negativeSlopes(scale, (int) done, similarities, chunk.count, factors);
                for (int k = 0; k < chunk.count; k++) {
                    double s = similarities[k];
                    measure.addGradient(factors[k], s, x, at, chunk.vectors, k * dim, dim, dx, 0);
                    if (writer != null) {
                        Arrays.fill(dNegative, 0.0);
                        measure.addGradient(factors[k], s, chunk.vectors, k * dim, x, at, dim, dNegative, 0);
                        if (measure.isOfUnitRows()) {
                            SimilarityMeasure.throughNorm(
                                    dNegative, 0, chunk.vectors, k * dim, chunk.inverseNorms[k], dim);
                        }
                        long negative = row * m + done + k;
                        if (write) {
                            writer.write(negative, dNegative, 0);
                        } else if (!writer.holds(negative, dNegative, 0)) {
                            gradientOverflow.accumulateAndGet(negative, Math::min);
                        }
                    }
                }
            }
            if (measure.isOfUnitRows()) {
                SimilarityMeasure.throughNorm(dx, 0, x, at, queries.vectors().inverseNorm(row), dim);
                SimilarityMeasure.throughNorm(dy, 0, y, at, keys.vectors().inverseNorm(row), dim);
            }
            dQueries[row] = dx;
            dKeys[row] = dy;
        }
    }

    /** A few negatives as doubles. */
    private final class Chunk {
        int count;
        final double[] vectors = new double[(int) Math.min(CHUNK, Math.max(m, 1)) * dim];
        final double[] units;
        final Rows.InverseNorm[] inverseNorms = new Rows.InverseNorm[CHUNK];

        private final MatrixRows reader;

        Chunk(MatrixRows reader, boolean metrics) {
            this.reader = reader;
            if (measure.isOfUnitRows()) {
                this.units = vectors;
            } else {
                this.units = metrics ? new double[vectors.length] : null;
            }
        }

        /** Reads rows first ... first + rows - 1 and returns how many are zero, as far as norms were asked for. */
        long read(long first, int rows) {
            count = rows;
            long zeros = 0;
            for (int k = 0; k < rows; k++) {
                reader.read(first + k, vectors, k * dim);
                if (units != null) {
                    if (units != vectors) {
                        System.arraycopy(vectors, k * dim, units, k * dim, dim);
                    }
                    inverseNorms[k] = Rows.normalise(units, k * dim, dim);
                    zeros += inverseNorms[k].isOfZero() ? 1 : 0;
                }
            }
            return zeros;
        }

        void similarities(double[] x, int at, double[] out) {
            for (int k = 0; k < count; k++) {
                out[k] = measure.similarity(x, at, vectors, k * dim, dim);
            }
        }
    }
}
