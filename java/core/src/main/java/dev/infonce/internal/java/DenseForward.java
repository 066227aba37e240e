package dev.infonce.internal.java;

import dev.infonce.internal.java.row.Row;
import dev.infonce.internal.java.row.RowFunction;
import dev.infonce.internal.java.row.RowRule;
import java.util.Arrays;

/**
 * Row losses over the negatives of every row, which may come in any number of parts: a strip of rows against one block of
 * columns at a time. Strips are cut by the number of rows alone.
 */
final class DenseForward {
    static final int STRIP = 32; // divides Rows.BLOCK

    private final RowFunction.OfLogits loss;
    private final SimilarityMeasure measure;
    private final Pairing pairing;
    private final Embeddings rows;
    private final Embeddings partners;
    private final int count;
    private final double temperature;
    private final int topK;
    private final ColumnFactors factors; // of all columns; null where they have none
    private final Row[] states;
    private final long[] moreSimilar;
    private final long[] asSimilar;
    private final Tally[] tallies; // of strips
    private final long[] negatives; // of rows
    private final long[] further; // likewise, those that are in no metric but the effective negatives

    final double[] losses;
    final double[] temperatureSlopes;
    final double[] biasSlopes;

    /** The derivative of the objective by the similarity of each row's positive, where each has one. */
    final double[] positiveFactors;

    /** Those by the similarities of the negatives, and of several positives. */
    final Slopes slopes;

    final Tally tally = new Tally();

    /** Row i's positive is a row of partners, as pairing says, unless labels do. topK is 0 if nobody wants metrics. */
    DenseForward(
            RowFunction.OfLogits loss,
            SimilarityMeasure measure,
            Pairing pairing,
            Embeddings rows,
            Embeddings partners,
            double temperature,
            RowRule rule,
            ColumnFactors factors,
            int topK) {
        this.loss = loss;
        this.measure = measure;
        this.pairing = pairing;
        this.rows = rows;
        this.partners = partners;
        this.count = rows.count();
        this.topK = topK;
        this.losses = new double[count];
        this.temperatureSlopes = new double[count];
        this.biasSlopes = new double[count];
        this.positiveFactors = new double[count];
        this.temperature = temperature;
        this.factors = factors;
        this.slopes = new Slopes(loss, temperature, rule, count);
        this.states = new Row[count];
        for (int row = 0; row < count; row++) {
            states[row] = new Row(temperature, rule);
            if (pairing.hasOnePositive()) {
                states[row].positive = positiveSimilarity(row);
                states[row].offset = factors == null ? 0.0 : factors.offsetOfPositive(row);
                states[row].limit = rule.threshold().limit(states[row].positive);
            }
        }
        this.negatives = new long[count];
        this.further = new long[count];
        this.moreSimilar = new long[count];
        this.asSimilar = new long[count];
        this.tallies = new Tally[(count + STRIP - 1) / STRIP];
        Arrays.setAll(tallies, _ -> new Tally());
    }

    /** Where labels say who the positives are: finds how many each row has and their mean similarity, before columns are added. */
    DenseForward findPositives(Workers workers, Exclusion excluded, Embeddings columns) {
        workers.run(tallies.length, strip -> findPositives(strip, excluded, columns));
        return this;
    }

    private void findPositives(int strip, Exclusion excluded, Embeddings columns) {
        int first = strip * STRIP;
        int height = Math.min(STRIP, count - first);
        double[] similarities = new double[Rows.BLOCK];
        int[] places = new int[Rows.BLOCK];
        double[] sums = new double[height]; // of differences from the first: the mean of equal numbers is that number
        for (int row = first; row < first + height; row++) {
            states[row].positiveCount = 0;
        }
        for (int block = 0; block < columns.vectors().blockCount(); block++) {
            int width = columns.vectors().width(block);
            for (int row = first; row < first + height; row++) {
                int alike = excluded.byGroup(row, count, block * Rows.BLOCK, width, places);
                if (alike == 0) {
                    continue;
                }
                measure.similarities(rows.vectors(), row, columns.vectors(), block, similarities);
                Row state = states[row];
                if (state.positiveCount == 0) {
                    state.positive = similarities[places[0]];
                }
                state.positiveCount += alike;
                for (int k = 0; k < alike; k++) {
                    sums[row - first] += similarities[places[k]] - state.positive;
                }
            }
        }
        for (int row = first; row < first + height; row++) {
            Row state = states[row];
            state.positive += state.positiveCount == 0 ? 0.0 : sums[row - first] / state.positiveCount;
        }
    }

    /** Which rows have a share in a mean, 1 or 0, where labels say who the positives are; after all columns. */
    double[] counts() {
        double[] counts = new double[count];
        Arrays.setAll(counts, row -> loss.counts(states[row].positiveCount, negatives[row]) ? 1.0 : 0.0);
        return counts;
    }

