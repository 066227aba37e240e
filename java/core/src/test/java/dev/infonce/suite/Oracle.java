package dev.infonce.suite;

import dev.infonce.Distance;
import dev.infonce.InfoNce;
import dev.infonce.Metrics;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Triplet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The losses as their papers write them, pair by pair in float64, with no thought of speed: what every device is compared
 * with. Gradients follow the chain rule from each term to each pair to each vector; OracleTest checks them by central
 * differences.
 */
public final class Oracle {
    private final Case c;
    private final Similarity similarity;
    private final Distance distance;
    private final double[][] vectors;
    private final double[][] gradients;
    private final double[] norms;
    private final double[][] units;
    private final double[] rowLosses;
    private double dTemperature;
    private double gradientSize;
    private double temperatureSize;
    private double temperatureByRow;

    private Oracle(Case c) {
        this.c = c;
        Map<String, Object> components = c.loss().components();
        this.similarity = (Similarity) components.get("similarity");
        this.distance = (Distance) components.get("distance");
        this.vectors = Stream.of(c.queries(), c.keys(), c.negatives())
                .filter(rows -> rows != null)
                .flatMap(Arrays::stream)
                .toArray(double[][]::new);
        this.gradients = new double[vectors.length][(int) c.shape().dim()];
        this.norms = Arrays.stream(vectors).mapToDouble(Oracle::norm).toArray();
        this.units = IntStream.range(0, vectors.length).mapToObj(this::unit).toArray(double[][]::new);
        this.rowLosses = new double[c.rows()];
    }

    private double[] unit(int i) {
        double norm = norms[i] == 0 ? 1 : norms[i];
        return Arrays.stream(vectors[i]).map(v -> v / norm).toArray();
    }

    /** Loss, gradients and metrics of a case with metrics of this k. */
    public static Result evaluate(Case c, int topK) {
        return new Oracle(c).evaluate(topK);
    }

    /** Likewise, with the metrics that plans have by default. */
    public static Result evaluate(Case c) {
        return evaluate(c, 5);
    }

    /** The caller's objective, whose gradients evaluate gives: the loss, or the sum of row losses, times upstream. */
    static double objective(Case c) {
        Oracle oracle = new Oracle(c);
        double sum = 0;
        for (Terms.Term term : Terms.of(c).terms()) {
            sum += oracle.scale(term.row(), true) * term.share() * oracle.term(term, 0);
        }
        return sum;
    }

    private Result evaluate(int topK) {
        Terms terms = Terms.of(c);
        for (Terms.Term term : terms.terms()) {
            double before = dTemperature;
            rowLosses[term.row()] += term.share() * term(term, scale(term.row(), true) * term.share());
            temperatureByRow += Math.abs(dTemperature - before);
        }
        double loss = 0;
        double[] weighted = new double[rowLosses.length];
        for (int i = 0; i < rowLosses.length; i++) {
            loss += scale(i, false) * rowLosses[i];
            weighted[i] = weight(i) * rowLosses[i];
        }
        boolean none = c.loss().reduction() == Reduction.NONE;
        int keysFrom = c.queries().length;
        int negativesFrom = keysFrom + (c.keys() == null ? 0 : c.keys().length);
        return new Result(
                none ? Double.NaN : loss,
                none ? weighted : new double[0],
                Arrays.copyOfRange(gradients, 0, keysFrom),
                c.keys() == null ? null : Arrays.copyOfRange(gradients, keysFrom, negativesFrom),
                c.negatives() == null ? null : Arrays.copyOfRange(gradients, negativesFrom, gradients.length),
                dTemperature,
                metrics(terms, topK),
                new Result.Sizes(gradientSize, temperatureSize, temperatureByRow));
    }

    private double weight(int row) {
        return c.weights() == null ? 1 : c.weights()[row];
    }

