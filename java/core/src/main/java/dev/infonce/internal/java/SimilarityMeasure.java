package dev.infonce.internal.java;

import dev.infonce.Similarity;

/** A similarity s(x, y) of rows and its gradient. With COSINE the rows are unit rows and s is their dot product. */
record SimilarityMeasure(Similarity similarity) {
    /** Distances below are divided by with care. */
    static final double TINY_DISTANCE = 0x1p-450;

    /** Between what numbers similarities lie. */
    Tally.Range range() {
        return switch (similarity) {
            case COSINE -> new Tally.Range(-1.0, 1.0);
            case DOT -> Tally.Range.ALL;
            case NEGATIVE_SQUARED_EUCLIDEAN, NEGATIVE_EUCLIDEAN -> new Tally.Range(Double.NEGATIVE_INFINITY, 0.0);
        };
    }

    /** What bounds the derivatives by these rows and by those that meet them; the sum of both sides' is a bound of each. */
    double derivatives(Embeddings rows) {
        return switch (similarity) {
            case COSINE -> 2.0 * rows.vectors().largestInverseNorm();
            case DOT -> rows.vectors().largestElement();
            case NEGATIVE_SQUARED_EUCLIDEAN -> 2.0 * rows.vectors().largestElement();
            case NEGATIVE_EUCLIDEAN -> 1.0;
        };
    }

    /** No similarity of rows of so many elements, none of them larger than that, is larger. */
    double largest(double element, int dim) {
        return switch (similarity) {
            case COSINE -> 2.0; // with room for roundings
            case DOT -> dim * element * element;
            case NEGATIVE_SQUARED_EUCLIDEAN -> 4.0 * dim * element * element;
            case NEGATIVE_EUCLIDEAN -> 2.0 * Math.sqrt(dim) * element;
        };
    }

    /** Whether rows are to be divided by their norms before anything else. */
    boolean isOfUnitRows() {
        return switch (similarity) {
            case COSINE -> true;
            case DOT, NEGATIVE_SQUARED_EUCLIDEAN, NEGATIVE_EUCLIDEAN -> false;
        };
    }

    /** Whether the gradient goes along y - x, else along y. */
    private boolean isOfDifferences() {
        return switch (similarity) {
            case COSINE, DOT -> false;
            case NEGATIVE_SQUARED_EUCLIDEAN, NEGATIVE_EUCLIDEAN -> true;
        };
    }

    /** out[k] = s(row of x, row k of a block of y). */
    void similarities(Rows x, int row, Rows y, int block, double[] out) {
        int width = y.width(block);
        double[] from = x.blockOf(row);
        int at = Rows.offset(row, x.dim);
        switch (similarity) {
            case COSINE, DOT -> Kernels.dots(from, at, y.panel(block), width, x.dim, out);
            case NEGATIVE_SQUARED_EUCLIDEAN -> {
                Kernels.squaredDistances(from, at, y.panel(block), width, x.dim, out);
                for (int k = 0; k < width; k++) {
                    out[k] = -out[k];
                }
            }
            case NEGATIVE_EUCLIDEAN -> {
                Kernels.squaredDistances(from, at, y.panel(block), width, x.dim, out);
                double[] rows = y.block(block);
                for (int k = 0; k < width; k++) {
                    out[k] = -Kernels.distance(out[k], from, at, rows, k * x.dim, x.dim);
                }
            }
        }
    }

    /** out[k] = s(row of x, row first + k of y), which need not be of one block. */
    void similaritiesOfOwn(Rows x, int row, Rows y, int first, int width, double[] out) {
        double[] from = x.blockOf(row);
        int at = Rows.offset(row, x.dim);
        for (int k = 0; k < width; k++) {
            out[k] = similarity(from, at, y.blockOf(first + k), Rows.offset(first + k, x.dim), x.dim);
        }
    }

    /** s(x, y), to the bit what similarities gives. */
    double similarity(double[] x, int xAt, double[] y, int yAt, int dim) {
        return switch (similarity) {
            case COSINE, DOT -> Kernels.dot(x, xAt, y, yAt, dim);
            case NEGATIVE_SQUARED_EUCLIDEAN -> -Kernels.squaredDistance(x, xAt, y, yAt, dim);
            case NEGATIVE_EUCLIDEAN -> {
                double squared = Kernels.squaredDistance(x, xAt, y, yAt, dim);
                yield -Kernels.distance(squared, x, xAt, y, yAt, dim);
            }
        };
    }

    /** sum (at sumAt) += the sum over the first rows k of a block of y of factor[k] ds/dx; s[k] are the similarities. */
    void addGradients(
            double[] factor, double[] s, Rows x, int row, Rows y, int block, int width, double[] sum, int sumAt) {
        if (!isOfDifferences()) {
            Kernels.addRows(factor, y.block(block), width, x.dim, sum, sumAt);
            return;
        }
        double[] from = x.blockOf(row);
        int at = Rows.offset(row, x.dim);
        for (int k = 0; k < width; k++) {
            if (isTiny(s[k])) {
                Kernels.addDirection(factor[k], -s[k], y.block(block), k * x.dim, x.dim, from, at, sum, sumAt);
                factor[k] = 0.0;
            } else {
                factor[k] *= alongDifference(s[k]);
            }
        }
        Kernels.addDifferences(factor, y.block(block), width, x.dim, from, at, sum, sumAt);
    }

    /** Whether s is minus a distance whose inverse might overflow. */
    private boolean isTiny(double s) {
        return switch (similarity) {
            case COSINE, DOT, NEGATIVE_SQUARED_EUCLIDEAN -> false;
            case NEGATIVE_EUCLIDEAN -> -s < TINY_DISTANCE && s != 0.0;
        };
    }

    /** sum (at sumAt) += factor ds/dx for one x and one y of similarity s. */
    void addGradient(
            double factor, double s, double[] x, int xAt, double[] y, int yAt, int dim, double[] sum, int sumAt) {
        if (isTiny(s)) {
            Kernels.addDirection(factor, -s, y, yAt, dim, x, xAt, sum, sumAt);
        } else if (isOfDifferences()) {
            Kernels.addDifference(factor * alongDifference(s), y, yAt, dim, x, xAt, sum, sumAt);
        } else {
            Kernels.addRow(factor, y, yAt, dim, sum, sumAt);
        }
    }

    /** ds/dx = this times (y - x), for similarities of differences. At distance 0 the Euclidean subgradient is 0. */
    private double alongDifference(double s) {
        return switch (similarity) {
            case COSINE, DOT -> throw new IllegalStateException(similarity + " is not of differences");
            case NEGATIVE_SQUARED_EUCLIDEAN -> 2.0;
            case NEGATIVE_EUCLIDEAN -> s == 0.0 ? 0.0 : -1.0 / s;
        };
    }

    /** The gradient by x^ becomes the gradient by x: (g - (g . x^) x^) / |x|, and 0 for a zero row. */
    static void throughNorm(
            double[] gradient, int at, double[] unit, int unitAt, Rows.InverseNorm inverseNorm, int dim) {
        double along = Kernels.dot(gradient, at, unit, unitAt, dim);
        double inverse = inverseNorm.inverse();
        for (int d = 0; d < dim; d++) {
            gradient[at + d] = (gradient[at + d] - along * unit[unitAt + d]) * inverse;
        }
        if (inverseNorm.exponent() != 0) {
            for (int d = 0; d < dim; d++) {
                gradient[at + d] = Math.scalb(gradient[at + d], inverseNorm.exponent());
            }
        }
    }
}
