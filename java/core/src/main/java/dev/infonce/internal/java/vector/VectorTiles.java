package dev.infonce.internal.java.vector;

/** The kernels on vectors of this machine's size. */
final class VectorTiles implements Tiles {
    @Override
    public int bits() {
        return Lanes.COUNT * Float.SIZE;
    }

    @Override
    public void products(float[] columns, float[] lanes, int dim, int height, int width, float[] tile) {
        for (int i = 0; i < width; i += Lanes.TWO) {
            int of = i / GROUP * dim * GROUP + i % GROUP;
            for (int d = 0; d < dim; d += CHUNK) {
                int steps = Math.min(CHUNK, dim - d);
                for (int j = 0; j < height; j += Products.ROWS) {
                    Products.ofColumns(
                            columns, d * SIDE + j, lanes, of + d * GROUP, steps, tile, j * SIDE + i, SIDE, d > 0);
                }
            }
        }
    }

    @Override
    public void addToX(float[] g, float[] rows, int dim, int height, int width, float[] sums, boolean add) {
        for (int d = 0; d < dim; d += Lanes.TWO) {
            int of = d / GROUP * SIDE * GROUP + d % GROUP;
            for (int i = 0; i < width; i += Products.ROWS) {
                Products.ofColumns(g, i, rows, of, height, sums, of + i * GROUP, GROUP, add);
            }
        }
    }

    @Override
    public void addToY(float[] g, float[] rows, int dim, int height, int width, float[] sums, boolean add) {
        for (int d = 0; d < dim; d += Lanes.TWO) {
            int of = d / GROUP * SIDE * GROUP + d % GROUP;
            for (int j = 0; j < height; j += Products.ROWS) {
                Products.ofRows(g, j * SIDE, rows, of, width, sums, of + j * GROUP, GROUP, add);
            }
        }
    }

    @Override
    public void exponentials(float[] s, int height, Factor factor, float[] e) {
        ExponentialTile.exponentials(s, height * SIDE, factor.high(), factor.low(), e);
    }

    @Override
    public void multiply(float[] f, int height, float[] factors, int at) {
        TileSums.multiply(f, height, factors, at);
    }

    @Override
    public void exponentialSums(
            float[] tile, int height, Factor factor, boolean replace, RowSums rows, ColumnSums columns) {
        for (int i = 0; i < SIDE; i += Lanes.TWO) {
            if (columns == null) {
                ExponentialTile.rows(tile, i, height, factor.high(), factor.low(), replace, rows);
            } else {
                ExponentialTile.rowsAndColumns(tile, i, height, factor.high(), factor.low(), replace, rows, columns);
            }
        }
    }

    @Override
    public void logistic(float[] s, int height, Factor factor, float shift, float[] softplus, float[] sigmoid) {
        LogisticTile.softplusAndSigmoid(s, height * SIDE, factor, shift, softplus, sigmoid);
    }

    @Override
    public void sumRows(float[] value, float[] f, float[] s, int height, RowSums rows) {
        for (int i = 0; i < SIDE; i += Lanes.COUNT) {
            TileSums.rows(value, f, s, i, height, rows);
        }
    }

    @Override
    public void sumColumns(float[] f, float[] s, int height, ColumnSums columns) {
        TileSums.columns(f, s, height, columns);
    }

    @Override
    public void potentials(float[] s, int height, float[] xInverses, float[] yInverses, float[] yFactors, float[] out) {
        MetricTile.potentials(s, height, xInverses, yInverses, yFactors, out);
    }

    @Override
    public void sumMetrics(float[] s, float[] potentials, int height, float[] positive, MetricSums sums) {
        for (int i = 0; i < SIDE; i += Lanes.COUNT) {
            MetricTile.sums(s, potentials, i, height, positive, sums);
        }
    }

    @Override
    public void sumClasses(
            float[] f, float[] s, int height, int[] xClasses, int[] yClasses, RowSums others, RowSums alike) {
        for (int i = 0; i < SIDE; i += Lanes.COUNT) {
            ClassTile.sums(f, s, i, height, xClasses, yClasses, others, alike);
        }
    }

    @Override
    public void sumMetricsOfOthers(
            float[] s,
            float[] potentials,
            int height,
            int[] xClasses,
            int[] yClasses,
            float[] positive,
            MetricSums sums) {
        for (int i = 0; i < SIDE; i += Lanes.COUNT) {
            ClassTile.metricSums(s, potentials, i, height, xClasses, yClasses, positive, sums);
        }
    }

    @Override
    public void combineClasses(
            float[] f,
            int height,
            int[] xClasses,
            int[] yClasses,
            ClassCoefficients x,
            ClassCoefficients y,
            float[] g) {
        ClassTile.combine(f, height, xClasses, yClasses, x, y, g);
    }

    @Override
    public boolean areAbove(float[] s, int height, float[] limits, float[] columnLimits) {
        return LimitTile.areAbove(s, height, limits, columnLimits);
    }

    @Override
    public void clearAbove(float[] f, float[] s, int height, float[] limits, float[] out) {
        LimitTile.clearAbove(f, s, height, limits, out);
    }

    @Override
    public void clearAboveOfColumns(float[] f, float[] s, int height, float[] columnLimits, float[] out) {
        LimitTile.clearAboveOfColumns(f, s, height, columnLimits, out);
    }

    @Override
    public void sumMetricsWithin(
            float[] s, float[] potentials, int height, float[] positive, float[] limits, MetricSums sums) {
        for (int i = 0; i < SIDE; i += Lanes.COUNT) {
            LimitTile.metricSums(s, potentials, i, height, positive, limits, sums);
        }
    }

    @Override
    public void combineWithin(
            float[] f,
            float[] s,
            int height,
            float[] xCoefficients,
            float[] yCoefficients,
            float[] limits,
            float[] columnLimits,
            float[] g) {
        LimitTile.combine(f, s, height, xCoefficients, yCoefficients, limits, columnLimits, g);
    }

    @Override
    public void combine(float[] f, int height, float[] xCoefficients, float[] yCoefficients, float[] g) {
        TileSums.combine(f, height, xCoefficients, yCoefficients, g);
    }
}
