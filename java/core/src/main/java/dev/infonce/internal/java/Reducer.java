package dev.infonce.internal.java;

import dev.infonce.Inputs;
import dev.infonce.Reduction;

/** How row losses become the loss, and what that makes of the gradients. */
public final class Reducer {
    private final Reduction reduction;
    private final int rows;
    private final float[] weights;
    private final float[] upstream;
    private final double weightSum;

    /** Of one call. */
    public Reducer(Reduction reduction, int rows, Inputs in) {
        this.reduction = reduction;
        this.rows = rows;
        this.weights = in.weights();
        this.upstream = in.upstream();
        double sum = 0.0;
        for (int row = 0; row < rows; row++) {
            sum += weight(row);
        }
        this.weightSum = sum;
    }

    private double weight(int row) {
        return weights == null ? 1.0 : weights[row];
    }

    /** The share of a row's loss in the loss. */
    private double share(int row) {
        return switch (reduction) {
            case MEAN -> weightSum == 0.0 ? 0.0 : weight(row) / weightSum;
            case SUM, NONE -> weight(row);
        };
    }

    /** The derivative of the caller's objective by a row's loss: weight, reduction and upstream gradient. */
    public double scale(int row) {
        if (upstream == null) {
            return share(row);
        }
        return share(row) * upstream[upstream.length == 1 ? 0 : row];
    }

    /** The loss, or NaN if every row keeps its own. */
    public double loss(double[] rowLosses) {
        return switch (reduction) {
            case MEAN -> weightSum == 0.0 ? 0.0 : weightedSum(rowLosses) / weightSum;
            case SUM -> weightedSum(rowLosses);
            case NONE -> Double.NaN;
        };
    }

    private double weightedSum(double[] rowLosses) {
        double sum = 0.0;
        for (int row = 0; row < rows; row++) {
            sum += weight(row) * rowLosses[row];
        }
        return sum;
    }

    /** Every row's weighted loss; empty if they are reduced. */
    public double[] rowLosses(double[] rowLosses) {
        return switch (reduction) {
            case MEAN, SUM -> new double[0];
            case NONE -> {
                double[] weighted = new double[rows];
                for (int row = 0; row < rows; row++) {
                    weighted[row] = weight(row) * rowLosses[row];
                }
                yield weighted;
            }
        };
    }
}
