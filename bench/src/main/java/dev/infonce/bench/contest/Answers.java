package dev.infonce.bench.contest;

/** What a contender's process answers. */
final class Answers {
    private Answers() {}

    /**
     * It is ready.
     *
     * @param description of the engine
     * @param residentBytes with inputs and places for gradients, before the first call
     * @param peakWasReset whether the peak is counted from here on; else from the start of the process
     */
    record Opened(String description, long residentBytes, boolean peakWasReset) {}

    /** Each call's time. */
    record Timed(double[] milliseconds) {}

    /** The loss of the gradients that were written. */
    record Written(double loss) {}

    /** The highest resident size so far. */
    record Memory(long peakBytes) {}
}
