package dev.infonce.internal.java;

import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;

/** Losses and slopes of the rows, or of the columns, from the sums over their negatives. In float64. */
final class TileRows {
    private final TileLayout layout;
    private final double temperature;
    private final float[][] positive;
    private final double[] value; // sums of exp(s / tau), or of softplus(s / tau)
    private final double[] weighted; // of exp(s / tau) (s - positive), or of sigmoid(s / tau) s

    /** Adds up the groups' sums in their order. */
    TileRows(TileCall call, double[][] values, double[][] weighteds, int count) {
        this.layout = call.layout();
        this.temperature = call.temperature();
        this.positive = call.space().positive;
        this.value = new double[count];
        this.weighted = new double[count];
        for (int group = 0; group < values.length; group++) {
            for (int i = 0; i < count; i++) {
                value[i] += values[group][i];
                weighted[i] += weighteds[group][i];
            }
        }
    }

    double positive(int row) {
        return positive[row / Tiles.SIDE][row % Tiles.SIDE];
    }

    private double logit(int row) {
        return positive(row) / temperature;
    }

    double loss(int row) {
        if (layout.logistic) {
            return Scalars.softplus(-logit(row)) + layout.share * value[row];
        }
        return value[row] == 0.0 ? 0.0 : Scalars.softplus(logOdds(row));
    }

    /** ln of the odds of the negatives. */
    private double logOdds(int row) {
        return Math.log(value[row]) - logit(row);
    }

    /** The derivative of the loss by the temperature. */
    double temperatureSlope(int row) {
        double square = temperature * temperature;
        if (layout.logistic) {
            double ofPositive = Scalars.sigmoid(-logit(row)) * positive(row);
            return (ofPositive - layout.share * weighted[row]) / square;
        }
        return value[row] == 0.0 ? 0.0 : -mass(row) * (weighted[row] / value[row]) / square;
    }

    /** The softmax's mass of all negatives, which is minus the loss's derivative by the positive's logit; so for both losses. */
    double mass(int row) {
        if (layout.logistic) {
            return Scalars.sigmoid(-logit(row));
        }
        return value[row] == 0.0 ? 0.0 : Scalars.sigmoid(logOdds(row));
    }

    /** What a softmax's mass is to be multiplied by to be the weight of exp(s / tau). */
    double inverseSum(int row) {
        return value[row] == 0.0 ? 0.0 : 1.0 / value[row];
    }

    /** exp(entropy of the softmax over the negatives), NaN without any. */
    double effectiveNegatives(int row) {
        if (layout.logistic || value[row] == 0.0) {
            return Double.NaN;
        }
        return Math.exp(logOdds(row) - weighted[row] / value[row] / temperature);
    }

    /** The losses of all rows. */
    double[] losses() {
        double[] losses = new double[value.length];
        Arrays.setAll(losses, this::loss);
        return losses;
    }
}
