package dev.infonce;

/**
 * What a forward call found.
 *
 * @param loss the reduced loss; NaN for {@link Reduction#NONE}
 * @param rowLosses w_i l_i of every row for {@link Reduction#NONE}, else empty
 * @param metrics null if the plan has none
 */
public record LossResult(double loss, double[] rowLosses, Metrics metrics) {}
