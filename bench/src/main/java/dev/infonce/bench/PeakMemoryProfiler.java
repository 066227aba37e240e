package dev.infonce.bench;

import dev.infonce.bench.contest.ProcessMemory;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/** The highest resident size of the process that runs a benchmark. */
public final class PeakMemoryProfiler implements InternalProfiler {
    /** The name of the result. */
    static final String LABEL = "peak memory";

    private static final double MIB = 1 << 20;

    @Override
    public String getDescription() {
        return "highest resident size of the process";
    }

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {}

    @Override
    public Collection<? extends Result<?>> afterIteration(
            BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
        return List.of(new ScalarResult(LABEL, ProcessMemory.peakBytes() / MIB, "MiB", AggregationPolicy.MAX));
    }
}
