package dev.infonce.suite;

import dev.infonce.Matryoshka;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A Matryoshka as 2205.13147 eq. 1 has it: each prefix of the rows by itself, and a weighted sum. */
final class PrefixOracle {
    private PrefixOracle() {}

    private static Case prefix(Case c, Matryoshka loss, Matryoshka.Prefix prefix) {
        return c.prefix(loss.loss(), prefix.dim());
    }

    static double objective(Case c, Matryoshka loss) {
        return loss.prefixes().stream()
                .mapToDouble(prefix -> prefix.weight() * Oracle.objective(prefix(c, loss, prefix)))
                .sum();
    }

    /** Metrics are those of the last prefix. */
    static Result evaluate(Case c, Matryoshka loss, int topK) {
        double sum = 0;
        double dTemperature = 0;
        double dBias = 0;
        List<Result> results = new ArrayList<>();
        List<Double> weights = new ArrayList<>();
        for (Matryoshka.Prefix prefix : loss.prefixes()) {
            Result result = Oracle.evaluate(prefix(c, loss, prefix), topK);
            results.add(result);
            weights.add(prefix.weight());
            sum += prefix.weight() * result.loss();
            dTemperature += prefix.weight() * result.dTemperature();
            dBias += prefix.weight() * result.dBias();
        }
        double[] rowLosses = new double[results.getFirst().rowLosses().length];
        double[][] dQueries = zeros(c.queries());
        double[][] dKeys = zeros(c.keys());
        double[][] dNegatives = zeros(c.negatives());
        Result.Sizes sizes = Result.Sizes.NONE;
        for (int k = 0; k < results.size(); k++) {
            double weight = weights.get(k);
            Result result = results.get(k);
            for (int i = 0; i < rowLosses.length; i++) {
                rowLosses[i] += weight * result.rowLosses()[i];
            }
            add(dQueries, result.dQueries(), weight);
            add(dKeys, result.dKeys(), weight);
            add(dNegatives, result.dNegatives(), weight);
            sizes = sum(sizes, result, weight);
        }
        return new Result(
                sum,
                rowLosses,
                dQueries,
                dKeys,
                dNegatives,
                dTemperature,
                dBias,
                results.getLast().metrics(),
                sizes);
    }

    /** Prefixes may cancel each other as terms may. */
    private static Result.Sizes sum(Result.Sizes sizes, Result result, double weight) {
        Result.Sizes of = result.sizes();
        double largestRow =
                Arrays.stream(result.rowLosses()).map(Math::abs).max().orElse(0);
        double loss = Double.isNaN(result.loss()) ? 0 : Math.abs(result.loss());
        return new Result.Sizes(
                sizes.loss() + weight * Math.max(of.loss(), loss),
                sizes.rowLoss() + weight * Math.max(of.rowLoss(), largestRow),
                sizes.gradients() + weight * of.gradients(),
                sizes.dTemperature() + weight * of.dTemperature(),
                sizes.dTemperatureByRow() + weight * Math.max(of.dTemperatureByRow(), Math.abs(result.dTemperature())),
                sizes.dBias() + weight * Math.max(of.dBias(), Math.abs(result.dBias())));
    }

    private static double[][] zeros(double[][] like) {
        return like == null ? null : new double[like.length][like[0].length];
    }

    private static void add(double[][] sum, double[][] gradient, double weight) {
        for (int i = 0; sum != null && i < sum.length; i++) {
            for (int d = 0; d < gradient[i].length; d++) {
                sum[i][d] += weight * gradient[i][d];
            }
        }
    }
}
