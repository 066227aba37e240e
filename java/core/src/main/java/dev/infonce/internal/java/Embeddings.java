package dev.infonce.internal.java;

/**
 * A tower: its rows as the similarity takes them, and their unit rows.
 *
 * @param vectors unit rows for the cosine, else as given
 * @param units divided by their norms; null if nobody asks for them
 * @param zeroRows how many are zero
 */
record Embeddings(Rows vectors, Rows units, long zeroRows) {
    static Embeddings read(
            Workers workers, SimilarityMeasure measure, boolean metrics, int dim, MatrixRows.Input... matrices) {
        Rows given = Rows.read(workers, dim, matrices);
        Rows units = metrics || measure.isOfUnitRows() ? given.normalised(workers) : null;
        return new Embeddings(measure.isOfUnitRows() ? units : given, units, metrics ? given.zeroRows() : 0);
    }

    int count() {
        return vectors.count;
    }

    int dim() {
        return vectors.dim;
    }
}
