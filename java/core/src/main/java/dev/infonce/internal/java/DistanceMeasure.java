package dev.infonce.internal.java;

import dev.infonce.Distance;

/** A distance d(x, y) of rows and its gradients. With COSINE the rows are unit rows. */
record DistanceMeasure(Distance kind) {

    boolean isOfUnitRows() {
        return switch (kind) {
            case EUCLIDEAN, SQUARED_EUCLIDEAN -> false;
            case COSINE -> true;
        };
    }

    /** The distance of row i of x and row i of y. */
    double distance(Embeddings x, Embeddings y, int row) {
        int at = Rows.offset(row, x.dim());
        Rows rows = x.vectors();
        double[] other = y.vectors().blockOf(row);
        double squared = Kernels.squaredDistance(rows.blockOf(row), at, other, at, x.dim());
        return switch (kind) {
            case EUCLIDEAN -> Kernels.distance(squared, rows.blockOf(row), at, other, at, x.dim());
            case SQUARED_EUCLIDEAN -> squared;
            // 1 - cosine = |x^ - y^|^2 / 2, which keeps its digits where the cosine is near 1
            case COSINE -> hasZero(x, row, y, row) ? 1.0 : squared / 2.0;
        };
    }

    /** out[k] = d(row of x, row k of a block of y), to the bit what distance gives. */
    void distances(Embeddings x, int row, Embeddings y, int block, double[] out) {
        int width = y.vectors().width(block);
        double[] from = x.vectors().blockOf(row);
        int at = Rows.offset(row, x.dim());
        Kernels.squaredDistances(from, at, y.vectors().panel(block), width, x.dim(), out);
        switch (kind) {
            case EUCLIDEAN -> {
                double[] rows = y.vectors().block(block);
                for (int k = 0; k < width; k++) {
                    out[k] = Kernels.distance(out[k], from, at, rows, k * x.dim(), x.dim());
                }
            }
            case SQUARED_EUCLIDEAN -> {}
            case COSINE -> {
                for (int k = 0; k < width; k++) {
                    out[k] = hasZero(x, row, y, block * Rows.BLOCK + k) ? 1.0 : out[k] / 2.0;
                }
            }
        }
    }

    /** Between what numbers minus a distance lies. */
    Tally.Range range() {
        return switch (kind) {
            case EUCLIDEAN, SQUARED_EUCLIDEAN -> new Tally.Range(Double.NEGATIVE_INFINITY, 0.0);
            case COSINE -> new Tally.Range(-2.0, 0.0);
        };
    }

    /** Whether the inverse of a distance might overflow. */
    private boolean isTiny(double distance) {
        return switch (kind) {
            case EUCLIDEAN -> distance < SimilarityMeasure.TINY_DISTANCE && distance != 0.0;
            case SQUARED_EUCLIDEAN, COSINE -> false;
        };
    }

    private static boolean hasZero(Embeddings x, int row, Embeddings y, int other) {
        return x.vectors().isZeroUnit(row) || y.vectors().isZeroUnit(other);
    }

    /** Adds factor dd/dx to dx and factor dd/dy to dy (both one row), for unit rows up to what goes along the row. */
    void addGradients(double factor, double distance, Embeddings x, Embeddings y, int row, double[] dx, double[] dy) {
        int dim = x.dim();
        int at = Rows.offset(row, dim);
        double[] left = x.vectors().blockOf(row);
        double[] right = y.vectors().blockOf(row);
        addGradient(factor, distance, left, at, right, at, dim, dx, 0);
        addGradient(factor, distance, right, at, left, at, dim, dy, 0);
    }

    /** Adds factor dd/dx for one x and one y to sum (at sumAt), for unit rows up to what goes along x. */
    void addGradient(
            double factor,
            double distance,
            double[] x,
            int xAt,
            double[] y,
            int yAt,
            int dim,
            double[] sum,
            int sumAt) {
        if (isTiny(distance)) {
            Kernels.addDirection(-factor, distance, y, yAt, dim, x, xAt, sum, sumAt);
            return;
        }
        double along = switch (kind) { // dd/dx = along (x - y)
            case EUCLIDEAN -> distance == 0.0 ? 0.0 : 1.0 / distance;
            case SQUARED_EUCLIDEAN -> 2.0;
            case COSINE -> 1.0; // x^ - y^ in place of -y^: the norm's gradient drops what goes along x^
        };
        Kernels.addDifference(-factor * along, y, yAt, dim, x, xAt, sum, sumAt);
    }
}
