package dev.infonce.suite;

import dev.infonce.Distance;
import dev.infonce.Metrics;
import dev.infonce.Mining;
import dev.infonce.Reduction;
import dev.infonce.Triplet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * Triplets mined in a batch, from their definitions alone: every anchor with every positive and every negative, in float64. It tells
 * whether a selection, or whether a triplet costs anything, hangs on the last digits of distances, so that another arithmetic may
 * decide otherwise.
 */
final class MinedOracle {
    private static final double RELATIVE_ERROR = 1e-5;

    private final Case c;
    private final Triplet loss;
    private final double[][] x;
    private final double[] norms;
    private final double[][] units;
    private final double[][] distances;
    private final int[] labels;
    private final List<List<Choice>> choices;

    private record Choice(int positive, int negative) {}

    MinedOracle(Case c) {
        this.c = c;
        this.loss = (Triplet) c.loss();
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
        this.choices = IntStream.range(0, x.length).mapToObj(this::choices).toList();
    }

    private double distance(int i, int j) {
        return switch (loss.distance()) {
            case EUCLIDEAN -> Oracle.norm(difference(x[i], x[j]));
            case SQUARED_EUCLIDEAN -> Oracle.dot(difference(x[i], x[j]), difference(x[i], x[j]));
            case COSINE -> 1 - Oracle.dot(units[i], units[j]);
        };
    }

    private static double[] difference(double[] a, double[] b) {
        return IntStream.range(0, a.length).mapToDouble(d -> a[d] - b[d]).toArray();
    }

    private int[] positives(int anchor) {
        return IntStream.range(0, x.length)
                .filter(j -> labels[anchor] >= 0 && j != anchor && labels[j] == labels[anchor])
                .toArray();
    }

    private int[] negatives(int anchor) {
        return IntStream.range(0, x.length)
                .filter(j -> labels[anchor] >= 0 && labels[j] != labels[anchor])
                .toArray();
    }

    private List<Choice> choices(int anchor) {
        int[] positives = positives(anchor);
        int[] negatives = negatives(anchor);
        if (positives.length == 0 || negatives.length == 0) {
            return List.of();
        }
        return switch (loss.mining()) {
            case NONE -> throw new IllegalArgumentException("nothing is mined");
            case BATCH_ALL -> all(positives, negatives);
            case BATCH_HARD -> List.of(new Choice(farthest(anchor, positives), nearest(anchor, negatives)));
            case SEMI_HARD ->
                Arrays.stream(positives)
                        .mapToObj(p -> new Choice(p, semiHard(anchor, p, negatives)))
                        .toList();
            case EASY_POSITIVE -> List.of(new Choice(nearest(anchor, positives), nearest(anchor, negatives)));
            case BATCH_EASY -> List.of(new Choice(nearest(anchor, positives), farthest(anchor, negatives)));
        };
    }

    private static List<Choice> all(int[] positives, int[] negatives) {
        List<Choice> all = new ArrayList<>();
        for (int p : positives) {
            for (int n : negatives) {
                all.add(new Choice(p, n));
            }
        }
        return all;
    }

    private int semiHard(int anchor, int positive, int[] negatives) {
        int[] farther = Arrays.stream(negatives)
                .filter(n -> distances[anchor][n] > distances[anchor][positive])
                .toArray();
        return farther.length > 0 ? nearest(anchor, farther) : farthest(anchor, negatives);
    }

    private int nearest(int anchor, int[] of) {
        double least =
                Arrays.stream(of).mapToDouble(j -> distances[anchor][j]).min().orElseThrow();
        return Arrays.stream(of)
                .filter(j -> distances[anchor][j] == least)
                .findFirst()
                .orElseThrow();
    }

    private int farthest(int anchor, int[] of) {
        double most =
                Arrays.stream(of).mapToDouble(j -> distances[anchor][j]).max().orElseThrow();
        return Arrays.stream(of)
                .filter(j -> distances[anchor][j] == most)
                .findFirst()
                .orElseThrow();
    }

    private double excess(int anchor, Choice choice) {
        return distances[anchor][choice.positive] - distances[anchor][choice.negative] + loss.margin();
    }

    private double cost(double excess) {
        return loss.softMargin() ? Oracle.minusLogSigmoid(-excess) : Math.max(0, excess);
    }

    private double slope(double excess) {
        return loss.softMargin() ? Oracle.sigmoid(excess) : excess > 0 ? 1 : 0;
    }

    /** How often an anchor counts in the mean. */
    private double count(int anchor) {
        boolean onlyCostly = loss.mining() == Mining.BATCH_ALL && !loss.softMargin();
        return choices.get(anchor).stream()
                .filter(choice -> !onlyCostly || excess(anchor, choice) > 0)
                .count();
    }

    private double loss(int anchor) {
        return choices.get(anchor).stream()
                .mapToDouble(choice -> cost(excess(anchor, choice)))
                .sum();
    }

    private double weight(int row) {
        return c.weights() == null ? 1 : c.weights()[row];
    }

    private double divisor() {
        if (loss.reduction() != Reduction.MEAN) {
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
        double size = 0;
        for (int a = 0; a < x.length; a++) {
            double scale = scale(a, divisor);
            for (Choice choice : choices.get(a)) {
                double slope = scale * slope(excess(a, choice));
                if (slope == 0) {
                    continue;
                }
                size += addGradient(gradients, a, choice.positive, slope);
                size += addGradient(gradients, a, choice.negative, -slope);
            }
        }
        boolean none = loss.reduction() == Reduction.NONE;
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
                new Result.Sizes(0, 0, size, 0, 0, 0));
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
        boolean ofUnits = loss.distance() == Distance.COSINE && norms[i] > 0;
        return size + (ofUnits ? Math.abs(slope) / norms[i] : 0); // whose terms cancel in near rows
    }

    /** Of the distance of rows i and j by element d of row i. */
    private double derivative(int i, int j, int d) {
        double length = distances[i][j];
        return switch (loss.distance()) {
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
                positives.add(-distances[a][p]);
                alignments.add(unitSquaredDistance(a, p));
            }
            for (int n : negatives(a)) {
                negatives.add(-distances[a][n]);
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
        MinedOracle oracle = new MinedOracle(c);
        double largest = Arrays.stream(oracle.distances)
                .flatMapToDouble(Arrays::stream)
                .max()
                .orElseThrow();
        return oracle.isAmbiguous(RELATIVE_ERROR * largest);
    }

    /**
     * Whether distances that are off by up to error could be ranked otherwise, or make another triplet cost something. Rows that
     * are the same to the last bit are as far from anything, so that those are true ties.
     */
    boolean isAmbiguous(double error) {
        return IntStream.range(0, x.length).anyMatch(a -> isAmbiguous(a, error));
    }

    private boolean isAmbiguous(int anchor, double error) {
        double[] from = distances[anchor];
        int[] positives = positives(anchor);
        int[] negatives = negatives(anchor);
        int[] others = IntStream.concat(Arrays.stream(positives), Arrays.stream(negatives))
                .toArray();
        for (int i : others) {
            for (int j : others) {
                if (Math.abs(from[i] - from[j]) <= error && !Arrays.equals(x[i], x[j])) {
                    return true;
                }
            }
        }
        if (loss.softMargin()) {
            return false;
        }
        for (int p : positives) {
            for (int n : negatives) {
                boolean near = Math.abs(from[p] - from[n] + loss.margin()) <= error;
                if (near && !(loss.margin() == 0 && Arrays.equals(x[p], x[n]))) {
                    return true;
                }
            }
        }
        return false;
    }
}
