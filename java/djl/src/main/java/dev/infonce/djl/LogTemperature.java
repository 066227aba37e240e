package dev.infonce.djl;

/**
 * A learned temperature: passes its inputs on and appends the parameter ln(tau), as
 * {@link FusedContrastiveLoss#withLearnedTemperature} expects it. Learning the logarithm keeps the temperature positive.
 */
public final class LogTemperature extends LearnedNumber {
    /**
     * A parameter that starts at a temperature.
     *
     * @param initialTemperature tau, finite and above 0
     */
    public LogTemperature(double initialTemperature) {
        super("logTemperature", logarithm(initialTemperature));
    }

    private static float logarithm(double initialTemperature) {
        if (!(initialTemperature > 0) || Double.isInfinite(initialTemperature)) {
            throw new IllegalArgumentException(
                    "initialTemperature is " + initialTemperature + ", allowed is above 0, finite");
        }
        return (float) Math.log(initialTemperature);
    }

    /** The current temperature. */
    public double temperature() {
        return Math.exp(value());
    }
}
