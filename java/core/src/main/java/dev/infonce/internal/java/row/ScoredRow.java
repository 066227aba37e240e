package dev.infonce.internal.java.row;

/** A row whose candidates, the key first, a teacher has scored. Whoever fills it may use the same object for row after row. */
public final class ScoredRow {
    final double temperature;
    final double[] similarities;

    /** The derivatives of the loss by the similarities, once the row is evaluated. */
    public final double[] slopes;

    /** Once the row is evaluated. */
    public double loss;

    /** The derivative of the loss by the temperature, once the row is evaluated. */
    public double temperatureSlope;

    private final float[] scores;
    private int firstScore;
    private int count;

    /**
     * Without candidates.
     *
     * @param temperature NaN where there is none
     * @param scores of all rows, so many candidates of each
     */
    public ScoredRow(double temperature, float[] scores, int candidates) {
        this.temperature = temperature;
        this.scores = scores;
        this.similarities = new double[candidates];
        this.slopes = new double[candidates];
    }

    /** Begins a row with the similarity of its key. */
    public void begin(int row, double similarity) {
        firstScore = row * similarities.length;
        similarities[0] = similarity;
        count = 1;
    }

    /** Adds the next negatives, of similarities s[0] ... s[more - 1]. */
    public void add(double[] s, int more) {
        System.arraycopy(s, 0, similarities, count, more);
        count += more;
    }

    /** What the teacher says of a candidate. */
    double score(int candidate) {
        return scores[firstScore + candidate];
    }

    /** Whether every similarity, and the loss, is in the range of float64. */
    public boolean isFinite() {
        boolean finite = Double.isFinite(loss);
        for (double s : similarities) {
            finite = finite & Double.isFinite(s);
        }
        return finite;
    }
}
