package dev.infonce.internal.java;

import dev.infonce.Inputs;
import dev.infonce.Reduction;
import dev.infonce.internal.LossSpec;

/** How row losses become the loss, and what that makes of the gradients. */
public final class Reducer {
    private final Reduction reduction;
    private final int rows;
    private final double lossWeight;
    private final float[] weights;
    private final float[] upstream;
    private final double weightSum;

    /** Of one call. */
    public Reducer(LossSpec spec, int rows, Inputs in) {
        this(spec, rows, in, null);
    }

    /** Of one call in whose mean a row counts as often as counts says. */
    public Reducer(LossSpec spec, int rows, Inputs in, double[] counts) {
        this.reduction = spec.reduction();
        this.lossWeight = spec.weight();
        this.rows = rows;
        this.weights = in.weights();
        this.upstream = in.upstream();
        double sum = 0.0;
        for (int row = 0; row < rows; row++) {
            sum += counts == null ? weight(row) : weight(row) * counts[row];
        }
        this.weightSum = sum;
    }

    /** What a mean, once it is known, makes of {@link #scaleBeforeMean}; 1 for other reductions. */
    public double meanFactor() {
        return switch (reduction) {
            case MEAN -> weightSum == 0.0 ? 0.0 : 1.0 / weightSum;
            case SUM, NONE -> 1.0;
        };
    }

    /** The derivative of the caller's objective by a row's loss, but for what a mean divides by. */
    public double scaleBeforeMean(int row) {
        return weight(row) * lossWeight * upstream(row);
    }

    private double upstream(int row) {
        return upstream == null ? 1.0 : upstream[upstream.length == 1 ? 0 : row];
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
        return share(row) * lossWeight * upstream(row);
    }

    /** The loss, or NaN if every row keeps its own. */
    public double loss(double[] rowLosses) {
        return switch (reduction) {
            case MEAN -> weightSum == 0.0 ? 0.0 : lossWeight * (weightedSum(rowLosses) / weightSum);
            case SUM -> lossWeight * weightedSum(rowLosses);
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

    /** Every row's loss times its weight and that of the loss; empty if they are reduced. */
    public double[] rowLosses(double[] rowLosses) {
        return switch (reduction) {
            case MEAN, SUM -> new double[0];
            case NONE -> {
                double[] weighted = new double[rows];
                for (int row = 0; row < rows; row++) {
                    weighted[row] = lossWeight * (weight(row) * rowLosses[row]);
                }
                yield weighted;
            }
        };
    }
}