    /** Adds columns, except for those that are excluded; the first of them is so far down. */
    DenseForward add(Workers workers, Exclusion excluded, long firstColumn, Embeddings columns) {
        ColumnFactors ofColumns = factors == null ? null : factors.from(firstColumn);
        workers.run(tallies.length, strip -> add(strip, excluded, ofColumns, columns));
        return this;
    }

    /**
     * Adds to row i the similarities of anchor i and columns, of which as many as there are rows are taken, except for those that are
     * excluded.
     */
    DenseForward addFurther(Workers workers, Exclusion excluded, Embeddings anchors, Embeddings columns) {
        workers.run(tallies.length, strip -> addFurther(strip, excluded, anchors, columns));
        return this;
    }

    /** Adds the negatives of each row's own: rows i perRow ... i perRow + perRow - 1 of own are row i's. */
    DenseForward addOwn(Workers workers, Embeddings own, int perRow) {
        workers.run(tallies.length, strip -> addOwn(strip, own, perRow));
        return this;
    }

    /** After all columns. A row's objective is scales[row] times its loss. */
    DenseForward finish(Workers workers, double[] scales) {
        workers.run(tallies.length, strip -> finish(strip, scales));
        for (Tally part : tallies) {
            tally.add(part);
        }
        return this;
    }

    /** The first row with a number beyond the range of float64, or -1. */
    int firstOverflow() {
        for (int row = 0; row < count; row++) {
            if (!states[row].isFinite() || !Double.isFinite(losses[row])) {
                return row;
            }
        }
        return -1;
    }

    private void add(int strip, Exclusion excluded, ColumnFactors ofColumns, Embeddings columns) {
        int first = strip * STRIP;
        int height = Math.min(STRIP, count - first);
        Tally sums = tallies[strip];
        double[] similarities = new double[Rows.BLOCK];
        double[] cosines = new double[Rows.BLOCK];
        double[] ofPositives = new double[Rows.BLOCK];
        double[] ofBlock = ofColumns == null ? null : new double[Rows.BLOCK];
        int[] places = new int[Rows.BLOCK];
        for (int block = 0; block < columns.vectors().blockCount(); block++) {
            int firstColumn = block * Rows.BLOCK;
            int width = columns.vectors().width(block);
            for (int row = first; row < first + height; row++) {
                measure.similarities(rows.vectors(), row, columns.vectors(), block, similarities);
                double potentials = 0.0;
                if (topK > 0) {
                    potentials = potentials(row, columns.units(), block, similarities, cosines, excluded);
                }
                if (states[row].positives != null) {
                    int alike = excluded.byGroup(row, count, firstColumn, width, places);
                    for (int k = 0; k < alike; k++) {
                        ofPositives[k] = similarities[places[k]];
                    }
                    loss.function.add(states[row].positives, ofPositives, alike);
                }
                if (ofColumns != null) {
                    ofColumns.copy(firstColumn, width, ofBlock);
                }
                int kept = addNegatives(row, excluded, similarities, ofBlock, firstColumn, width);
                negatives[row] += kept;
                if (topK > 0) {
                    double positive = states[row].positive;
                    double sum = 0.0;
                    for (int k = 0; k < kept; k++) {
                        sum += similarities[k];
                        moreSimilar[row] += similarities[k] > positive ? 1 : 0;
                        asSimilar[row] += similarities[k] == positive ? 1 : 0;
                    }
                    sums.negatives(kept, sum, potentials);
                }
            }
        }
    }

    private void addFurther(int strip, Exclusion excluded, Embeddings anchors, Embeddings columns) {
        int first = strip * STRIP;
        int height = Math.min(STRIP, count - first);
        double[] similarities = new double[Rows.BLOCK];
        for (int block = 0; block < Rows.blockCount(count); block++) {
            int firstColumn = block * Rows.BLOCK;
            int width = Math.min(Rows.BLOCK, count - firstColumn);
            for (int row = first; row < first + height; row++) {
                measure.similarities(anchors.vectors(), row, columns.vectors(), block, similarities);
                further[row] += addNegatives(row, excluded, similarities, null, firstColumn, width);
            }
        }
    }

    private void addOwn(int strip, Embeddings own, int perRow) {
        int first = strip * STRIP;
        int height = Math.min(STRIP, count - first);
        double[] similarities = new double[Math.min(Rows.BLOCK, perRow)];
        double[] ofOwn = factors == null ? null : new double[similarities.length];
        if (ofOwn != null) {
            Arrays.fill(ofOwn, factors.ofOwn());
        }
        for (int row = first; row < first + height; row++) {
            for (int done = 0; done < perRow; done += similarities.length) {
                int width = Math.min(similarities.length, perRow - done);
                int firstOwn = row * perRow + done;
                measure.similaritiesOfOwn(rows.vectors(), row, own.vectors(), firstOwn, width, similarities);
                if (topK > 0) {
                    tallyOwn(tallies[strip], row, own.units(), firstOwn, similarities, width);
                }
                int kept = dropAbove(states[row].limit, similarities, null, width);
                negatives[row] += kept;
                loss.function.add(states[row], similarities, ofOwn, kept);
            }
        }
    }

