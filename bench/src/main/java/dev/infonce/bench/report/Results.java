package dev.infonce.bench.report;

import java.util.List;

/**
 * Everything that results.json holds. Times are milliseconds unless the name says otherwise; what was not measured is null, or
 * an empty list.
 *
 * @param machine where
 * @param command what was asked for
 * @param started when, UTC
 * @param fmaPeak32 GFLOP/s of all processors together, float32, the highest seen in this run
 * @param fmaPeak64 float64, likewise
 * @param speeds of this library's devices
 * @param calls what a small call costs
 * @param memory of forward and backward
 * @param scaling of forward and backward with the threads
 * @param dtypes 16-bit rows beside 32-bit ones
 * @param comparisons with peers
 */
public record Results(
        Machine machine,
        String command,
        String started,
        double fmaPeak32,
        double fmaPeak64,
        List<Speed> speeds,
        List<CallCost> calls,
        List<MemoryPoint> memory,
        List<Scaling> scaling,
        List<DTypeRatio> dtypes,
        List<Comparison> comparisons) {
    /**
     * One row of the suite.
     *
     * @param spread half the distance of the quartiles
     * @param gigaflops useful work, 2 N M D operations a unit; NaN for losses that are no products of matrices
     * @param share of the FMA peak of the type, for 16-bit types of float32
     * @param peakMiB highest resident size of the process
     */
    public record Speed(
            String device,
            String loss,
            String dtype,
            int n,
            int dim,
            String call,
            double milliseconds,
            double spread,
            double gigaflops,
            double share,
            double peakMiB) {}

    /** A small call: its time, and what it leaves on the heap. */
    public record CallCost(String call, double microseconds, double spread, double heapBytes) {}

    /**
     * Memory of a process that does forward and backward once.
     *
     * @param scratchMiB the peak above inputs, gradients and everything else that was there before the call
     * @param peakMiB the peak of the process
     */
    public record MemoryPoint(String engine, int n, int dim, double scratchMiB, double peakMiB, double seconds) {}

    /**
     * One thread and all of them, in turns with what the machine itself does. Ratios are medians of each round's ratio.
     *
     * @param ratio time on one thread over that on all
     * @param fma fused multiply-adds in registers
     * @param product products of float32 tiles and nothing else
     * @param nativeShare the cpu device's time on one thread over this device's; null if the cpu device was not measured
     */
    public record Scaling(
            String device,
            String loss,
            int n,
            int dim,
            int threads,
            double oneThreadMilliseconds,
            double allThreadsMilliseconds,
            double ratio,
            Limit fma,
            Limit product,
            Double nativeShare) {}

    /** GFLOP/s that the machine allows on one thread and on all, and what all gain over one. */
    public record Limit(double oneThread, double allThreads, double ratio) {}

    /**
     * Rows and gradients of two types in turns.
     *
     * @param ratio time of float32 over that of bfloat16, the median of each round's ratio
     */
    public record DTypeRatio(
            String device,
            String loss,
            String call,
            int n,
            int dim,
            int threads,
            double float32Milliseconds,
            double bfloat16Milliseconds,
            double ratio) {}

    /**
     * This library and a peer in turns.
     *
     * @param variant how the peer goes about the loss
     * @param ratio the peer's median over ours
     * @param target what the ratio has to reach; null if nothing was promised
     * @param neededShare of the FMA peak, at which this library would reach the target; null without one
     */
    public record Comparison(
            String loss,
            int n,
            int dim,
            String variant,
            Side ours,
            Side peer,
            double ratio,
            Double target,
            Double neededShare) {
        /** Whether there is a target that was not reached. */
        public boolean isMissed() {
            return target != null && !(ratio >= target);
        }
    }

    /**
     * One of two that took turns.
     *
     * @param roundMilliseconds the median of each round
     */
    public record Side(
            String engine,
            String description,
            double milliseconds,
            double spread,
            double[] roundMilliseconds,
            double gigaflops,
            double share,
            double peakMiB,
            double scratchMiB) {}
}
