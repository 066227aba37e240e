package dev.infonce.suite;

import dev.infonce.Device;
import dev.infonce.GradientResult;
import dev.infonce.Matrix;
import dev.infonce.Metrics;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;

/** What a call gives, as doubles; gradients are null where there is no such input. */
public record Result(
        double loss,
        double[] rowLosses,
        double[][] dQueries,
        double[][] dKeys,
        double[][] dNegatives,
        double dTemperature,
        double dBias,
        Metrics metrics,
        Sizes sizes) {

    /**
     * Sums of absolute values, where the oracle made them: however well terms cancel, each has an error of its own.
     *
     * @param loss of the terms of a loss that can be below 0, else 0
     * @param rowLoss likewise, the largest of a row's
     * @param gradients of all terms that gradients are sums of
     * @param dTemperature of all terms that the temperature's gradient is a sum of
     * @param dTemperatureByRow of what rows have in the temperature's gradient
     * @param dBias of all terms that the bias's gradient is a sum of
     */
    public record Sizes(
            double loss,
            double rowLoss,
            double gradients,
            double dTemperature,
            double dTemperatureByRow,
            double dBias) {
        public static final Sizes NONE = new Sizes(0, 0, 0, 0, 0, 0);

        Sizes times(double factor) {
            return new Sizes(
                    loss,
                    rowLoss,
                    gradients * factor,
                    dTemperature * factor,
                    dTemperatureByRow * factor,
                    dBias * factor);
        }
    }

    static Result of(Device device, Case c) {
        return of(device, c, PlanOptions.defaults());
    }

    static Result of(Device device, Case c, PlanOptions options) {
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype(), options)) {
            return of(plan.forwardBackward(c.inputs()));
        }
    }

    static Result of(GradientResult result) {
        return new Result(
                result.loss(),
                result.rowLosses(),
                rows(result.dQueries()),
                rows(result.dKeys()),
                rows(result.dNegatives()),
                result.dTemperature(),
                result.dBias(),
                result.metrics(),
                Sizes.NONE);
    }

    static double[][] rows(Matrix matrix) {
        if (matrix == null) {
            return null;
        }
        if (matrix.isOnDevice()) {
            Matrix host = Matrix.zeros(matrix.dtype(), matrix.rows(), matrix.dim());
            matrix.copyTo(host);
            return rows(host);
        }
        double[][] rows = new double[(int) matrix.rows()][(int) matrix.dim()];
        for (int i = 0; i < rows.length; i++) {
            for (int d = 0; d < rows[i].length; d++) {
                rows[i][d] = matrix.get(i, d);
            }
        }
        return rows;
    }
}
