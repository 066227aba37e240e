package dev.infonce.internal.nativelib;

import dev.infonce.Metrics;
import dev.infonce.bindings.nce_metrics;
import java.lang.foreign.MemorySegment;

/** Metrics as the libraries write them. */
public final class NativeMetrics {
    private NativeMetrics() {}

    /** The size of the struct. */
    public static long bytes() {
        return nce_metrics.sizeof();
    }

    /** What the struct says; its memory is the host's. */
    public static Metrics read(MemorySegment struct) {
        return new Metrics(
                nce_metrics.top1_accuracy(struct),
                nce_metrics.topk_accuracy(struct),
                nce_metrics.positive_similarity(struct),
                nce_metrics.negative_similarity(struct),
                nce_metrics.alignment(struct),
                nce_metrics.uniformity(struct),
                nce_metrics.effective_negatives(struct),
                nce_metrics.rows(struct),
                nce_metrics.zero_rows(struct),
                nce_metrics.non_finite_rows(struct),
                nce_metrics.rows_without_positives(struct),
                nce_metrics.rows_without_negatives(struct));
    }
}
