package dev.infonce.djl;

/**
 * A learned bias of logits: passes its inputs on and appends it, behind {@link LogTemperature}'s number, as
 * {@link FusedContrastiveLoss#withLearnedTemperatureAndBias} expects it.
 */
public final class LogitBias extends LearnedNumber {
    /**
     * A parameter that starts at a bias.
     *
     * @param initialBias finite
     */
    public LogitBias(double initialBias) {
        super("bias", finite(initialBias));
    }

    private static float finite(double initialBias) {
        if (!Float.isFinite((float) initialBias)) {
            throw new IllegalArgumentException("initialBias is " + initialBias + ", allowed is a finite number");
        }
        return (float) initialBias;
    }

    /** The current bias. */
    public double bias() {
        return value();
    }
}
