package dev.infonce.internal.java;

import java.util.Arrays;

/**
 * The inner loops, each over one row and one block of rows. A panel holds a block column by column: element d of row k
 * is panel[d * width + k], so that every loop below runs along contiguous memory and HotSpot vectorises it. Forms
 * of one row add in the same order as those of a block: equal vectors have equal similarities, to the bit, either way.
 */
public final class Kernels {
    /** Squares below or above have lost digits, or all. */
    private static final double SMALLEST_SQUARE = 0x1p-900;

    private static final double LARGEST_SQUARE = 0x1p1000;

    private Kernels() {}

    /** out[k] = the dot product of x (at xAt) and row k of the panel. */
    static void dots(double[] x, int xAt, double[] panel, int width, int dim, double[] out) {
        Arrays.fill(out, 0, width, 0.0);
        int d = 0;
        for (; d + 4 <= dim; d += 4) {
            double x0 = x[xAt + d];
            double x1 = x[xAt + d + 1];
            double x2 = x[xAt + d + 2];
            double x3 = x[xAt + d + 3];
            int p0 = d * width;
            int p1 = p0 + width;
            int p2 = p1 + width;
            int p3 = p2 + width;
            for (int k = 0; k < width; k++) {
                out[k] += (x0 * panel[p0 + k] + x1 * panel[p1 + k]) + (x2 * panel[p2 + k] + x3 * panel[p3 + k]);
            }
        }
        for (; d < dim; d++) {
            double x0 = x[xAt + d];
            int p0 = d * width;
            for (int k = 0; k < width; k++) {
                out[k] += x0 * panel[p0 + k];
            }
        }
    }

    /** The dot product of x (at xAt) and y (at yAt). */
    public static double dot(double[] x, int xAt, double[] y, int yAt, int dim) {
        double sum = 0.0;
        int d = 0;
        for (; d + 4 <= dim; d += 4) {
            sum += (x[xAt + d] * y[yAt + d] + x[xAt + d + 1] * y[yAt + d + 1])
                    + (x[xAt + d + 2] * y[yAt + d + 2] + x[xAt + d + 3] * y[yAt + d + 3]);
        }
        for (; d < dim; d++) {
            sum += x[xAt + d] * y[yAt + d];
        }
        return sum;
    }

    /** out[k] = the squared Euclidean distance of x (at xAt) and row k of the panel, without the expansion that cancels. */
    static void squaredDistances(double[] x, int xAt, double[] panel, int width, int dim, double[] out) {
        Arrays.fill(out, 0, width, 0.0);
        int d = 0;
        for (; d + 2 <= dim; d += 2) {
            double x0 = x[xAt + d];
            double x1 = x[xAt + d + 1];
            int p0 = d * width;
            int p1 = p0 + width;
            for (int k = 0; k < width; k++) {
                double difference0 = x0 - panel[p0 + k];
                double difference1 = x1 - panel[p1 + k];
                out[k] += difference0 * difference0 + difference1 * difference1;
            }
        }
        if (d < dim) {
            double x0 = x[xAt + d];
            int p0 = d * width;
            for (int k = 0; k < width; k++) {
                double difference0 = x0 - panel[p0 + k];
                out[k] += difference0 * difference0;
            }
        }
    }

    /** The squared Euclidean distance of x (at xAt) and y (at yAt). */
    static double squaredDistance(double[] x, int xAt, double[] y, int yAt, int dim) {
        double sum = 0.0;
        int d = 0;
        for (; d + 2 <= dim; d += 2) {
            double difference0 = x[xAt + d] - y[yAt + d];
            double difference1 = x[xAt + d + 1] - y[yAt + d + 1];
            sum += difference0 * difference0 + difference1 * difference1;
        }
        if (d < dim) {
            double difference0 = x[xAt + d] - y[yAt + d];
            sum += difference0 * difference0;
        }
        return sum;
    }