    /** The derivative of the loss, or of the caller's objective, by a row's loss. */
    private double scale(int row, boolean ofObjective) {
        double scale = weight(row);
        if (c.loss().reduction() == Reduction.MEAN) {
            double sum = 0;
            for (int i = 0; i < rowLosses.length; i++) {
                sum += weight(i);
            }
            scale = sum == 0 ? 0 : scale / sum;
        }
        if (ofObjective && c.upstream() != null) {
            scale *= c.upstream()[c.upstream().length == 1 ? 0 : row];
        }
        return scale;
    }

    /** A term's loss; its gradients times scale are added up. */
    private double term(Terms.Term term, double scale) {
        return switch (c.loss()) {
            case InfoNce _, NtXent _ -> softmax(term, scale);
            case NtLogistic loss -> logistic(term, scale, loss.negativeReduction());
            case PairwiseContrastive loss -> pair(term, scale, loss.margin());
            case Triplet loss -> triplet(term, scale, loss.margin());
        };
    }

    /** log(1 + sum_j exp((s_j - s_+) / tau)). */
    private double softmax(Terms.Term term, double scale) {
        double tau = c.temperature();
        double positive = similarity(term.anchor(), term.positive());
        double[] above = Arrays.stream(term.negatives())
                .mapToDouble(j -> similarity(term.anchor(), j) - positive)
                .toArray();
        double shift = Math.max(0, Arrays.stream(above).max().orElse(0) / tau);
        double sum = Arrays.stream(above).map(a -> Math.exp(a / tau - shift)).sum();
        if (scale != 0) {
            double total = Math.exp(-shift) + sum;
            double all = 0;
            for (int k = 0; k < above.length; k++) {
                double probability = Math.exp(above[k] / tau - shift) / total;
                addSimilarityGradient(term.anchor(), term.negatives()[k], scale * probability / tau);
                dTemperature -= scale * probability * above[k] / (tau * tau);
                double size = Math.abs(above[k] + positive) + Math.abs(positive);
                temperatureSize += Math.abs(scale) * probability * size / (tau * tau);
                all += probability;
            }
            addSimilarityGradient(term.anchor(), term.positive(), -scale * all / tau);
        }
        return shift == 0 ? Math.log1p(sum) : shift + Math.log(Math.exp(-shift) + sum);
    }

    /** -log sigmoid(s_+ / tau) - the sum, or the mean, of log sigmoid(-s_j / tau). */
    private double logistic(Terms.Term term, double scale, Reduction negativeReduction) {
        double tau = c.temperature();
        double positive = similarity(term.anchor(), term.positive());
        int count = term.negatives().length;
        double share = negativeReduction == Reduction.MEAN && count > 0 ? 1.0 / count : 1.0;
        double loss = minusLogSigmoid(positive / tau);
        double slope = -sigmoid(-positive / tau);
        addSimilarityGradient(term.anchor(), term.positive(), scale * slope / tau);
        dTemperature -= scale * slope * positive / (tau * tau);
        temperatureSize += Math.abs(scale * slope * positive) / (tau * tau);
        for (int j : term.negatives()) {
            double s = similarity(term.anchor(), j);
            loss += share * minusLogSigmoid(-s / tau);
            slope = share * sigmoid(s / tau);
            addSimilarityGradient(term.anchor(), j, scale * slope / tau);
            dTemperature -= scale * slope * s / (tau * tau);
            temperatureSize += Math.abs(scale * slope * s) / (tau * tau);
        }
        return loss;
    }

    private double pair(Terms.Term term, double scale, double margin) {
        boolean alike = term.positive() >= 0;
        int other = alike ? term.positive() : term.negatives()[0];
        double d = distance(term.anchor(), other);
        double missing = alike ? d : Math.max(0, margin - d);
        addDistanceGradient(term.anchor(), other, scale * (alike ? missing : -missing));
        return missing * missing / 2;
    }

