package dev.infonce.internal.java;

/** Slopes of {@link SoftmaxSum}: factor exp((s - max) / tau), every factor and maximum being the row's own. */
final class SoftmaxSlopes implements NegativeSlopes {
    private final double temperature;
    private final double[] max;
    private final double[] factor;

    SoftmaxSlopes(double temperature, int rows) {
        this.temperature = temperature;
        this.max = new double[rows];
        this.factor = new double[rows];
    }

    @Override
    public void keep(int row, NegativeSum sum, double positive, double scale) {
        SoftmaxSum softmax = (SoftmaxSum) sum;
        max[row] = softmax.max();
        factor[row] = scale * softmax.negativeSlope(positive) / temperature;
    }

    @Override
    public void addOfRow(int row, double[] s, int count, double[] slope) {
        double rowMax = max[row];
        double rowFactor = factor[row];
        for (int k = 0; k < count; k++) {
            slope[k] += rowFactor * Math.exp((s[k] - rowMax) / temperature);
        }
    }

    @Override
    public void addOfRows(int firstRow, double[] s, int count, double[] slope) {
        for (int k = 0; k < count; k++) {
            slope[k] += factor[firstRow + k] * Math.exp((s[k] - max[firstRow + k]) / temperature);
        }
    }
}
