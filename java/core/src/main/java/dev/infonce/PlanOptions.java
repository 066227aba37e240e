package dev.infonce;

import java.util.Objects;

/**
 * How a plan works.
 *
 * @param precision what to pay for
 * @param metrics whether calls compute metrics too (costs some speed)
 * @param topK k of {@link Metrics#topKAccuracy()}, >= 1
 * @param workspaceBudgetBytes scratch up to which java and cpu keep tiles beyond what is necessary; 0 for none, -1 for the
 *     default: 256 MiB, or so little that the workspace has at most 64 MiB and a multiple of the queries where two towers
 *     without symmetry have at least 16 times as many columns. Changes speed, never a bit of a result; cuda keeps no tiles, and
 *     its workspace is the same for every budget
 * @param gradientDType the type of gradients: FLOAT32 or the plan's for 16-bit matrices, else the plan's; null for the plan's
 */
public record PlanOptions(
        Precision precision, boolean metrics, int topK, long workspaceBudgetBytes, DType gradientDType) {
    private static final PlanOptions DEFAULTS = new PlanOptions(Precision.PRECISE, true, 5, -1, null);

    /**
     * Checks the options.
     *
     * @throws IllegalArgumentException if topK is less than 1, or workspaceBudgetBytes less than -1
     * @throws NullPointerException if precision is null
     */
    public PlanOptions {
        Objects.requireNonNull(precision, "precision");
        Checks.range("topK", topK, 1, Integer.MAX_VALUE);
        Checks.range("workspaceBudgetBytes", workspaceBudgetBytes, -1, Long.MAX_VALUE);
    }

    /**
     * Precise, with metrics, k = 5, the device's default budget, gradients of the plan's type.
     *
     * @return the options
     */
    public static PlanOptions defaults() {
        return DEFAULTS;
    }

    /**
     * The same options without metrics.
     *
     * @return new options
     */
    public PlanOptions withoutMetrics() {
        return Components.with(this, "metrics", false);
    }

    /**
     * The same options with another precision.
     *
     * @param precision what to pay for
     * @return new options
     */
    public PlanOptions withPrecision(Precision precision) {
        return Components.with(this, "precision", precision);
    }

    /**
     * The same options with another k.
     *
     * @param topK k, >= 1
     * @return new options
     */
    public PlanOptions withTopK(int topK) {
        return Components.with(this, "topK", topK);
    }

    /**
     * The same options with another budget.
     *
     * @param bytes scratch for kept tiles, or -1 for the device's default
     * @return new options
     */
    public PlanOptions withWorkspaceBudget(long bytes) {
        return Components.with(this, "workspaceBudgetBytes", bytes);
    }

    /**
     * The same options with another type of gradients.
     *
     * @param gradientDType FLOAT32 for 16-bit matrices, or null for the plan's own type
     * @return new options
     */
    public PlanOptions withGradientDType(DType gradientDType) {
        return Components.with(this, "gradientDType", gradientDType);
    }

    /**
     * The type of gradients of a plan.
     *
     * @param dtype the plan's type
     * @return that, unless the options name another
     */
    public DType gradientDType(DType dtype) {
        return gradientDType == null ? dtype : gradientDType;
    }
}
