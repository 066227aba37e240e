package dev.infonce.bench.contest;

import java.util.stream.IntStream;
import org.apache.commons.math3.stat.StatUtils;

/** Ratios of what was measured in the same rounds. */
public final class Ratios {
    private Ratios() {}

    /** The median over rounds of a round's numerator over its denominator; NaN without rounds. */
    public static double median(double[] numerators, double[] denominators) {
        return StatUtils.percentile(
                IntStream.range(0, numerators.length)
                        .mapToDouble(round -> numerators[round] / denominators[round])
                        .toArray(),
                50);
    }
}
