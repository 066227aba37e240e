package dev.infonce.suite;

import dev.infonce.Distance;
import dev.infonce.Metrics;
import dev.infonce.Reduction;
import dev.infonce.Triplet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/** The rows of one tower with labels, in float64: their distances, who is alike, and what losses and slopes of pairs make of them. */
abstract class TowerOracle {
    private static final double RELATIVE_ERROR = 1e-5;

    final Case c;
    final double[][] x;
    final double[] norms;
    final double[][] units;
    final double[][] distances;
    final int[] labels;

    private final Distance distance;

    TowerOracle(Case c, Distance distance) {
        this.c = c;
        this.distance = distance;
        this.x = c.queries();
        this.labels = c.labels();
        this.norms = Arrays.stream(x).mapToDouble(Oracle::norm).toArray();
        this.units = IntStream.range(0, x.length)
                .mapToObj(i -> Arrays.stream(x[i])
                        .map(v -> norms[i] == 0 ? 0 : v / norms[i])
                        .toArray())
                .toArray(double[][]::new);
        this.distances = new double[x.length][x.length];
        for (int i = 0; i < x.length; i++) {
            for (int j = 0; j < x.length; j++) {
                distances[i][j] = distance(i, j);
            }
        }
    }

    private double distance(int i, int j) {
        return switch (distance) {
            case EUCLIDEAN -> Oracle.norm(difference(x[i], x[j]));
            case SQUARED_EUCLIDEAN -> Oracle.dot(difference(x[i], x[j]), difference(x[i], x[j]));
            case COSINE -> 1 - Oracle.dot(units[i], units[j]);
        };
    }

    private static double[] difference(double[] a, double[] b) {
        return IntStream.range(0, a.length).mapToDouble(d -> a[d] - b[d]).toArray();
    }

    final int[] positives(int anchor) {
        return IntStream.range(0, x.length)
                .filter(j -> labels[anchor] >= 0 && j != anchor && labels[j] == labels[anchor])
                .toArray();
    }

    final int[] negatives(int anchor) {
        return IntStream.range(0, x.length)
                .filter(j -> labels[anchor] >= 0 && labels[j] != labels[anchor])
                .toArray();
    }

    /** What the oracle of a case with such a loss is. */
    static TowerOracle of(Case c) {
        return c.loss() instanceof Triplet ? new MinedOracle(c) : new PairsOracle(c);
    }

    /** What metrics call a similarity. */
    abstract double similarity(int i, int j);

    /** Of an anchor. */
    abstract double loss(int anchor);

    /** How often an anchor counts in the mean. */
    abstract double count(int anchor);

    /** Calls slopes.add for each slope of the anchor's loss by a distance. */
    abstract void slopes(int anchor, Slopes slopes);

    /** Where slopes go. */
    interface Slopes {
        void add(int row, double slope);
    }

    final int nearest(int anchor, int[] of) {
        double least =
                Arrays.stream(of).mapToDouble(j -> distances[anchor][j]).min().orElseThrow();
        return Arrays.stream(of)
                .filter(j -> distances[anchor][j] == least)
                .findFirst()
                .orElseThrow();
    }

    private double weight(int row) {
        return c.weights() == null ? 1 : c.weights()[row];
    }

    private double divisor() {
        if (c.loss().reduction() != Reduction.MEAN) {
            return 1;
        }
        return IntStream.range(0, x.length)
                .mapToDouble(a -> weight(a) * count(a))
                .sum();
    }

    private double scale(int row, double divisor) {
        double upstream = c.upstream() == null ? 1 : c.upstream()[c.upstream().length == 1 ? 0 : row];
        return divisor == 0 ? 0 : weight(row) / divisor * upstream;
    }

    /** As of {@link Oracle}. */
    double objective() {
        double divisor = divisor();
        return IntStream.range(0, x.length)
                .mapToDouble(a -> scale(a, divisor) * loss(a))
                .sum();
    }

    /** As of {@link Oracle}. */
    Result evaluate(int topK) {
        double divisor = divisor();
        double[] weighted = IntStream.range(0, x.length)
                .mapToDouble(a -> weight(a) * loss(a))
                .toArray();
        double[][] gradients = new double[x.length][x[0].length];
        double[] size = {0};
        for (int a = 0; a < x.length; a++) {
            int anchor = a;
            double scale = scale(a, divisor);
            slopes(a, (row, slope) -> {
                if (scale * slope != 0) {
                    size[0] += addGradient(gradients, anchor, row, scale * slope);
                }
            });
        }
        boolean none = c.loss().reduction() == Reduction.NONE;
        double sum = DoubleStream.of(weighted).sum();
        return new Result(
                none ? Double.NaN : divisor == 0 ? 0 : sum / divisor,
                none ? weighted : new double[0],
                gradients,
                null,
                null,
                0,
                0,
                metrics(topK),
                new Result.Sizes(0, 0, size[0], 0, 0, 0));
    }

