package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/**
 * Products with register tiles of 4 rows by two vectors, for machines with 16 vector registers. Strides are constants and sums are
 * written out, since HotSpot then keeps all of them in registers and checks no index inside the loop; more than four
 * rows would leave it without a register.
 */
final class FourRowProducts {
    private FourRowProducts() {}

    /** c[r][l] (+)= the sum over k of a[k][r] b[k][l]: rows r lie side by side in a. */
    static void ofColumns(
            float[] a, int aFirst, float[] b, int bFirst, int steps, float[] c, int cFirst, int cRow, boolean add) {
        FloatVector c00 = FloatVector.zero(SPECIES);
        FloatVector c01 = c00;
        FloatVector c10 = c00;
        FloatVector c11 = c00;
        FloatVector c20 = c00;
        FloatVector c21 = c00;
        FloatVector c30 = c00;
        FloatVector c31 = c00;
        for (int k = 0; k < steps; k++) {
            int p = aFirst + k * Tiles.SIDE;
            int q = bFirst + k * Tiles.GROUP;
            FloatVector b0 = FloatVector.fromArray(SPECIES, b, q);
            FloatVector b1 = FloatVector.fromArray(SPECIES, b, q + Lanes.COUNT);
            FloatVector x = FloatVector.broadcast(SPECIES, a[p]);
            c00 = x.fma(b0, c00);
            c01 = x.fma(b1, c01);
            x = FloatVector.broadcast(SPECIES, a[p + 1]);
            c10 = x.fma(b0, c10);
            c11 = x.fma(b1, c11);
            x = FloatVector.broadcast(SPECIES, a[p + 2]);
            c20 = x.fma(b0, c20);
            c21 = x.fma(b1, c21);
            x = FloatVector.broadcast(SPECIES, a[p + 3]);
            c30 = x.fma(b0, c30);
            c31 = x.fma(b1, c31);
        }
        if (add) {
            c00 = c00.add(FloatVector.fromArray(SPECIES, c, cFirst));
            c01 = c01.add(FloatVector.fromArray(SPECIES, c, cFirst + Lanes.COUNT));
            c10 = c10.add(FloatVector.fromArray(SPECIES, c, cFirst + cRow));
            c11 = c11.add(FloatVector.fromArray(SPECIES, c, cFirst + cRow + Lanes.COUNT));
            c20 = c20.add(FloatVector.fromArray(SPECIES, c, cFirst + 2 * cRow));
            c21 = c21.add(FloatVector.fromArray(SPECIES, c, cFirst + 2 * cRow + Lanes.COUNT));
            c30 = c30.add(FloatVector.fromArray(SPECIES, c, cFirst + 3 * cRow));
            c31 = c31.add(FloatVector.fromArray(SPECIES, c, cFirst + 3 * cRow + Lanes.COUNT));
        }
        c00.intoArray(c, cFirst);
        c01.intoArray(c, cFirst + Lanes.COUNT);
        c10.intoArray(c, cFirst + cRow);
        c11.intoArray(c, cFirst + cRow + Lanes.COUNT);
        c20.intoArray(c, cFirst + 2 * cRow);
        c21.intoArray(c, cFirst + 2 * cRow + Lanes.COUNT);
        c30.intoArray(c, cFirst + 3 * cRow);
        c31.intoArray(c, cFirst + 3 * cRow + Lanes.COUNT);
    }

    /** c[r][l] (+)= the sum over k of a[r][k] b[k][l]: steps k lie side by side in a. */
    static void ofRows(
            float[] a, int aFirst, float[] b, int bFirst, int steps, float[] c, int cFirst, int cRow, boolean add) {
        FloatVector c00 = FloatVector.zero(SPECIES);
        FloatVector c01 = c00;
        FloatVector c10 = c00;
        FloatVector c11 = c00;
        FloatVector c20 = c00;
        FloatVector c21 = c00;
        FloatVector c30 = c00;
        FloatVector c31 = c00;
        for (int k = 0; k < steps; k++) {
            int p = aFirst + k;
            int q = bFirst + k * Tiles.GROUP;
            FloatVector b0 = FloatVector.fromArray(SPECIES, b, q);
            FloatVector b1 = FloatVector.fromArray(SPECIES, b, q + Lanes.COUNT);
            FloatVector x = FloatVector.broadcast(SPECIES, a[p]);
            c00 = x.fma(b0, c00);
            c01 = x.fma(b1, c01);
            x = FloatVector.broadcast(SPECIES, a[p + Tiles.SIDE]);
            c10 = x.fma(b0, c10);
            c11 = x.fma(b1, c11);
            x = FloatVector.broadcast(SPECIES, a[p + 2 * Tiles.SIDE]);
            c20 = x.fma(b0, c20);
            c21 = x.fma(b1, c21);
            x = FloatVector.broadcast(SPECIES, a[p + 3 * Tiles.SIDE]);
            c30 = x.fma(b0, c30);
            c31 = x.fma(b1, c31);
        }
        if (add) {
            c00 = c00.add(FloatVector.fromArray(SPECIES, c, cFirst));
            c01 = c01.add(FloatVector.fromArray(SPECIES, c, cFirst + Lanes.COUNT));
            c10 = c10.add(FloatVector.fromArray(SPECIES, c, cFirst + cRow));
            c11 = c11.add(FloatVector.fromArray(SPECIES, c, cFirst + cRow + Lanes.COUNT));
            c20 = c20.add(FloatVector.fromArray(SPECIES, c, cFirst + 2 * cRow));
            c21 = c21.add(FloatVector.fromArray(SPECIES, c, cFirst + 2 * cRow + Lanes.COUNT));
            c30 = c30.add(FloatVector.fromArray(SPECIES, c, cFirst + 3 * cRow));
            c31 = c31.add(FloatVector.fromArray(SPECIES, c, cFirst + 3 * cRow + Lanes.COUNT));
        }
        c00.intoArray(c, cFirst);
        c01.intoArray(c, cFirst + Lanes.COUNT);
        c10.intoArray(c, cFirst + cRow);
        c11.intoArray(c, cFirst + cRow + Lanes.COUNT);
        c20.intoArray(c, cFirst + 2 * cRow);
        c21.intoArray(c, cFirst + 2 * cRow + Lanes.COUNT);
        c30.intoArray(c, cFirst + 3 * cRow);
        c31.intoArray(c, cFirst + 3 * cRow + Lanes.COUNT);
    }
}
