package dev.infonce.suite;

import java.util.function.ToDoubleFunction;

/** Gradients of an objective by fourth-order central differences. */
final class CentralDifferences {
    private static final double STEP = 1e-3;

    private CentralDifferences() {}

    /** Gradients by every input of c, in a result that has nothing else. */
    static Result of(Case c, ToDoubleFunction<Case> objective) {
        double[][] dQueries =
                gradient(c.queries(), x -> objective.applyAsDouble(c.withMatrices(x, c.keys(), c.negatives())));
        double[][] dKeys =
                gradient(c.keys(), x -> objective.applyAsDouble(c.withMatrices(c.queries(), x, c.negatives())));
        double[][] dNegatives =
                gradient(c.negatives(), x -> objective.applyAsDouble(c.withMatrices(c.queries(), c.keys(), x)));
        double dTemperature = 0;
        if (!Double.isNaN(c.temperature())) {
            double step = STEP * c.temperature();
            dTemperature = difference(h -> objective.applyAsDouble(c.withTemperature(c.temperature() + h)), step);
        }
        double dBias =
                c.loss().hasBias() ? difference(h -> objective.applyAsDouble(c.withBias(c.bias() + h)), STEP) : 0;
        return new Result(
                Double.NaN, new double[0], dQueries, dKeys, dNegatives, dTemperature, dBias, null, Result.Sizes.NONE);
    }

    private static double[][] gradient(double[][] at, ToDoubleFunction<double[][]> objective) {
        if (at == null) {
            return null;
        }
        double[][] gradient = new double[at.length][at[0].length];
        for (int i = 0; i < at.length; i++) {
            for (int d = 0; d < at[i].length; d++) {
                int row = i;
                int column = d;
                gradient[i][d] = difference(
                        h -> {
                            double[][] moved = at.clone();
                            moved[row] = at[row].clone();
                            moved[row][column] += h;
                            return objective.applyAsDouble(moved);
                        },
                        STEP);
            }
        }
        return gradient;
    }

    private static double difference(ToDoubleFunction<Double> f, double h) {
        return (8 * (f.applyAsDouble(h) - f.applyAsDouble(-h)) - (f.applyAsDouble(2 * h) - f.applyAsDouble(-2 * h)))
                / (12 * h);
    }
}
