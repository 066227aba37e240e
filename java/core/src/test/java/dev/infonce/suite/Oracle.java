package dev.infonce.suite;

import dev.infonce.Aggregation;
import dev.infonce.Circle;
import dev.infonce.Denominator;
import dev.infonce.Distance;
import dev.infonce.Exclude;
import dev.infonce.InfoNce;
import dev.infonce.KlDistillation;
import dev.infonce.MarginMse;
import dev.infonce.Matryoshka;
import dev.infonce.Metrics;
import dev.infonce.MultiSimilarity;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.SigLip;
import dev.infonce.Similarity;
import dev.infonce.SupCon;
import dev.infonce.Threshold;
import dev.infonce.Triplet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleBinaryOperator;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The losses as their papers write them, pair by pair in float64, with little thought of speed: what every device is compared
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
    private final double[] rowSizes;
    private final Terms terms;
    private final double[] offsets; // of logits, by vector
    private double dTemperature;
    private double gradientSize;
    private double temperatureSize;
    private double temperatureByRow;
    private double dBias;
    private double biasSize;

    private Oracle(Case c) {
        this.c = c;
        Map<String, Object> components = c.loss().components();
        this.similarity = (Similarity) components.get("similarity");
        this.distance = (Distance) components.get("distance");
        this.vectors = Stream.of(c.queries(), c.keys(), c.negatives(), c.queue())
                .filter(rows -> rows != null)
                .flatMap(Arrays::stream)
                .toArray(double[][]::new);
        this.gradients = new double[vectors.length][(int) c.shape().dim()];
        this.norms = Arrays.stream(vectors).mapToDouble(Oracle::norm).toArray();
        this.units = IntStream.range(0, vectors.length).mapToObj(this::unit).toArray(double[][]::new);
        this.rowLosses = new double[c.rows()];
        this.rowSizes = new double[c.rows()];
        this.offsets = Terms.offsets(c, vectors.length);
        this.terms = withinLimits(Terms.of(c));
    }

    /** The terms without negatives that are too similar, in view of their own positive's similarity. */
    private Terms withinLimits(Terms all) {
        Threshold threshold = threshold(c);
        if (threshold.isNone()) {
            return all;
        }
        List<Terms.Term> terms = new ArrayList<>();
        for (Terms.Term term : all.terms()) {
            double limit = limit(threshold, term);
            int[] left = Arrays.stream(term.negatives())
                    .filter(j -> !(similarity(term.anchor(), j) > limit))
                    .toArray();
            List<Terms.Pair> further = term.further().stream()
                    .filter(pair -> !(similarity(pair) > limit))
                    .toList();
            terms.add(new Terms.Term(term.row(), term.share(), term.anchor(), term.positives(), left, further));
        }
        return new Terms(terms, all.rows());
    }

    private double limit(Threshold threshold, Terms.Term term) {
        double positive = similarity(term.anchor(), term.positive());
        return switch (threshold.kind()) {
            case NONE -> Double.POSITIVE_INFINITY;
            case ABSOLUTE -> positive - threshold.margin();
            case RELATIVE -> positive - threshold.margin() * Math.abs(positive);
        };
    }

    private static Threshold threshold(Case c) {
        return c.loss().components().get("excluded") instanceof Exclude excluded
                ? excluded.threshold()
                : Threshold.none();
    }

    /** How near the similarity of a negative comes to its limit: what is nearer than an arithmetic errs may be on either side of it. */
    static double distanceFromLimits(Case c) {
        Threshold threshold = threshold(c);
        if (threshold.isNone()) {
            return Double.POSITIVE_INFINITY;
        }
        Oracle oracle = new Oracle(c);
        double least = Double.POSITIVE_INFINITY;
        for (Terms.Term term : Terms.of(c).terms()) {
            double limit = oracle.limit(threshold, term);
            for (Terms.Pair pair : term.pairs()) {
                least = Math.min(least, Math.abs(oracle.similarity(pair) - limit));
            }
        }
        return least;
    }

    /** How many negatives are left of how many, over all terms. */
    static double shareWithinLimits(Case c) {
        double left = 0;
        double all = 0;
        for (Terms.Term term : new Oracle(c).terms.terms()) {
            left += term.pairs().size();
        }
        for (Terms.Term term : Terms.of(c).terms()) {
            all += term.pairs().size();
        }
        return left / all;
    }

    private double[] unit(int i) {
        double norm = norms[i] == 0 ? 1 : norms[i];
        return Arrays.stream(vectors[i]).map(v -> v / norm).toArray();
    }

    /** Loss, gradients and metrics of a case with metrics of this k. */
    public static Result evaluate(Case c, int topK) {
        if (c.loss() instanceof Matryoshka loss) {
            return PrefixOracle.evaluate(c, loss, topK);
        }
        if (c.loss().isMined()) {
            return TowerOracle.of(c).evaluate(topK);
        }
        return new Oracle(c).evaluate(topK);
    }

    /** Likewise, with the metrics that plans have by default. */
    public static Result evaluate(Case c) {
        return evaluate(c, 5);
    }

    /** The caller's objective, whose gradients evaluate gives: the loss, or the sum of row losses, times upstream. */
    static double objective(Case c) {
        if (c.loss() instanceof Matryoshka loss) {
            return PrefixOracle.objective(c, loss);
        }
        if (c.loss().isMined()) {
            return TowerOracle.of(c).objective();
        }
        Oracle oracle = new Oracle(c);
        double sum = 0;
        for (Terms.Term term : oracle.terms.terms()) {
            sum += oracle.scale(term.row(), true) * term.share() * oracle.term(term, 0);
        }
        return sum;
    }

    private Result evaluate(int topK) {
        for (Terms.Term term : terms.terms()) {
            double before = dTemperature;
            rowLosses[term.row()] += term.share() * term(term, scale(term.row(), true) * term.share());
            temperatureByRow += Math.abs(dTemperature - before);
        }
        double loss = 0;
        double size = 0;
        double largestSize = 0;
        double[] weighted = new double[rowLosses.length];
        for (int i = 0; i < rowLosses.length; i++) {
            loss += scale(i, false) * rowLosses[i];
            size += scale(i, false) * rowSizes[i];
            largestSize = Math.max(largestSize, weight(i) * rowSizes[i]);
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
                c.negatives() == null
                        ? null
                        : Arrays.copyOfRange(gradients, negativesFrom, negativesFrom + c.negatives().length),
                dTemperature,
                dBias,
                metrics(topK),
                new Result.Sizes(size, largestSize, gradientSize, temperatureSize, temperatureByRow, biasSize));
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
                sum += counts(i) ? weight(i) : 0;
            }
            scale = sum == 0 ? 0 : scale / sum;
        }
        if (ofObjective && c.upstream() != null) {
            scale *= c.upstream()[c.upstream().length == 1 ? 0 : row];
        }
        return scale;
    }

    /** Whether a row has a share in a mean. */
    private boolean counts(int row) {
        if (!(c.loss() instanceof SupCon loss)) {
            return true;
        }
        Terms.Term term = terms.terms().get(row);
        return term.positives().length > 0 && (loss.denominator() == Denominator.ALL || term.negatives().length > 0);
    }

    /** A term's loss; its gradients times scale are added up. */
    private double term(Terms.Term term, double scale) {
        return switch (c.loss()) {
            case InfoNce loss ->
                loss.classPrior() > 0
                        ? debiased(term, scale, loss.classPrior(), loss.positiveMargin())
                        : softmax(term, scale, loss.denominator(), loss.positiveMargin(), loss.hardness());
            case NtXent loss ->
                loss.classPrior() > 0
                        ? debiased(term, scale, loss.classPrior(), loss.positiveMargin())
                        : softmax(term, scale, loss.denominator(), loss.positiveMargin(), loss.hardness());
            case SupCon loss -> ofSeveral(term, scale, loss);
            case NtLogistic loss -> logistic(term, scale, loss.negativeReduction());
            case PairwiseContrastive loss -> pair(term, scale, loss.margin());
            case Triplet loss -> triplet(term, scale, loss.margin(), loss.softMargin());
            case SigLip loss -> pairwiseSigmoid(term, scale, loss.bias());
            case KlDistillation _ -> divergence(term, scale);
            case MarginMse _ -> marginMse(term, scale);
            case MultiSimilarity loss -> throw new AssertionError(loss);
            case Circle loss -> throw new AssertionError(loss);
            case Matryoshka loss -> throw new AssertionError(loss);
        };
    }

    /**
     * log(1 + sum_j exp((s_j - s_+ + margin) / tau + hardness s_j + o_j - o_+)), or without the 1; the hardness is not differentiated.
     */
    private double softmax(Terms.Term term, double scale, Denominator denominator, double margin, double hardness) {
        double tau = c.temperature();
        double positive = similarity(term.anchor(), term.positive());
        List<Terms.Pair> pairs = term.pairs();
        double[] negatives = pairs.stream().mapToDouble(this::similarity).toArray();
        if (negatives.length == 0) {
            return 0;
        }
        double[] added = IntStream.range(0, negatives.length)
                .mapToDouble(k -> offsets[pairs.get(k).j()] + hardness * negatives[k])
                .toArray();
        int largest = IntStream.range(0, negatives.length)
                .reduce((a, b) -> (negatives[b] - negatives[a]) / tau + (added[b] - added[a]) > 0 ? b : a)
                .orElseThrow();
        double top = negatives[largest];
        double[] exponentials = IntStream.range(0, negatives.length)
                .mapToDouble(k -> Math.exp((negatives[k] - top) / tau + (added[k] - added[largest])))
                .toArray();
        double sum = Arrays.stream(exponentials).sum();
        double gap = (top - positive + margin) / tau + (added[largest] - offsets[term.positive()]);
        double loss;
        double mass; // of the negatives
        switch (denominator) {
            case ALL -> {
                double odds = sum * Math.exp(gap);
                loss = gap > 0 ? gap + Math.log(sum + Math.exp(-gap)) : Math.log1p(odds);
                mass = gap > 0 ? sum / (sum + Math.exp(-gap)) : odds / (1 + odds);
            }
            case NEGATIVES -> {
                loss = gap + Math.log(sum);
                mass = 1;
                double ofPositive = (positive - margin) / tau + offsets[term.positive()];
                rowSizes[term.row()] += term.share() * (Math.abs(loss + ofPositive) + Math.abs(ofPositive));
            }
            default -> throw new AssertionError(denominator);
        }
        if (scale != 0) {
            for (int k = 0; k < negatives.length; k++) {
                double probability = mass * exponentials[k] / sum;
                addSimilarityGradient(pairs.get(k).i(), pairs.get(k).j(), negatives[k], scale * probability / tau);
                dTemperature -= scale * probability * (negatives[k] - positive + margin) / (tau * tau);
                double size = Math.abs(negatives[k]) + Math.abs(positive) + margin;
                temperatureSize += Math.abs(scale) * probability * size / (tau * tau);
            }
            addSimilarityGradient(term.anchor(), term.positive(), positive, -scale * mass / tau);
        }
        return loss;
    }

    /**
     * log(1 + R), R = max((u - prior k) / (1 - prior), k exp((-1 - s_+ + margin) / tau)), u = sum_j exp((s_j - s_+ + margin) / tau)
     * over the k negatives.
     */
    private double debiased(Terms.Term term, double scale, double prior, double margin) {
        double tau = c.temperature();
        double positive = similarity(term.anchor(), term.positive());
        double[] negatives = similarities(term.anchor(), term.negatives());
        int count = negatives.length;
        if (count == 0) {
            return 0;
        }
        double[] exponentials = Arrays.stream(negatives)
                .map(s -> Math.exp((s - positive + margin) / tau))
                .toArray();
        double u = Arrays.stream(exponentials).sum();
        double corrected = (u - prior * count) / (1 - prior);
        double leastGap = -1 - positive + margin;
        double least = count * Math.exp(leastGap / tau);
        double r = Math.max(corrected, least);
        // errors of u are errors of u - prior k, however little that leaves
        rowSizes[term.row()] += term.share() * Math.log1p(r) * Math.max(1, 2 / tau * u / (r * (1 - prior)));
        double slope = corrected > least ? 1 / ((1 - prior) * (1 + r)) : 0;
        for (int k = 0; k < count && slope > 0; k++) {
            double of = scale * slope * exponentials[k];
            addSimilarityGradient(term.anchor(), term.negatives()[k], negatives[k], of / tau);
            dTemperature -= of * (negatives[k] - positive + margin) / (tau * tau);
            temperatureSize += Math.abs(of) * (Math.abs(negatives[k]) + Math.abs(positive) + margin) / (tau * tau);
        }
        double ofPositive = slope > 0 ? slope * u : r / (1 + r);
        addSimilarityGradient(term.anchor(), term.positive(), positive, -scale * ofPositive / tau);
        if (slope == 0) {
            dTemperature -= scale * ofPositive * leastGap / (tau * tau);
            temperatureSize += Math.abs(scale * ofPositive * leastGap) / (tau * tau);
        }
        return Math.log1p(r);
    }

    /** SupCon, outside or inside, or multi-instance NCE, by ln of the odds of negatives against positives. */
    private double ofSeveral(Terms.Term term, double scale, SupCon of) {
        double tau = c.temperature();
        double margin = of.positiveMargin();
        double[] positives = similarities(term.anchor(), term.positives());
        double[] negatives = similarities(term.anchor(), term.negatives());
        int count = positives.length;
        if (count == 0 || negatives.length == 0) {
            return 0;
        }
        double top = Arrays.stream(negatives).max().orElseThrow();
        double topPositive = Arrays.stream(positives).max().orElseThrow();
        double middle = mean(positives);
        double[] negativeShares = softmax(negatives, top);
        double[] positiveShares = softmax(positives, topPositive);
        double logSum = Math.log(sumOfExponentials(negatives, top));
        double logSumOfPositives = Math.log(sumOfExponentials(positives, topPositive));
        double logOdds = (top - topPositive + margin) / tau + (logSum - logSumOfPositives);
        boolean decoupled = of.denominator() == Denominator.NEGATIVES;
        double mass = decoupled ? 1 : sigmoid(logOdds);
        double loss = decoupled ? logOdds : minusLogSigmoid(-logOdds);
        if (decoupled) {
            rowSizes[term.row()] += Math.abs(top / tau + logSum)
                    + Math.abs((topPositive - margin) / tau + logSumOfPositives)
                    + Math.abs(middle - topPositive) / tau;
        }
        double[] slopes = new double[count];
        for (int p = 0; p < count; p++) {
            slopes[p] = of.aggregation() == Aggregation.OUTSIDE && count > 1
                    ? (decoupled ? 0 : sigmoid(-logOdds)) * positiveShares[p] - 1.0 / count
                    : -mass * positiveShares[p];
        }
        loss += switch (of.aggregation()) {
            case OUTSIDE -> (topPositive - middle) / tau + logSumOfPositives;
            case INSIDE -> Math.log(count);
            case SUM -> 0;
        };
        for (int k = 0; k < negatives.length; k++) {
            addLogitGradient(
                    term.anchor(),
                    term.negatives()[k],
                    negatives[k],
                    middle - margin,
                    scale * mass * negativeShares[k]);
        }
        for (int p = 0; p < count; p++) {
            addLogitGradient(term.anchor(), term.positives()[p], positives[p], middle, scale * slopes[p]);
        }
        return loss;
    }

    /** Of a similarity s, in a term whose slopes by logits add up to 0: s counts by how far it is from another. */
    private void addLogitGradient(int i, int j, double s, double from, double slope) {
        double tau = c.temperature();
        addSimilarityGradient(i, j, s, slope / tau);
        dTemperature -= slope * (s - from) / (tau * tau);
        // Few positives share a row's slope: the rounding of one's share moves their mean by its distance from it.
        temperatureByRow += Math.abs(slope * (s - from)) / (tau * tau);
        temperatureSize += Math.abs(slope) * (Math.abs(s) + Math.abs(from)) / (tau * tau);
    }

    private double sumOfExponentials(double[] s, double top) {
        return Arrays.stream(s).map(v -> Math.exp((v - top) / c.temperature())).sum();
    }

    private double[] softmax(double[] s, double top) {
        double sum = sumOfExponentials(s, top);
        return Arrays.stream(s)
                .map(v -> Math.exp((v - top) / c.temperature()) / sum)
                .toArray();
    }

    /** Of equal numbers that number, to the bit. */
    private static double mean(double[] values) {
        return values[0] + Arrays.stream(values).map(v -> v - values[0]).sum() / values.length;
    }

    /** -log sigmoid(s_+ / tau) - the sum, or the mean, of log sigmoid(-s_j / tau). */
    private double logistic(Terms.Term term, double scale, Reduction negativeReduction) {
        double tau = c.temperature();
        double positive = similarity(term.anchor(), term.positive());
        int count = term.negatives().length;
        double share = negativeReduction == Reduction.MEAN && count > 0 ? 1.0 / count : 1.0;
        double loss = minusLogSigmoid(positive / tau);
        double slope = -sigmoid(-positive / tau);
        addSimilarityGradient(term.anchor(), term.positive(), positive, scale * slope / tau);
        dTemperature -= scale * slope * positive / (tau * tau);
        temperatureSize += Math.abs(scale * slope * positive) / (tau * tau);
        for (int j : term.negatives()) {
            double s = similarity(term.anchor(), j);
            loss += share * minusLogSigmoid(-s / tau);
            slope = share * sigmoid(s / tau);
            addSimilarityGradient(term.anchor(), j, s, scale * slope / tau);
            dTemperature -= scale * slope * s / (tau * tau);
            temperatureSize += Math.abs(scale * slope * s) / (tau * tau);
        }
        return loss;
    }

    /** - sum over pairs of log sigmoid(label (s / tau + bias)), the label of the positive being 1 and -1 that of others. */
    private double pairwiseSigmoid(Terms.Term term, double scale, double bias) {
        double loss = sigmoidPair(term.anchor(), term.positive(), 1, scale, bias);
        for (int j : term.negatives()) {
            loss += sigmoidPair(term.anchor(), j, -1, scale, bias);
        }
        return loss;
    }

    private double sigmoidPair(int i, int j, int label, double scale, double bias) {
        double tau = c.temperature();
        double s = similarity(i, j);
        double logit = s / tau + bias;
        double slope = -label * sigmoid(-label * logit); // by the logit
        addSimilarityGradient(i, j, s, scale * slope / tau);
        dTemperature -= scale * slope * s / (tau * tau);
        temperatureSize += Math.abs(scale * slope * s) / (tau * tau);
        dBias += scale * slope;
        biasSize += Math.abs(scale * slope);
        return minusLogSigmoid(label * logit);
    }

    private double pair(Terms.Term term, double scale, double margin) {
        boolean alike = term.positive() >= 0;
        int other = alike ? term.positive() : term.negatives()[0];
        double d = distance(term.anchor(), other);
        double missing = alike ? d : Math.max(0, margin - d);
        addDistanceGradient(term.anchor(), other, scale * (alike ? missing : -missing));
        return missing * missing / 2;
    }

    private double triplet(Terms.Term term, double scale, double margin, boolean soft) {
        double missing =
                distance(term.anchor(), term.positive()) - distance(term.anchor(), term.negatives()[0]) + margin;
        double slope = soft ? sigmoid(missing) : missing > 0 ? 1 : 0;
        if (slope > 0) {
            addDistanceGradient(term.anchor(), term.positive(), scale * slope);
            addDistanceGradient(term.anchor(), term.negatives()[0], -scale * slope);
        }
        return soft ? minusLogSigmoid(-missing) : Math.max(0, missing);
    }

    /** sum_c p_c (log p_c - log q_c), p being the softmax of the teacher's scores and q that of the similarities over tau. */
    private double divergence(Terms.Term term, double scale) {
        int[] candidates = candidates(term);
        double[] s = similarities(term.anchor(), candidates);
        double[] t = teacherScores(term);
        double top = Arrays.stream(s).max().orElseThrow();
        double topScore = Arrays.stream(t).max().orElseThrow();
        double[] q = softmax(s, top);
        double[] exponentials =
                Arrays.stream(t).map(score -> Math.exp(score - topScore)).toArray();
        double sumOfTeacher = Arrays.stream(exponentials).sum();
        double logSum = Math.log(sumOfExponentials(s, top));
        double loss = 0;
        for (int k = 0; k < s.length; k++) {
            double p = exponentials[k] / sumOfTeacher;
            double logP = t[k] - topScore - Math.log(sumOfTeacher);
            double logQ = (s[k] - top) / c.temperature() - logSum;
            if (p > 0) {
                loss += p * (logP - logQ);
                rowSizes[term.row()] += p * (Math.abs(logP) + Math.abs(logQ));
            }
            // two terms, as they may cancel
            addLogitGradient(term.anchor(), candidates[k], s[k], top, scale * q[k]);
            addLogitGradient(term.anchor(), candidates[k], s[k], top, -scale * p);
        }
        return Math.max(0, loss);
    }

    /** The mean over negatives of ((s_+ - s_j) - (t_+ - t_j))^2. */
    private double marginMse(Terms.Term term, double scale) {
        double positive = similarity(term.anchor(), term.positive());
        double[] negatives = similarities(term.anchor(), term.negatives());
        double[] t = teacherScores(term);
        int count = negatives.length;
        double loss = 0;
        for (int k = 0; k < count; k++) {
            double error = positive - negatives[k] - t[0] + t[1 + k];
            loss += error * error / count;
            for (double part : new double[] {positive, -negatives[k], -t[0], t[1 + k]}) { // which may cancel
                rowSizes[term.row()] += Math.abs(error * part) / count;
                double slope = scale * 2 * part / count;
                addSimilarityGradient(term.anchor(), term.positive(), positive, slope);
                addSimilarityGradient(term.anchor(), term.negatives()[k], negatives[k], -slope);
            }
        }
        return loss;
    }

    private static int[] candidates(Terms.Term term) {
        return IntStream.concat(Arrays.stream(term.positives()), Arrays.stream(term.negatives()))
                .toArray();
    }

    private double[] teacherScores(Terms.Term term) {
        int count = 1 + term.negatives().length;
        return IntStream.range(0, count)
                .mapToDouble(k -> c.teacherScores()[term.row() * count + k])
                .toArray();
    }

    static double minusLogSigmoid(double z) {
        return z > 0 ? Math.log1p(Math.exp(-z)) : -z + Math.log1p(Math.exp(z));
    }

    static double sigmoid(double z) {
        return Math.exp(-minusLogSigmoid(z));
    }

    private double[] similarities(int i, int[] others) {
        return Arrays.stream(others).mapToDouble(j -> similarity(i, j)).toArray();
    }

    private double similarity(Terms.Pair pair) {
        return similarity(pair.i(), pair.j());
    }

    private double similarity(int i, int j) {
        return switch (similarity) {
            case COSINE -> cosine(i, j);
            case DOT -> dot(vectors[i], vectors[j]);
            case NEGATIVE_SQUARED_EUCLIDEAN -> -squaredDistance(vectors[i], vectors[j]);
            case NEGATIVE_EUCLIDEAN -> -distance(vectors[i], vectors[j]);
        };
    }

    private double distance(int i, int j) {
        return switch (distance) {
            case COSINE -> 1 - cosine(i, j);
            case SQUARED_EUCLIDEAN -> squaredDistance(vectors[i], vectors[j]);
            case EUCLIDEAN -> distance(vectors[i], vectors[j]);
        };
    }

    private double cosine(int i, int j) {
        if (norms[i] == 0 || norms[j] == 0) {
            return 0;
        }
        return dot(units[i], units[j]);
    }

    /** Of a pair with this similarity. */
    private void addSimilarityGradient(int i, int j, double s, double factor) {
        switch (similarity) {
            case COSINE -> {
                addCosineGradient(i, j, s, factor);
                addCosineGradient(j, i, s, factor);
            }
            case DOT -> {
                add(i, factor, j);
                add(j, factor, i);
            }
            case NEGATIVE_SQUARED_EUCLIDEAN -> {
                double d = distance(vectors[i], vectors[j]);
                addEuclideanGradient(i, j, d, factor * -2 * d);
            }
            case NEGATIVE_EUCLIDEAN -> addEuclideanGradient(i, j, -s, -factor);
        }
    }

    private void addDistanceGradient(int i, int j, double factor) {
        switch (distance) {
            case COSINE -> {
                double cosine = cosine(i, j);
                addCosineGradient(i, j, cosine, -factor);
                addCosineGradient(j, i, cosine, -factor);
            }
            case SQUARED_EUCLIDEAN -> {
                double d = distance(vectors[i], vectors[j]);
                addEuclideanGradient(i, j, d, factor * 2 * d);
            }
            case EUCLIDEAN -> addEuclideanGradient(i, j, distance(vectors[i], vectors[j]), factor);
        }
    }

    /** d cos(i, j) / d i = (y^ - cos x^) / |x|; 0 where either is zero. */
    private void addCosineGradient(int i, int j, double cosine, double factor) {
        if (norms[i] == 0 || norms[j] == 0) {
            return;
        }
        double slope = factor / norms[i];
        gradientSize += Math.abs(slope);
        double[] gradient = gradients[i];
        double[] x = units[i];
        double[] y = units[j];
        for (int d = 0; d < gradient.length; d++) {
            gradient[d] += slope * (y[d] - cosine * x[d]);
        }
    }

    /** A function of |x - y| with this slope has the gradient slope (x - y) / |x - y| by x; 0 where x = y. */
    private void addEuclideanGradient(int i, int j, double length, double slope) {
        if (length > 0) {
            gradientSize += 2 * Math.abs(slope);
            double[] x = vectors[i];
            double[] y = vectors[j];
            double[] byX = gradients[i];
            double[] byY = gradients[j];
            for (int d = 0; d < x.length; d++) {
                double share = slope * ((x[d] - y[d]) / length);
                byX[d] += share;
                byY[d] -= share;
            }
        }
    }

    /** The vector of j, times factor, to the gradient of i. */
    private void add(int i, double factor, int j) {
        gradientSize += Math.abs(factor) * norms[j];
        double[] gradient = gradients[i];
        double[] by = vectors[j];
        for (int d = 0; d < gradient.length; d++) {
            gradient[d] += factor * by[d];
        }
    }

    private Metrics metrics(int topK) {
        boolean margin = distance != null;
        boolean byLabels = Terms.hasPositivesByLabels(c.loss());
        boolean ranks = byLabels || !c.loss().takesLabels();
        long withoutPositives = 0;
        long withoutNegatives = 0;
        boolean softmax = switch (c.loss()) {
            case InfoNce loss -> !loss.hasKeyOffsets();
            case NtXent _, SupCon _ -> true;
            case NtLogistic _, PairwiseContrastive _, Triplet _, SigLip _, KlDistillation _, MarginMse _ -> false;
            case MultiSimilarity loss -> throw new AssertionError(loss);
            case Circle loss -> throw new AssertionError(loss);
            case Matryoshka loss -> throw new AssertionError(loss);
        };
        DoubleSummaryStatistics top1 = new DoubleSummaryStatistics();
        DoubleSummaryStatistics topk = new DoubleSummaryStatistics();
        DoubleSummaryStatistics positives = new DoubleSummaryStatistics();
        DoubleSummaryStatistics negatives = new DoubleSummaryStatistics();
        DoubleSummaryStatistics alignments = new DoubleSummaryStatistics();
        DoubleSummaryStatistics potentials = new DoubleSummaryStatistics();
        DoubleSummaryStatistics effective = new DoubleSummaryStatistics();
        boolean[] done = new boolean[terms.rows()];
        for (Terms.Term term : terms.terms()) {
            if (done[term.row()]) {
                continue; // a symmetric loss's second term: metrics are of the rows
            }
            done[term.row()] = true;
            int i = term.anchor();
            boolean hasPositives = term.positives().length > 0;
            withoutPositives += hasPositives ? 0 : 1;
            withoutNegatives += term.negatives().length == 0 ? 1 : 0;
            double positive = Double.NaN;
            if (hasPositives) {
                positive = margin ? -distance(i, term.positive()) : mean(similarities(i, term.positives()));
                positives.accept(positive);
                if (!byLabels) {
                    alignments.accept(unitSquaredDistance(i, term.positive()));
                }
            }
            double[] s = margin
                    ? Arrays.stream(term.negatives())
                            .mapToDouble(j -> -distance(i, j))
                            .toArray()
                    : similarities(i, term.negatives());
            double bar = positive;
            long above = Arrays.stream(s).filter(v -> v > bar).count();
            long same = Arrays.stream(s).filter(v -> v == bar).count();
            if (ranks && hasPositives) {
                top1.accept(chanceOfBeingAmong(1, above, same));
                topk.accept(chanceOfBeingAmong(topK, above, same));
            }
            for (int k = 0; k < s.length; k++) {
                negatives.accept(s[k]);
                potentials.accept(Math.exp(-2 * unitSquaredDistance(i, term.negatives()[k])));
            }
            double[] all = DoubleStream.concat(
                            Arrays.stream(s), term.further().stream().mapToDouble(this::similarity))
                    .toArray();
            if (softmax && hasPositives && all.length > 0) {
                effective.accept(Math.exp(entropy(all)));
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
                0,
                withoutPositives,
                withoutNegatives);
    }

    /** The positive's chance to be among the first k, ties broken at random: it is on each of 1 + same places as likely. */
    static double chanceOfBeingAmong(int k, long above, long same) {
        double chance = 0;
        for (long place = above; place <= above + same; place++) {
            chance += place < k ? 1.0 / (1 + same) : 0;
        }
        return chance;
    }

    private double entropy(double[] s) {
        double max = Arrays.stream(s).max().orElseThrow();
        double tau = temperatureOfNegatives(c);
        double[] e = Arrays.stream(s).map(v -> Math.exp((v - max) / tau)).toArray();
        double sum = Arrays.stream(e).sum();
        return -Arrays.stream(e)
                .map(v -> v / sum)
                .filter(p -> p > 0)
                .map(p -> p * Math.log(p))
                .sum();
    }

    /** By what similarities of negatives are divided in their exponentials, hardness and all; NaN without a temperature. */
    static double temperatureOfNegatives(Case c) {
        double hardness = (double) c.loss().components().getOrDefault("hardness", 0.0);
        return hardness == 0 ? c.temperature() : 1 / (1 / c.temperature() + hardness);
    }

    private double unitSquaredDistance(int i, int j) {
        return squaredDistance(units[i], units[j]);
    }

    private static double mean(DoubleSummaryStatistics values) {
        return values.getCount() == 0 ? Double.NaN : values.getAverage();
    }

    static double dot(double[] x, double[] y) {
        return sum(x, y, (a, b) -> a * b);
    }

    private static double squaredDistance(double[] x, double[] y) {
        return sum(x, y, (a, b) -> square(a - b));
    }

    /** Of what elements give. Four sums, as one would wait for itself at each element. */
    private static double sum(double[] x, double[] y, DoubleBinaryOperator term) {
        double a = 0;
        double b = 0;
        double c = 0;
        double d = 0;
        int k = 0;
        for (; k + 4 <= x.length; k += 4) {
            a += term.applyAsDouble(x[k], y[k]);
            b += term.applyAsDouble(x[k + 1], y[k + 1]);
            c += term.applyAsDouble(x[k + 2], y[k + 2]);
            d += term.applyAsDouble(x[k + 3], y[k + 3]);
        }
        for (; k < x.length; k++) {
            a += term.applyAsDouble(x[k], y[k]);
        }
        return a + b + (c + d);
    }

    private static double square(double x) {
        return x * x;
    }

    private static double distance(double[] x, double[] y) {
        double squared = squaredDistance(x, y);
        if (inRange(squared)) {
            return Math.sqrt(squared);
        }
        double[] difference = x.clone();
        for (int k = 0; k < y.length; k++) {
            difference[k] -= y[k];
        }
        return norm(difference);
    }

    private static boolean inRange(double squared) {
        return squared > 0x1p-900 && squared < 0x1p900;
    }

    /** Whatever its size: squares of 1e-200 would vanish. */
    static double norm(double[] x) {
        double squared = dot(x, x);
        if (inRange(squared)) {
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
}
