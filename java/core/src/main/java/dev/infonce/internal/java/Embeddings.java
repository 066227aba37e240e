package dev.infonce.internal.java;

/**
 * A tower: its rows as the similarity takes them, and their unit rows.
 *
 * @param vectors unit rows for the cosine, else as given
 * @param units divided by their norms; null if nobody asks for them
 * @param zeroRows how many are zero
 */
record Embeddings(Rows vectors, Rows units, long zeroRows) {
    static Embeddings read(Strips strips, Measure measure, boolean metrics, int dim, NamedMatrix... matrices) {
        Rows given = Rows.read(strips, dim, matrices);
        Rows units = metrics || measure.isOfUnitRows() ? given.normalised(strips) : null;
        return new Embeddings(measure.isOfUnitRows() ? units : given, units, metrics ? given.zeroRows() : 0);
    }

    int count() {
        return vectors.count;
    }

    int dim() {
        return vectors.dim;
    }
}
