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
            case COSINE -> hasZero(x, y, row) ? 1.0 : squared / 2.0;
        };
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

    private static boolean hasZero(Embeddings x, Embeddings y, int row) {
        return x.vectors().inverseNorm(row).isOfZero()
                || y.vectors().inverseNorm(row).isOfZero();
    }

    /** Adds factor dd/dx to dx and factor dd/dy to dy (both one row), for unit rows up to what goes along the row. */
    void addGradients(double factor, double distance, Embeddings x, Embeddings y, int row, double[] dx, double[] dy) {
        int dim = x.dim();
        int at = Rows.offset(row, dim);
        double[] left = x.vectors().blockOf(row);
        double[] right = y.vectors().blockOf(row);
        if (isTiny(distance)) {
            Kernels.addDirection(-factor, distance, right, at, dim, left, at, dx, 0);
            Kernels.addDirection(-factor, distance, left, at, dim, right, at, dy, 0);
            return;
        }
        double along = switch (kind) { // dd/dx = along (x - y)
            case EUCLIDEAN -> distance == 0.0 ? 0.0 : 1.0 / distance;
            case SQUARED_EUCLIDEAN -> 2.0;
            case COSINE -> 1.0; // x^ - y^ in place of -y^: the norm's gradient drops what goes along x^
        };
        Kernels.addDifference(-factor * along, right, at, dim, left, at, dx, 0);
        Kernels.addDifference(-factor * along, left, at, dim, right, at, dy, 0);
    }
}