    /** The Euclidean distance of x (at xAt) and y (at yAt), whatever its size, if their squared distance is so much. */
    static double distance(double squared, double[] x, int xAt, double[] y, int yAt, int dim) {
        if (squared > SMALLEST_SQUARE && squared < LARGEST_SQUARE) {
            return Math.sqrt(squared);
        }
        double largest = 0.0;
        for (int d = 0; d < dim; d++) {
            largest = Math.max(largest, Math.abs(x[xAt + d] - y[yAt + d]));
        }
        if (largest == 0.0 || !Double.isFinite(largest)) {
            return largest;
        }
        int exponent = -Math.getExponent(largest);
        double sum = 0.0;
        for (int d = 0; d < dim; d++) {
            double difference = Math.scalb(x[xAt + d] - y[yAt + d], exponent);
            sum += difference * difference;
        }
        return Math.scalb(Math.sqrt(sum), -exponent);
    }

    /** sum (at sumAt) += factor times (y (at yAt) - x (at xAt)) over their distance, however small; 0 at distance 0. */
    static void addDirection(
            double factor,
            double distance,
            double[] y,
            int yAt,
            int dim,
            double[] x,
            int xAt,
            double[] sum,
            int sumAt) {
        if (distance == 0.0) {
            return;
        }
        int exponent = -Math.getExponent(distance);
        double scaled = Math.scalb(distance, exponent);
        for (int d = 0; d < dim; d++) {
            sum[sumAt + d] += factor * (Math.scalb(y[yAt + d] - x[xAt + d], exponent) / scaled);
        }
    }

    /** sum (at sumAt) += the sum over k of factor[k] times row k of block, a block stored row by row. */
    static void addRows(double[] factor, double[] block, int width, int dim, double[] sum, int sumAt) {
        int k = 0;
        for (; k + 4 <= width; k += 4) {
            double f0 = factor[k];
            double f1 = factor[k + 1];
            double f2 = factor[k + 2];
            double f3 = factor[k + 3];
            int y0 = k * dim;
            int y1 = y0 + dim;
            int y2 = y1 + dim;
            int y3 = y2 + dim;
            for (int d = 0; d < dim; d++) {
                sum[sumAt + d] += (f0 * block[y0 + d] + f1 * block[y1 + d]) + (f2 * block[y2 + d] + f3 * block[y3 + d]);
            }
        }
        for (; k < width; k++) {
            addRow(factor[k], block, k * dim, dim, sum, sumAt);
        }
    }

    /** sum (at sumAt) += factor times y (at yAt). */
    static void addRow(double factor, double[] y, int yAt, int dim, double[] sum, int sumAt) {
        for (int d = 0; d < dim; d++) {
            sum[sumAt + d] += factor * y[yAt + d];
        }
    }

    /** sum (at sumAt) += the sum over k of factor[k] times (row k of block - x). */
    static void addDifferences(
            double[] factor, double[] block, int width, int dim, double[] x, int xAt, double[] sum, int sumAt) {
        int k = 0;
        for (; k + 2 <= width; k += 2) {
            double f0 = factor[k];
            double f1 = factor[k + 1];
            int y0 = k * dim;
            int y1 = y0 + dim;
            for (int d = 0; d < dim; d++) {
                double at = x[xAt + d];
                sum[sumAt + d] += f0 * (block[y0 + d] - at) + f1 * (block[y1 + d] - at);
            }
        }
        if (k < width) {
            addDifference(factor[k], block, k * dim, dim, x, xAt, sum, sumAt);
        }
    }

    /** sum (at sumAt) += factor times (y (at yAt) - x (at xAt)). */
    static void addDifference(
            double factor, double[] y, int yAt, int dim, double[] x, int xAt, double[] sum, int sumAt) {
        for (int d = 0; d < dim; d++) {
            sum[sumAt + d] += factor * (y[yAt + d] - x[xAt + d]);
        }
    }
}
