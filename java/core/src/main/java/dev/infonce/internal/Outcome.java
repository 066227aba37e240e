package dev.infonce.internal;

import dev.infonce.Metrics;

/**
 * The scalars of a call.
 *
 * @param loss the reduced loss; NaN for NONE or if not wanted
 * @param rowLosses w_i l_i for NONE, else empty
 * @param dTemperature gradient by tau; 0 for losses without one, and without gradients
 * @param dBias gradient by the bias; 0 likewise
 * @param metrics null if the plan has none or the loss was not wanted
 */
public record Outcome(double loss, double[] rowLosses, double dTemperature, double dBias, Metrics metrics) {}
