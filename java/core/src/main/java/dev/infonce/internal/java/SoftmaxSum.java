package dev.infonce.internal.java;

/**
 * l = softplus(LSE of the negatives' logits - the positive's logit), as InfoNCE (1807.03748 eq. 4) and NT-Xent
 * (2002.05709 eq. 1) have it. The positive stays out of the sum, so that a tiny loss keeps its relative accuracy, and
 * similarities enter as differences from the running maximum, so that no logit is too large.
 */
final class SoftmaxSum implements NegativeSum {
    private final double temperature;
    private double max = Double.NEGATIVE_INFINITY;
    private double sum; // of e = exp((s - max) / tau)
    private double moment; // of e (s - max)

    SoftmaxSum(double temperature) {
        this.temperature = temperature;
    }

    @Override
    public void add(double[] s, int count) {
        double largest = max;
        for (int k = 0; k < count; k++) {
            largest = Math.max(largest, s[k]);
        }
        if (largest > max) {
            if (sum > 0.0) {
                double factor = Math.exp((max - largest) / temperature);
                moment = (moment + sum * (max - largest)) * factor;
                sum *= factor;
            }
            max = largest;
        }
        for (int k = 0; k < count; k++) {
            double below = s[k] - max;
            double e = Math.exp(below / temperature);
            sum += e;
            moment += e * below;
        }
    }

    private double logOdds(double positive) {
        return (max - positive) / temperature + Math.log(sum);
    }

    @Override
    public double loss(double positive) {
        return sum == 0.0 ? 0.0 : Scalars.softplus(logOdds(positive));
    }

    @Override
    public double temperatureSlope(double positive) {
        if (sum == 0.0) {
            return 0.0;
        }
        double meanAbovePositive = moment / sum + (max - positive);
        return Scalars.sigmoid(logOdds(positive)) * -meanAbovePositive / (temperature * temperature);
    }

    @Override
    public double positiveSlope(double positive) {
        return sum == 0.0 ? 0.0 : -Scalars.sigmoid(logOdds(positive));
    }

    @Override
    public double effectiveNegatives() {
        return sum == 0.0 ? Double.NaN : Math.exp(Math.log(sum) - moment / sum / temperature);
    }

    /** The largest similarity of a negative; 0 without negatives. */
    double max() {
        return sum == 0.0 ? 0.0 : max;
    }

    /** The derivative of the loss by a negative's logit is this times exp((s - max) / tau). */
    double negativeSlope(double positive) {
        return sum == 0.0 ? 0.0 : Scalars.sigmoid(logOdds(positive)) / sum;
    }
}
