package dev.infonce.internal.java;

/** Slopes of {@link LogisticSum}: factor sigmoid(s / tau). */
final class LogisticSlopes implements NegativeSlopes {
    private final double temperature;
    private final double share;
    private final double[] factor;

    LogisticSlopes(double temperature, double share, int rows) {
        this.temperature = temperature;
        this.share = share;
        this.factor = new double[rows];
    }

    @Override
    public void keep(int row, NegativeSum sum, double positive, double scale) {
        factor[row] = scale * share / temperature;
    }

    @Override
    public void addOfRow(int row, double[] s, int count, double[] slope) {
        for (int k = 0; k < count; k++) {
            slope[k] += factor[row] * Scalars.sigmoid(s[k] / temperature);
        }
    }

    @Override
    public void addOfRows(int firstRow, double[] s, int count, double[] slope) {
        for (int k = 0; k < count; k++) {
            slope[k] += factor[firstRow + k] * Scalars.sigmoid(s[k] / temperature);
        }
    }
}