    private void tallyOwn(Tally sums, int row, Rows units, int firstOwn, double[] similarities, int width) {
        int dim = rows.dim();
        double positive = states[row].positive;
        for (int k = 0; k < width; k++) {
            double s = similarities[k];
            if (s > states[row].limit) {
                continue;
            }
            double squaredDistance = Kernels.squaredDistance(
                    rows.units().blockOf(row),
                    Rows.offset(row, dim),
                    units.blockOf(firstOwn + k),
                    Rows.offset(firstOwn + k, dim),
                    dim);
            sums.negative(s, squaredDistance);
            moreSimilar[row] += s > positive ? 1 : 0;
            asSimilar[row] += s == positive ? 1 : 0;
        }
    }

    /**
     * Adds the negatives of a row among the columns of a block, which come first then, and their factors too, unless they have none; how
     * many they are.
     */
    private int addNegatives(
            int row, Exclusion excluded, double[] similarities, double[] ofColumns, int firstColumn, int width) {
        int kept = excluded.drop(row, count, similarities, firstColumn, width);
        if (ofColumns != null) {
            excluded.drop(row, count, ofColumns, firstColumn, width);
        }
        if (states[row].limit < Double.POSITIVE_INFINITY) {
            kept = dropAbove(states[row].limit, similarities, ofColumns, kept);
        }
        loss.function.add(states[row], similarities, ofColumns, kept);
        return kept;
    }

    /** Moves the values above a limit out of the first count of values, and what is of them beside, the rest keeping its order; how many stay. */
    private static int dropAbove(double limit, double[] values, double[] beside, int count) {
        int kept = 0;
        for (int k = 0; k < count; k++) {
            if (!(values[k] > limit)) {
                if (beside != null) {
                    beside[kept] = beside[k];
                }
                values[kept++] = values[k];
            }
        }
        return kept;
    }

    private void finish(int strip, double[] scales) {
        for (int row = strip * STRIP; row < Math.min(count, (strip + 1) * STRIP); row++) {
            Row state = states[row];
            losses[row] = loss.loss(state);
            temperatureSlopes[row] = scales[row] * loss.temperatureSlope(state);
            biasSlopes[row] = scales[row] * loss.biasSlope(state);
            positiveFactors[row] =
                    pairing.hasOnePositive() ? scales[row] * loss.positiveSlope(state) / temperature : 0.0;
            slopes.keep(row, state, scales[row]);
            if (topK > 0) {
                Tally sums = tallies[strip];
                sums.row(state.positiveCount, negatives[row]);
                if (state.positiveCount > 0) {
                    sums.rank(moreSimilar[row], asSimilar[row], topK);
                    sums.positive(state.positive, pairing.hasOnePositive() ? positiveSquaredDistance(row) : Double.NaN);
                    sums.effectiveNegatives(loss.effectiveNegatives(state), negatives[row] + further[row]);
                }
            }
        }
    }

    private double positiveSimilarity(int row) {
        int partner = pairing.positive(row, count);
        int dim = rows.dim();
        return measure.similarity(
                rows.vectors().blockOf(row),
                Rows.offset(row, dim),
                partners.vectors().blockOf(partner),
                Rows.offset(partner, dim),
                dim);
    }

    private double positiveSquaredDistance(int row) {
        int partner = pairing.positive(row, count);
        int dim = rows.dim();
        return Kernels.squaredDistance(
                rows.units().blockOf(row),
                Rows.offset(row, dim),
                partners.units().blockOf(partner),
                Rows.offset(partner, dim),
                dim);
    }

    /** The sum of the potentials of a row and the negatives of one block. */
    private double potentials(
            int row, Rows units, int block, double[] similarities, double[] cosines, Exclusion excluded) {
        int width = units.width(block);
        int firstColumn = block * Rows.BLOCK;
        if (measure.isOfUnitRows()) {
            System.arraycopy(similarities, 0, cosines, 0, width);
        } else {
            Kernels.dots(
                    rows.units().blockOf(row),
                    Rows.offset(row, rows.dim()),
                    units.panel(block),
                    width,
                    rows.dim(),
                    cosines);
        }
        double squaredNorm = rows.units().squaredUnitNorm(row);
        for (int k = 0; k < width; k++) {
            double squaredDistance = squaredNorm + units.squaredUnitNorm(firstColumn + k) - 2.0 * cosines[k];
            cosines[k] = Tally.potential(Math.max(squaredDistance, 0.0));
        }
        excluded.clear(row, count, cosines, firstColumn, width);
        double limit = states[row].limit;
        double sum = 0.0;
        for (int k = 0; k < width; k++) {
            sum += similarities[k] > limit ? 0.0 : cosines[k];
        }
        return sum;
    }
}