    private double triplet(Terms.Term term, double scale, double margin) {
        double missing =
                distance(term.anchor(), term.positive()) - distance(term.anchor(), term.negatives()[0]) + margin;
        if (missing > 0) {
            addDistanceGradient(term.anchor(), term.positive(), scale);
            addDistanceGradient(term.anchor(), term.negatives()[0], -scale);
        }
        return Math.max(0, missing);
    }

    static double minusLogSigmoid(double z) {
        return z > 0 ? Math.log1p(Math.exp(-z)) : -z + Math.log1p(Math.exp(z));
    }

    static double sigmoid(double z) {
        return Math.exp(-minusLogSigmoid(z));
    }

    private double similarity(int i, int j) {
        return switch (similarity) {
            case COSINE -> cosine(i, j);
            case DOT -> dot(vectors[i], vectors[j]);
            case NEGATIVE_SQUARED_EUCLIDEAN -> -squaredNorm(minus(vectors[i], vectors[j]));
            case NEGATIVE_EUCLIDEAN -> -norm(minus(vectors[i], vectors[j]));
        };
    }

    private double distance(int i, int j) {
        return switch (distance) {
            case COSINE -> 1 - cosine(i, j);
            case SQUARED_EUCLIDEAN -> squaredNorm(minus(vectors[i], vectors[j]));
            case EUCLIDEAN -> norm(minus(vectors[i], vectors[j]));
        };
    }

    private double cosine(int i, int j) {
        if (norms[i] == 0 || norms[j] == 0) {
            return 0;
        }
        return dot(units[i], units[j]);
    }

    private void addSimilarityGradient(int i, int j, double factor) {
        switch (similarity) {
            case COSINE -> {
                addCosineGradient(i, j, factor);
                addCosineGradient(j, i, factor);
            }
            case DOT -> {
                add(i, factor, vectors[j]);
                add(j, factor, vectors[i]);
            }
            case NEGATIVE_SQUARED_EUCLIDEAN -> addEuclideanGradient(i, j, factor, d -> -2 * d);
            case NEGATIVE_EUCLIDEAN -> addEuclideanGradient(i, j, factor, _ -> -1);
        }
    }

    private void addDistanceGradient(int i, int j, double factor) {
        switch (distance) {
            case COSINE -> {
                addCosineGradient(i, j, -factor);
                addCosineGradient(j, i, -factor);
            }
            case SQUARED_EUCLIDEAN -> addEuclideanGradient(i, j, factor, d -> 2 * d);
            case EUCLIDEAN -> addEuclideanGradient(i, j, factor, _ -> 1);
        }
    }

    /** d cos(i, j) / d i = (y^ - cos x^) / |x|; 0 where either is zero. */
    private void addCosineGradient(int i, int j, double factor) {
        if (norms[i] == 0 || norms[j] == 0) {
            return;
        }
        double cosine = cosine(i, j);
        double slope = factor / norms[i];
        gradientSize += Math.abs(slope);
        for (int d = 0; d < vectors[i].length; d++) {
            gradients[i][d] += slope * (units[j][d] - cosine * units[i][d]);
        }
    }

    /** The gradient of f(|x - y|), given f', is f' (x - y) / |x - y| by x; 0 where x = y. */
    private void addEuclideanGradient(int i, int j, double factor, DoubleUnaryOperator slope) {
        double[] difference = minus(vectors[i], vectors[j]);
        double d = norm(difference);
        if (d > 0) {
            double[] direction = Arrays.stream(difference).map(v -> v / d).toArray();
            add(i, factor * slope.applyAsDouble(d), direction);
            add(j, -factor * slope.applyAsDouble(d), direction);
        }
    }

    private void add(int i, double factor, double[] by) {
        gradientSize += Math.abs(factor) * norm(by);
        for (int d = 0; d < by.length; d++) {
            gradients[i][d] += factor * by[d];
        }
    }