    /** By both rows of a pair. Returns the size of what was added. */
    private double addGradient(double[][] gradients, int i, int j, double slope) {
        return addOneSide(gradients[i], i, j, slope) + addOneSide(gradients[j], j, i, slope);
    }

    private double addOneSide(double[] gradient, int i, int j, double slope) {
        double size = 0;
        for (int d = 0; d < gradient.length; d++) {
            double term = slope * derivative(i, j, d);
            gradient[d] += term;
            size = Math.max(size, Math.abs(term));
        }
        boolean ofUnits = distance == Distance.COSINE && norms[i] > 0;
        return size + (ofUnits ? Math.abs(slope) / norms[i] : 0); // whose terms cancel in near rows
    }

    /** Of the distance of rows i and j by element d of row i. */
    private double derivative(int i, int j, int d) {
        double length = distances[i][j];
        return switch (distance) {
            case EUCLIDEAN -> length == 0 ? 0 : (x[i][d] - x[j][d]) / length;
            case SQUARED_EUCLIDEAN -> 2 * (x[i][d] - x[j][d]);
            case COSINE -> norms[i] == 0 || norms[j] == 0 ? 0 : ((1 - length) * units[i][d] - units[j][d]) / norms[i];
        };
    }

    private Metrics metrics(int topK) {
        List<Double> top1 = new ArrayList<>();
        List<Double> topk = new ArrayList<>();
        List<Double> positives = new ArrayList<>();
        List<Double> negatives = new ArrayList<>();
        List<Double> alignments = new ArrayList<>();
        List<Double> potentials = new ArrayList<>();
        int withoutPositives = 0;
        int withoutNegatives = 0;
        for (int a = 0; a < x.length; a++) {
            withoutPositives += positives(a).length == 0 ? 1 : 0;
            withoutNegatives += negatives(a).length == 0 ? 1 : 0;
            for (int p : positives(a)) {
                positives.add(similarity(a, p));
                alignments.add(unitSquaredDistance(a, p));
            }
            for (int n : negatives(a)) {
                negatives.add(similarity(a, n));
                potentials.add(Math.exp(-2 * unitSquaredDistance(a, n)));
            }
            if (positives(a).length > 0 && negatives(a).length > 0) {
                double[] from = distances[a];
                double bar = from[nearest(a, positives(a))];
                long nearer =
                        Arrays.stream(negatives(a)).filter(n -> from[n] < bar).count();
                long same =
                        Arrays.stream(negatives(a)).filter(n -> from[n] == bar).count();
                top1.add(Oracle.chanceOfBeingAmong(1, nearer, same));
                topk.add(Oracle.chanceOfBeingAmong(topK, nearer, same));
            }
        }
        long zeros = Arrays.stream(norms).filter(norm -> norm == 0).count();
        return new Metrics(
                mean(top1),
                mean(topk),
                mean(positives),
                mean(negatives),
                mean(alignments),
                Math.log(mean(potentials)),
                Double.NaN,
                x.length,
                zeros,
                0,
                withoutPositives,
                withoutNegatives);
    }

    private double unitSquaredDistance(int i, int j) {
        double[] difference = difference(units[i], units[j]);
        return Oracle.dot(difference, difference);
    }

    private static double mean(List<Double> values) {
        return values.stream().mapToDouble(v -> v).average().orElse(Double.NaN);
    }

    /** Likewise with errors that the devices promise of no more than. */
    static boolean isAmbiguous(Case c) {
        TowerOracle oracle = of(c);
        double largest = Arrays.stream(oracle.distances)
                .flatMapToDouble(Arrays::stream)
                .max()
                .orElseThrow();
        return oracle.isAmbiguous(RELATIVE_ERROR * largest);
    }

    /**
     * Whether distances that are off by up to error could be ranked otherwise, or put a pair on another side of a kink. Rows that
     * are the same to the last bit are as far from anything, so that those are true ties.
     */
    abstract boolean isAmbiguous(double error);

    /** Whether distances of an anchor, that are off by up to error, could be ranked otherwise. */
    final boolean areNear(int anchor, double error) {
        double[] from = distances[anchor];
        int[] others = IntStream.concat(Arrays.stream(positives(anchor)), Arrays.stream(negatives(anchor)))
                .toArray();
        for (int i : others) {
            for (int j : others) {
                if (Math.abs(from[i] - from[j]) <= error && !Arrays.equals(x[i], x[j])) {
                    return true;
                }
            }
        }
        return false;
    }
}
