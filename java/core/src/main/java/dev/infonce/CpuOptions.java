package dev.infonce;

import java.util.Objects;

/**
 * How the cpu device works. Neither option changes what a given instruction set computes, bit for bit.
 *
 * @param threads threads that work on a call, 1 ... 1024, or 0 for one a processor
 * @param maxIsa the highest instruction set to use
 */
public record CpuOptions(int threads, Isa maxIsa) {
    /**
     * Checks the options.
     *
     * @throws IllegalArgumentException if threads is out of range
     * @throws NullPointerException if maxIsa is null
     */
    public CpuOptions {
        Checks.range("threads", threads, 0, 1024);
        Objects.requireNonNull(maxIsa, "maxIsa");
    }

    /**
     * One thread a processor, the best instruction set.
     *
     * @return the default options
     */
    public static CpuOptions defaults() {
        return new CpuOptions(0, Isa.BEST);
    }
}
