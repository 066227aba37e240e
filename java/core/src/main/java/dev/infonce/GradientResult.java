package dev.infonce;

/**
 * What a backward call found. Gradients are shaped and typed like the inputs and include the upstream gradient.
 *
 * @param loss the reduced loss; NaN for {@link Reduction#NONE}, and after a call that was not asked for it
 * @param rowLosses w_i l_i of every row for {@link Reduction#NONE}, else empty
 * @param dQueries gradient by the queries, or null if not wanted
 * @param dKeys gradient by the keys, or null if there are none or it was not wanted
 * @param dNegatives gradient by the negatives, or null if there are none or it was not wanted
 * @param dTemperature gradient by the temperature; 0 for losses with a margin
 * @param dBias gradient by the bias; 0 for losses without one
 * @param temperature the temperature of the call; NaN for losses with a margin
 * @param metrics null if the plan has none or the loss was not asked for
 */
public record GradientResult(
        double loss,
        double[] rowLosses,
        Matrix dQueries,
        Matrix dKeys,
        Matrix dNegatives,
        double dTemperature,
        double dBias,
        double temperature,
        Metrics metrics) {
    /**
     * The gradient by the temperature's logarithm, as models learn it: temperature * dTemperature.
     *
     * @return the gradient by ln tau; 0 for losses with a margin
     */
    public double dLogTemperature() {
        return dTemperature == 0 ? 0 : temperature * dTemperature;
    }
}
