package dev.infonce.djl.eval;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import smile.manifold.TSNE;

/** Maps of feature vectors into the plane by t-SNE (van der Maaten and Hinton 2008), as Smile computes it. */
public final class PlaneMap {
    private static final double PERPLEXITY = 30;
    private static final double LEARNING_RATE = 50;
    private static final int ITERATIONS = 600;
    private static final long SEED = 20_080_901;

    private PlaneMap() {}

    /**
     * One point a row; near rows, by the angle between them, come to lie near each other.
     *
     * @param features n x features, n at most some thousands: time and memory grow with its square
     * @return n x 2
     */
    public static double[][] of(NDArray features) {
        // more threads would update points while others read them, and the map would differ from run to run
        System.setProperty("smile.threads", "1");
        smile.math.Math.setSeed(SEED);
        return new TSNE(squaredDistances(features), 2, PERPLEXITY, LEARNING_RATE, ITERATIONS).getCoordinates();
    }

    // a square matrix is taken as distances
    private static double[][] squaredDistances(NDArray features) {
        int count = (int) features.getShape().get(0);
        try (NDManager scope = features.getManager().newSubManager()) {
            NDArray unit = NearestNeighbours.unit(scope, features);
            float[] cosines = unit.matMul(unit.transpose()).toFloatArray();
            double[][] distances = new double[count][count];
            for (int row = 0; row < count; row++) {
                for (int column = 0; column < count; column++) {
                    distances[row][column] = row == column ? 0 : Math.max(0, 2 - 2.0 * cosines[row * count + column]);
                }
            }
            return distances;
        }
    }
}
