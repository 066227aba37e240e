package dev.infonce.internal.java;

/**
 * What the exponentials of columns are multiplied by, e^offset, columns being keys and a queue, or a strip of them. A number that is
 * added to all offsets changes no loss, so offsets are centred: the factors are as near to 1 as they can be.
 */
public final class ColumnFactors {
    private final float[] offsets;
    private final double centre;
    private final double range;
    private final double[] factors;
    private final float[] rounded;
    private final int first;

    private ColumnFactors(float[] offsets, double centre, double range, double[] factors, float[] rounded, int first) {
        this.offsets = offsets;
        this.centre = centre;
        this.range = range;
        this.factors = factors;
        this.rounded = rounded;
        this.first = first;
    }

    /** Of all columns; null without offsets. own: there are other negatives, with the offset 0. */
    public static ColumnFactors of(float[] offsets, boolean own) {
        if (offsets == null) {
            return null;
        }
        double least = own ? 0.0 : Double.POSITIVE_INFINITY;
        double most = own ? 0.0 : Double.NEGATIVE_INFINITY;
        for (float offset : offsets) {
            least = Math.min(least, offset);
            most = Math.max(most, offset);
        }
        double centre = (least + most) / 2.0;
        double[] factors = new double[offsets.length];
        float[] rounded = new float[offsets.length];
        for (int j = 0; j < offsets.length; j++) {
            factors[j] = Math.exp(offsets[j] - centre);
            rounded[j] = (float) factors[j];
        }
        return new ColumnFactors(offsets, centre, most - centre, factors, rounded, 0);
    }

    /** Those of a strip of columns. */
    public ColumnFactors from(long column) {
        return new ColumnFactors(offsets, centre, range, factors, rounded, Math.toIntExact(column));
    }

    /** That of a column. */
    double at(int column) {
        return factors[first + column];
    }

    /** Copies those of columns. */
    void copy(int firstColumn, int count, double[] to) {
        System.arraycopy(factors, first + firstColumn, to, 0, count);
    }

    /** Those of all columns, rounded; a strip's begin at {@link #place}. */
    public float[] rounded() {
        return rounded;
    }

    /** Where a column's is in {@link #rounded}. */
    public int place(int column) {
        return first + column;
    }

    /** That of a negative of a row's own. */
    public double ofOwn() {
        return Math.exp(-centre);
    }

    /** The offset of the positive of a row, which is a column of all of the row's number, as factors have it. */
    public double offsetOfPositive(int row) {
        return offsets[row] - centre;
    }

    /** ln of the largest factor, which is the inverse of the smallest. */
    public double range() {
        return range;
    }
}
