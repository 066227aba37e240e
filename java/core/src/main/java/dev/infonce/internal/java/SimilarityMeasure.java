package dev.infonce.internal.java;

import dev.infonce.Similarity;

/** A similarity s(x, y) of rows and its gradient. With COSINE the rows are unit rows and s is their dot product. */
record SimilarityMeasure(Similarity similarity) {

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
                for (int k = 0; k < width; k++) {
                    out[k] = -Math.sqrt(out[k]);
                }
            }
        }
    }

    /** s(x, y), to the bit what similarities gives. */
    double similarity(double[] x, int xAt, double[] y, int yAt, int dim) {
        return switch (similarity) {
            case COSINE, DOT -> Kernels.dot(x, xAt, y, yAt, dim);
            case NEGATIVE_SQUARED_EUCLIDEAN -> -Kernels.squaredDistance(x, xAt, y, yAt, dim);
            case NEGATIVE_EUCLIDEAN -> -Math.sqrt(Kernels.squaredDistance(x, xAt, y, yAt, dim));
        };
    }

    /** sum (at sumAt) += the sum over rows k of a block of y of factor[k] ds/dx; s[k] are the similarities. */
    void addGradients(double[] factor, double[] s, Rows x, int row, Rows y, int block, double[] sum, int sumAt) {
        int width = y.width(block);
        if (!isOfDifferences()) {
            Kernels.addRows(factor, y.block(block), width, x.dim, sum, sumAt);
            return;
        }
        for (int k = 0; k < width; k++) {
            factor[k] *= alongDifference(s[k]);
        }
        Kernels.addDifferences(
                factor, y.block(block), width, x.dim, x.blockOf(row), Rows.offset(row, x.dim), sum, sumAt);
    }

    /** sum (at sumAt) += factor ds/dx for one x and one y of similarity s. */
    void addGradient(
            double factor, double s, double[] x, int xAt, double[] y, int yAt, int dim, double[] sum, int sumAt) {
        if (isOfDifferences()) {
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
    static void throughNorm(double[] gradient, int at, double[] unit, int unitAt, double inverseNorm, int dim) {
        double along = Kernels.dot(gradient, at, unit, unitAt, dim);
        for (int d = 0; d < dim; d++) {
            gradient[at + d] = (gradient[at + d] - along * unit[unitAt + d]) * inverseNorm;
        }
    }
}