    private Metrics metrics(Terms terms, int topK) {
        boolean margin = c.loss().hasMargin();
        boolean ranks = !c.loss().takesLabels();
        boolean softmax = switch (c.loss()) {
            case InfoNce _, NtXent _ -> true;
            case NtLogistic _, PairwiseContrastive _, Triplet _ -> false;
        };
        List<Double> top1 = new ArrayList<>();
        List<Double> topk = new ArrayList<>();
        List<Double> positives = new ArrayList<>();
        List<Double> negatives = new ArrayList<>();
        List<Double> alignments = new ArrayList<>();
        List<Double> potentials = new ArrayList<>();
        List<Double> effective = new ArrayList<>();
        boolean[] done = new boolean[terms.rows()];
        for (Terms.Term term : terms.terms()) {
            if (done[term.row()]) {
                continue; // a symmetric loss's second term: metrics are of the rows
            }
            done[term.row()] = true;
            int i = term.anchor();
            double positive = Double.NaN;
            if (term.positive() >= 0) {
                positive = margin ? -distance(i, term.positive()) : similarity(i, term.positive());
                positives.add(positive);
                alignments.add(unitSquaredDistance(i, term.positive()));
            }
            double[] s = Arrays.stream(term.negatives())
                    .mapToDouble(j -> margin ? -distance(i, j) : similarity(i, j))
                    .toArray();
            double bar = positive;
            long above = Arrays.stream(s).filter(v -> v > bar).count();
            long same = Arrays.stream(s).filter(v -> v == bar).count();
            if (ranks) {
                top1.add(chanceOfBeingAmong(1, above, same));
                topk.add(chanceOfBeingAmong(topK, above, same));
            }
            for (int k = 0; k < s.length; k++) {
                negatives.add(s[k]);
                potentials.add(Math.exp(-2 * unitSquaredDistance(i, term.negatives()[k])));
            }
            if (softmax && s.length > 0) {
                effective.add(Math.exp(entropy(s)));
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
                mean(effective),
                terms.rows(),
                zeros,
                0);
    }

    /** The positive's chance to be among the first k, ties broken at random: it is on each of 1 + same places as likely. */
    private static double chanceOfBeingAmong(int k, long above, long same) {
        double chance = 0;
        for (long place = above; place <= above + same; place++) {
            chance += place < k ? 1.0 / (1 + same) : 0;
        }
        return chance;
    }

    private double entropy(double[] s) {
        double max = Arrays.stream(s).max().orElseThrow();
        double[] e =
                Arrays.stream(s).map(v -> Math.exp((v - max) / c.temperature())).toArray();
        double sum = Arrays.stream(e).sum();
        return -Arrays.stream(e)
                .map(v -> v / sum)
                .filter(p -> p > 0)
                .map(p -> p * Math.log(p))
                .sum();
    }

    private double unitSquaredDistance(int i, int j) {
        return squaredNorm(minus(units[i], units[j]));
    }

    private static double mean(List<Double> values) {
        return values.stream().mapToDouble(v -> v).average().orElse(Double.NaN);
    }

    static double dot(double[] x, double[] y) {
        double sum = 0;
        for (int d = 0; d < x.length; d++) {
            sum += x[d] * y[d];
        }
        return sum;
    }

    private static double squaredNorm(double[] x) {
        return dot(x, x);
    }

    /** Whatever its size: squares of 1e-200 would vanish. */
    static double norm(double[] x) {
        double squared = dot(x, x);
        if (squared > 0x1p-900 && squared < 0x1p900) {
            return Math.sqrt(squared);
        }
        double largest = Arrays.stream(x).map(Math::abs).max().orElse(0);
        if (largest == 0 || Double.isInfinite(largest)) {
            return largest;
        }
        int exponent = -Math.getExponent(largest);
        double[] scaled = Arrays.stream(x).map(v -> Math.scalb(v, exponent)).toArray();
        return Math.scalb(Math.sqrt(dot(scaled, scaled)), -exponent);
    }

    private static double[] minus(double[] x, double[] y) {
        double[] difference = x.clone();
        for (int d = 0; d < x.length; d++) {
            difference[d] -= y[d];
        }
        return difference;
    }
}
