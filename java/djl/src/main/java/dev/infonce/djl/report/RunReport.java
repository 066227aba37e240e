package dev.infonce.djl.report;

import dev.infonce.djl.eval.Geometry;
import dev.infonce.djl.simclr.CurvePoint;
import dev.infonce.djl.simclr.GeometryPoint;
import dev.infonce.djl.simclr.Recipe;
import java.util.List;
import java.util.Map;

/**
 * Everything that report.json holds and report.html shows.
 *
 * @param recipe what was asked for
 * @param seed of the run
 * @param device that computed the loss
 * @param stepsDone fewer than the recipe's if the run was interrupted
 * @param trainImages images that the encoder learned from
 * @param probeImages labelled training images of the probes
 * @param testImages test images
 * @param evaluation accuracies
 * @param before projections of the untrained model
 * @param after projections of the trained model
 * @param neighbours nearest training images of a few test images
 * @param map 2-D maps of test images
 * @param timings seconds by what they were spent on, and images a second
 * @param versions of what computed this
 * @param curve one point a step
 * @param snapshots geometry of the projections of the same images, measured now and then
 */
public record RunReport(
        Recipe recipe,
        long seed,
        String device,
        int stepsDone,
        int trainImages,
        int probeImages,
        int testImages,
        Evaluation evaluation,
        Geometry before,
        Geometry after,
        List<Neighbours> neighbours,
        PlaneMaps map,
        Map<String, Double> timings,
        Map<String, String> versions,
        List<CurvePoint> curve,
        List<GeometryPoint> snapshots) {

    /**
     * Accuracies on the test images, from 0 to 1.
     *
     * @param nearestNeighbours k = 5, cosine
     * @param linear linear probe
     */
    public record Accuracy(double nearestNeighbours, double linear) {}

    /**
     * The three representations that are compared.
     *
     * @param pixels raw pixels
     * @param untrained features of the encoder before training
     * @param trained features after it
     */
    public record Evaluation(Accuracy pixels, Accuracy untrained, Accuracy trained) {
        /** Percentage points that the linear probe gained by training. */
        public double linearGain() {
            return 100 * (trained.linear() - untrained.linear());
        }
    }

    /**
     * A test image and the training images nearest to it.
     *
     * @param testImage index of the test image
     * @param pixels indices of training images, nearest first, by raw pixels
     * @param untrained by features before training
     * @param trained by features after it
     */
    public record Neighbours(int testImage, int[] pixels, int[] untrained, int[] trained) {}

    /**
     * Maps of the first test images into the plane.
     *
     * @param labels classes of the images
     * @param before n x 2, features before training
     * @param after n x 2, after it
     */
    public record PlaneMaps(int[] labels, double[][] before, double[][] after) {}
}
