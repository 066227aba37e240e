package dev.infonce.suite;

import dev.infonce.DType;
import dev.infonce.Similarity;
import dev.infonce.SupCon;

/**
 * The errors that devices promise against float64 of the given inputs, for tau >= 0.01. Everything that a test allows is from
 * here.
 *
 * @param loss relative, times 1 + loss if growing
 * @param rowLoss likewise of a row's own, whose roundings no mean evens out
 * @param dTemperature relative to the sum of the absolute values of what rows have in it: the same, unless signs are mixed
 * @param gradient relative, in the Frobenius norm of each matrix
 * @param spacing absolute, of every element of a gradient: the element type has nothing between 0 and this
 * @param growing whether the bound of the loss grows with it, as that of the CUDA kernels does
 * @param metric absolute where a metric is below 1, else relative
 */
public record Tolerances(
        double loss,
        double rowLoss,
        boolean growing,
        double dTemperature,
        double gradient,
        double spacing,
        double metric) {
    /**
     * "precise" of DESIGN: fp32 arithmetic is used only while the largest logit is at most 64, and 64 units of fp32 rounding
     * (2^-24) are 4e-6.
     */
    private static final Tolerances FLOAT32 = new Tolerances(1e-5, 1e-5, false, 1e-5, 1e-5, Float.MIN_VALUE, 1e-5);

    /** A processor with products of bfloat16 takes weights of so many bits too: 2^-9 a weight. */
    private static final Tolerances CPU_BFLOAT16 = new Tolerances(1e-5, 1e-5, false, 1e-5, 5e-3, Float.MIN_VALUE, 1e-5);

    /** Logits up to 1e4 and sums of up to 1e3 terms, each rounded to 2^-53: 1e-12, with room for cancelling gradients. */
    private static final Tolerances FLOAT64 = new Tolerances(1e-10, 1e-10, false, 1e-9, 1e-9, Double.MIN_VALUE, 1e-9);

    /** Metrics are for reading: the CUDA kernels make their exponentials in float32. */
    private static final Tolerances CUDA_FLOAT64 =
            new Tolerances(1e-10, 1e-10, false, 1e-9, 1e-9, Double.MIN_VALUE, 1e-6);

    /** Half of the spacing of binary16 near 0, below which gradients of that type have only 0. */
    private static final double HALF_SPACING = 0x1p-25;

    public static Tolerances of(String device, Case c) {
        boolean cuda = Devices.isCuda(device);
        if (c.dtype() == DType.FLOAT64) {
            return cuda ? CUDA_FLOAT64 : FLOAT64;
        }
        if (cuda) {
            return cuda(c, Oracle.temperatureOfNegatives(c));
        }
        return multipliesBfloat16(c) ? CPU_BFLOAT16 : FLOAT32;
    }

    /** Whether products may be of bfloat16: of rows that all meet, by cosine or dot. */
    private static boolean multipliesBfloat16(Case c) {
        boolean meet = switch (c.loss().negatives()) {
            case IN_BATCH, SHARED, IN_BATCH_AND_OWN -> true;
            case OWN, PAIRED -> false;
        };
        Object similarity = c.loss().components().get("similarity");
        return c.dtype() == DType.BFLOAT16 && meet && (similarity == Similarity.COSINE || similarity == Similarity.DOT);
    }

    /** With gradients of another type than the inputs: those of 16 bits are rounded by up to 2^-8. */
    static Tolerances of(String device, Case c, DType gradients) {
        if (Devices.isCuda(device) || gradients == DType.FLOAT32 || multipliesBfloat16(c)) {
            return of(device, c);
        }
        double spacing = gradients == DType.FLOAT16 ? HALF_SPACING : Float.MIN_VALUE;
        return new Tolerances(1e-5, 1e-5, false, 1e-5, 0x1p-8 + 1e-5, spacing, 1e-5);
    }

    /**
     * The CUDA kernels: loss max(1e-6, 2e-5 * 0.01 / tau) (1 + loss), since products of two 16-bit planes are off by 2^-22 and
     * logits by that over tau; a row's own 3e-5 for 2e-5, since its positive may be off by five roundings of 2^-24; gradients
     * max(3e-6, 5e-5 * 0.01 / tau). Of 16-bit inputs tensor cores cut off sums of products, by up to 2^-28 a product, and weights
     * are rounded to as many bits: gradients 5e-3, and with several positives, whose exponentials and whose constant are rounded apart
     * before they cancel, 2e-2. Losses with a margin are computed in double.
     */
    private static Tolerances cuda(Case c, double tau) {
        DType dtype = c.dtype();
        long dim = c.shape().dim();
        double hundredths = Double.isNaN(tau) ? 0 : 0.01 / tau;
        double loss = Math.max(1e-6, 2e-5 * hundredths);
        if (dtype != DType.FLOAT32) {
            loss = Math.max(loss, (2e-5 + 100 * dim * 0x1p-28) * hundredths);
        }
        double rowLoss = Math.max(loss, 3e-5 * hundredths);
        double ofWeights = c.loss() instanceof SupCon ? 2e-2 : 5e-3;
        double gradient = dtype == DType.FLOAT32 ? Math.max(3e-6, 5e-5 * hundredths) : ofWeights;
        double spacing = dtype == DType.FLOAT16 ? HALF_SPACING : Float.MIN_VALUE;
        return new Tolerances(loss, rowLoss, true, gradient, gradient, spacing, Math.max(1e-5, loss));
    }

    /** Relative. */
    double ofLoss(double expected) {
        return growing ? loss * (1 + Math.abs(expected)) : loss;
    }

    /** Likewise, of a row. */
    double ofRowLoss(double expected) {
        return growing ? rowLoss * (1 + Math.abs(expected)) : rowLoss;
    }

    /** For two results that err both. */
    Tolerances twice() {
        return new Tolerances(2 * loss, 2 * rowLoss, growing, 2 * dTemperature, 2 * gradient, 2 * spacing, 2 * metric);
    }
}
