package dev.infonce.cli;

import java.util.Arrays;
import java.util.function.ToDoubleFunction;

/** The losses of the command line in float64, from their formulas alone and without any care for speed. */
record LossOracle(
        String loss,
        double[][] queries,
        double[][] keys,
        double[][][] negatives,
        int[] labels,
        double[] weights,
        double temperature,
        double margin,
        String metric,
        boolean sumOfNegatives) {

    /** Weighted losses of the rows. */
    double[] rows() {
        double[] rows = switch (loss) {
            case "infonce" -> softmaxRows(queries, keys);
            case "symmetric" -> symmetricRows();
            case "ntxent" -> towerRows(false);
            case "nt-logistic" -> negatives == null ? towerRows(true) : tripleRows();
            case "contrastive" -> contrastiveRows();
            case "triplet" -> tripletRows();
            default -> throw new IllegalArgumentException(loss);
        };
        for (int i = 0; i < rows.length; i++) {
            rows[i] *= weight(i);
        }
        return rows;
    }

    double mean() {
        double[] rows = rows();
        double total = 0;
        for (int i = 0; i < rows.length; i++) {
            total += weight(i);
        }
        return Arrays.stream(rows).sum() / total;
    }

    double sum() {
        return Arrays.stream(rows()).sum();
    }

    LossOracle withTemperature(double tau) {
        return new LossOracle(loss, queries, keys, negatives, labels, weights, tau, margin, metric, sumOfNegatives);
    }

    /** Derivative of {@code value} by one number, by central differences of fourth order. */
    double derivative(double[] row, int column, ToDoubleFunction<LossOracle> value) {
        double at = row[column];
        double step = 1e-3 * Math.max(1e-2, Math.abs(at));
        double[] values = new double[4];
        double[] places = {-2, -1, 1, 2};
        for (int i = 0; i < 4; i++) {
            row[column] = at + places[i] * step;
            values[i] = value.applyAsDouble(this);
        }
        row[column] = at;
        return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step);
    }

    private double weight(int row) {
        return weights == null ? 1 : weights[row];
    }

    private double[] softmaxRows(double[][] from, double[][] to) {
        double[] rows = new double[from.length];
        for (int i = 0; i < rows.length; i++) {
            double positive = similarity(from[i], to[i]);
            double sum = 0;
            if (negatives == null) {
                for (int j = 0; j < to.length; j++) {
                    sum += j == i ? 0 : Math.exp((similarity(from[i], to[j]) - positive) / temperature);
                }
            } else {
                for (double[] negative : negatives[negatives.length == 1 ? 0 : i]) {
                    sum += Math.exp((similarity(from[i], negative) - positive) / temperature);
                }
            }
            rows[i] = Math.log1p(sum);
        }
        return rows;
    }

    private double[] symmetricRows() {
        double[] rows = softmaxRows(queries, keys);
        double[] columns = softmaxRows(keys, queries);
        for (int i = 0; i < rows.length; i++) {
            rows[i] = (rows[i] + columns[i]) / 2;
        }
        return rows;
    }

    private double[] towerRows(boolean logistic) {
        double[][] tower = Arrays.copyOf(queries, keys == null ? queries.length : 2 * queries.length);
        if (keys != null) {
            System.arraycopy(keys, 0, tower, queries.length, keys.length);
        }
        double[] rows = new double[tower.length];
        for (int i = 0; i < rows.length; i++) {
            int partner = (i + tower.length / 2) % tower.length;
            double positive = similarity(tower[i], tower[partner]);
            double sum = 0;
            for (int j = 0; j < tower.length; j++) {
                if (j != i && j != partner) {
                    double s = similarity(tower[i], tower[j]);
                    sum += logistic ? softplus(s / temperature) : Math.exp((s - positive) / temperature);
                }
            }
            if (logistic) {
                rows[i] = softplus(-positive / temperature) + (sumOfNegatives ? sum : sum / (tower.length - 2));
            } else {
                rows[i] = Math.log1p(sum);
            }
        }
        return rows;
    }

    private double[] tripleRows() {
        double[] rows = new double[queries.length];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = softplus(-similarity(queries[i], keys[i]) / temperature)
                    + softplus(similarity(queries[i], negatives[0][i]) / temperature);
        }
        return rows;
    }

    private double[] contrastiveRows() {
        double[] rows = new double[queries.length];
        for (int i = 0; i < rows.length; i++) {
            double d = distance(queries[i], keys[i]);
            double gap = labels[i] == 1 ? d : Math.max(0, margin - d);
            rows[i] = gap * gap / 2;
        }
        return rows;
    }

    private double[] tripletRows() {
        double[] rows = new double[queries.length];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = Math.max(0, distance(queries[i], keys[i]) - distance(queries[i], negatives[0][i]) + margin);
        }
        return rows;
    }

    private double similarity(double[] x, double[] y) {
        return switch (metric) {
            case "cosine" -> dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
            case "dot" -> dot(x, y);
            case "neg-squared-euclidean" -> -square(x, y);
            case "neg-euclidean" -> -Math.sqrt(square(x, y));
            default -> throw new IllegalArgumentException(metric);
        };
    }

    private double distance(double[] x, double[] y) {
        return switch (metric) {
            case "cosine" -> 1 - dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
            case "squared-euclidean" -> square(x, y);
            case "euclidean" -> Math.sqrt(square(x, y));
            default -> throw new IllegalArgumentException(metric);
        };
    }

    private static double dot(double[] x, double[] y) {
        double sum = 0;
        for (int k = 0; k < x.length; k++) {
            sum += x[k] * y[k];
        }
        return sum;
    }

    private static double square(double[] x, double[] y) {
        double sum = 0;
        for (int k = 0; k < x.length; k++) {
            sum += (x[k] - y[k]) * (x[k] - y[k]);
        }
        return sum;
    }

    private static double softplus(double x) {
        return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    }
}
