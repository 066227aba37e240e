package dev.infonce.suite;

import dev.infonce.Device;
import dev.infonce.GradientResult;
import dev.infonce.Matrix;
import dev.infonce.Metrics;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;

/**
 * What a call gives, as doubles; gradients are null where there is no such input. termSize is the sum of the norms of all the
 * terms that the gradients are sums of, if the oracle made them, else 0.
 */
record Result(
        double loss,
        double[] rowLosses,
        double[][] dQueries,
        double[][] dKeys,
        double[][] dNegatives,
        double dTemperature,
        Metrics metrics,
        double termSize) {

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
                result.metrics(),
                0);
    }

    static double[][] rows(Matrix matrix) {
        if (matrix == null) {
            return null;
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
