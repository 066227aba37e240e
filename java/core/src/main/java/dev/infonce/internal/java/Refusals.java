package dev.infonce.internal.java;

import dev.infonce.DType;
import dev.infonce.InfoNceException;
import dev.infonce.Metrics;
import dev.infonce.Status;
import dev.infonce.internal.Outcome;

/** How calls whose numbers leave their type are refused, all NON_FINITE. */
public final class Refusals {
    private Refusals() {}

    /** An input that is not finite. */
    public static InfoNceException element(String matrix, long row) {
        return refusal(matrix + ": row " + row + " holds a NaN or an infinity; every element must be finite");
    }

    /** A similarity, a distance or a loss of a row that float64 does not hold. */
    public static InfoNceException row(String matrix, long row) {
        return refusal(matrix + ": row " + row
                + " has a similarity, a distance or a loss beyond the range of float64; scale the rows down");
    }

    /** A gradient that its type does not hold. */
    public static InfoNceException gradient(String matrix, long row, DType dtype) {
        return refusal(matrix + ": row " + row + " is beyond the range of " + dtype
                + "; scale the rows up, or weights and upstream down");
    }

    /** The numbers of a call; the temperature's gradient is not looked at if nobody wants gradients. */
    public static void check(Outcome outcome, boolean gradients) {
        double loss = outcome.loss();
        double[] rowLosses = outcome.rowLosses();
        Metrics metrics = outcome.metrics();
        if (rowLosses.length == 0 && !Double.isFinite(loss)) {
            throw refusal("loss: beyond the range of float64; scale the rows or the weights down");
        }
        for (int row = 0; row < rowLosses.length; row++) {
            if (!Double.isFinite(rowLosses[row])) {
                throw refusal(
                        "loss: row " + row + " is beyond the range of float64; scale the rows or the weights down");
            }
        }
        if (gradients && !Double.isFinite(outcome.dTemperature())) {
            throw refusal("dTemperature: beyond the range of float64; scale the rows down");
        }
        if (metrics != null
                && (Double.isInfinite(metrics.positiveSimilarity())
                        || Double.isInfinite(metrics.negativeSimilarity()))) {
            throw refusal("metrics: a sum of similarities is beyond the range of float64; scale the rows down");
        }
    }

    private static InfoNceException refusal(String message) {
        return new InfoNceException(Status.NON_FINITE, message);
    }
}
