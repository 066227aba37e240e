package dev.infonce.djl.eval;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.InfoNce;
import dev.infonce.Matrix;
import dev.infonce.Metrics;
import dev.infonce.Plan;
import dev.infonce.Shape;

/**
 * How projections of two views of the same images lie on the unit sphere.
 *
 * @param images how many images were compared
 * @param partnerRate share of the first views whose most similar second view, of all images, is of the same image
 * @param alignment mean squared distance of partners
 * @param uniformity logarithm of the mean of exp(-2 d^2) over views of different images
 * @param positives shares of the cosines of partners, by bin of [-1, 1]
 * @param sameClass of views of different images of one class
 * @param others of views of images of different classes
 * @param meanPositive mean cosine of partners
 * @param meanSameClass mean cosine within a class
 * @param meanOther mean cosine across classes
 */
public record Geometry(
        int images,
        double partnerRate,
        double alignment,
        double uniformity,
        double[] positives,
        double[] sameClass,
        double[] others,
        double meanPositive,
        double meanSameClass,
        double meanOther) {
    /** Bins of the histograms. */
    public static final int BINS = 80;

    private static final double ANY_TEMPERATURE = 0.2;

    /**
     * Compares projections.
     *
     * @param first one view of each image, n x dim, float32
     * @param second the other view
     * @param labels classes of the images
     * @param device computes partner rate, alignment and uniformity with the metrics of InfoNCE
     */
    public static Geometry of(NDArray first, NDArray second, byte[] labels, Device device) {
        int count = labels.length;
        Tally positives = new Tally();
        Tally sameClass = new Tally();
        Tally others = new Tally();
        float[] cosines = cosines(first, second);
        for (int row = 0; row < count; row++) {
            for (int column = 0; column < count; column++) {
                Tally tally = row == column ? positives : labels[row] == labels[column] ? sameClass : others;
                tally.add(cosines[row * count + column]);
            }
        }
        Metrics metrics = metrics(first, second, device);
        return new Geometry(
                count,
                metrics.top1Accuracy(),
                metrics.alignment(),
                metrics.uniformity(),
                positives.shares(),
                sameClass.shares(),
                others.shares(),
                positives.mean(),
                sameClass.mean(),
                others.mean());
    }

    /**
     * The metrics of InfoNCE with the first views as queries and the second ones as keys.
     *
     * @param first n x dim, float32
     * @param second n x dim, float32
     */
    public static Metrics metrics(NDArray first, NDArray second, Device device) {
        long count = first.getShape().get(0);
        long dim = first.getShape().get(1);
        try (Plan plan =
                device.plan(InfoNce.withTemperature(ANY_TEMPERATURE), Shape.of(count, count, dim), DType.FLOAT32)) {
            return plan.forward(
                            Matrix.of(first.toFloatArray(), count, dim), Matrix.of(second.toFloatArray(), count, dim))
                    .metrics();
        }
    }

    private static float[] cosines(NDArray first, NDArray second) {
        try (NDManager scope = first.getManager().newSubManager()) {
            NDArray left = NearestNeighbours.unit(scope, first);
            NDArray right = NearestNeighbours.unit(scope, second);
            return left.matMul(right.transpose()).toFloatArray();
        }
    }

    private static final class Tally {
        private final long[] counts = new long[BINS];
        private long total;
        private double sum;

        void add(float cosine) {
            int bin = (int) ((cosine + 1) / 2 * BINS);
            counts[Math.clamp(bin, 0, BINS - 1)]++;
            total++;
            sum += cosine;
        }

        double[] shares() {
            double[] shares = new double[BINS];
            for (int bin = 0; bin < BINS; bin++) {
                shares[bin] = total == 0 ? 0 : (double) counts[bin] / total;
            }
            return shares;
        }

        double mean() {
            return total == 0 ? 0 : sum / total;
        }
    }
}
