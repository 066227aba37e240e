package dev.infonce.internal.java.vector;

/** Matrix products of ROWS rows by two vectors. b's rows are GROUP apart, a's rows or columns SIDE, c's cRow. */
final class Products {
    private static final boolean HAS_WIDE = Lanes.COUNT == 16;

    /** Rows of a register tile; they divide SIDE. */
    static final int ROWS = HAS_WIDE ? 12 : 4;

    private Products() {}

    static void ofColumns(
            float[] a, int aFirst, float[] b, int bFirst, int steps, float[] c, int cFirst, int cRow, boolean add) {
        if (HAS_WIDE) {
            TwelveRowProducts.ofColumns(a, aFirst, b, bFirst, steps, c, cFirst, cRow, add);
        } else {
            FourRowProducts.ofColumns(a, aFirst, b, bFirst, steps, c, cFirst, cRow, add);
        }
    }

    static void ofRows(
            float[] a, int aFirst, float[] b, int bFirst, int steps, float[] c, int cFirst, int cRow, boolean add) {
        if (HAS_WIDE) {
            TwelveRowProducts.ofRows(a, aFirst, b, bFirst, steps, c, cFirst, cRow, add);
        } else {
            FourRowProducts.ofRows(a, aFirst, b, bFirst, steps, c, cFirst, cRow, add);
        }
    }
}
