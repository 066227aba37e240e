package dev.infonce.internal.java;

/**
 * l = softplus(-positive's logit) + share times the sum over the negatives of softplus(logit): NT-Logistic (2002.05709
 * table 2), the share being 1 for the sum, 1 / count for the mean.
 */
final class LogisticSum implements NegativeSum {
    private final double temperature;
    private final double share;
    private double sum;
    private double moment; // of sigmoid(s / tau) s

    LogisticSum(double temperature, double share) {
        this.temperature = temperature;
        this.share = share;
    }

    @Override
    public void add(double[] s, int count) {
        for (int k = 0; k < count; k++) {
            double z = s[k] / temperature;
            sum += Scalars.softplus(z);
            moment += Scalars.sigmoid(z) * s[k];
        }
    }

    @Override
    public double loss(double positive) {
        return Scalars.softplus(-positive / temperature) + share * sum;
    }

    @Override
    public double temperatureSlope(double positive) {
        double ofPositive = Scalars.sigmoid(-positive / temperature) * positive;
        return (ofPositive - share * moment) / (temperature * temperature);
    }

    @Override
    public double positiveSlope(double positive) {
        return -Scalars.sigmoid(-positive / temperature);
    }

    @Override
    public double effectiveNegatives() {
        return Double.NaN;
    }
}
