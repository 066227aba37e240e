package dev.infonce.internal.java.vector;

import static dev.infonce.internal.java.vector.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/**
 * Products with register tiles of 12 rows by two vectors, for machines with 32 vector registers. Strides are constants and sums are
 * written out, since HotSpot then keeps all of them in registers and checks no index inside the loop.
 */
final class TwelveRowProducts {
    private TwelveRowProducts() {}

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
        FloatVector c40 = c00;
        FloatVector c41 = c00;
        FloatVector c50 = c00;
        FloatVector c51 = c00;
        FloatVector c60 = c00;
        FloatVector c61 = c00;
        FloatVector c70 = c00;
        FloatVector c71 = c00;
        FloatVector c80 = c00;
        FloatVector c81 = c00;
        FloatVector c90 = c00;
        FloatVector c91 = c00;
        FloatVector c100 = c00;
        FloatVector c101 = c00;
        FloatVector c110 = c00;
        FloatVector c111 = c00;
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
            x = FloatVector.broadcast(SPECIES, a[p + 4]);
            c40 = x.fma(b0, c40);
            c41 = x.fma(b1, c41);
            x = FloatVector.broadcast(SPECIES, a[p + 5]);
            c50 = x.fma(b0, c50);
            c51 = x.fma(b1, c51);
            x = FloatVector.broadcast(SPECIES, a[p + 6]);
            c60 = x.fma(b0, c60);
            c61 = x.fma(b1, c61);
            x = FloatVector.broadcast(SPECIES, a[p + 7]);
            c70 = x.fma(b0, c70);
            c71 = x.fma(b1, c71);
            x = FloatVector.broadcast(SPECIES, a[p + 8]);
            c80 = x.fma(b0, c80);
            c81 = x.fma(b1, c81);
            x = FloatVector.broadcast(SPECIES, a[p + 9]);
            c90 = x.fma(b0, c90);
            c91 = x.fma(b1, c91);
            x = FloatVector.broadcast(SPECIES, a[p + 10]);
            c100 = x.fma(b0, c100);
            c101 = x.fma(b1, c101);
            x = FloatVector.broadcast(SPECIES, a[p + 11]);
            c110 = x.fma(b0, c110);
            c111 = x.fma(b1, c111);
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
            c40 = c40.add(FloatVector.fromArray(SPECIES, c, cFirst + 4 * cRow));
            c41 = c41.add(FloatVector.fromArray(SPECIES, c, cFirst + 4 * cRow + Lanes.COUNT));
            c50 = c50.add(FloatVector.fromArray(SPECIES, c, cFirst + 5 * cRow));
            c51 = c51.add(FloatVector.fromArray(SPECIES, c, cFirst + 5 * cRow + Lanes.COUNT));
            c60 = c60.add(FloatVector.fromArray(SPECIES, c, cFirst + 6 * cRow));
            c61 = c61.add(FloatVector.fromArray(SPECIES, c, cFirst + 6 * cRow + Lanes.COUNT));
            c70 = c70.add(FloatVector.fromArray(SPECIES, c, cFirst + 7 * cRow));
            c71 = c71.add(FloatVector.fromArray(SPECIES, c, cFirst + 7 * cRow + Lanes.COUNT));
            c80 = c80.add(FloatVector.fromArray(SPECIES, c, cFirst + 8 * cRow));
            c81 = c81.add(FloatVector.fromArray(SPECIES, c, cFirst + 8 * cRow + Lanes.COUNT));
            c90 = c90.add(FloatVector.fromArray(SPECIES, c, cFirst + 9 * cRow));
            c91 = c91.add(FloatVector.fromArray(SPECIES, c, cFirst + 9 * cRow + Lanes.COUNT));
            c100 = c100.add(FloatVector.fromArray(SPECIES, c, cFirst + 10 * cRow));
            c101 = c101.add(FloatVector.fromArray(SPECIES, c, cFirst + 10 * cRow + Lanes.COUNT));
            c110 = c110.add(FloatVector.fromArray(SPECIES, c, cFirst + 11 * cRow));
            c111 = c111.add(FloatVector.fromArray(SPECIES, c, cFirst + 11 * cRow + Lanes.COUNT));
        }
        c00.intoArray(c, cFirst);
        c01.intoArray(c, cFirst + Lanes.COUNT);
        c10.intoArray(c, cFirst + cRow);
        c11.intoArray(c, cFirst + cRow + Lanes.COUNT);
        c20.intoArray(c, cFirst + 2 * cRow);
        c21.intoArray(c, cFirst + 2 * cRow + Lanes.COUNT);
        c30.intoArray(c, cFirst + 3 * cRow);
        c31.intoArray(c, cFirst + 3 * cRow + Lanes.COUNT);
        c40.intoArray(c, cFirst + 4 * cRow);
        c41.intoArray(c, cFirst + 4 * cRow + Lanes.COUNT);
        c50.intoArray(c, cFirst + 5 * cRow);
        c51.intoArray(c, cFirst + 5 * cRow + Lanes.COUNT);
        c60.intoArray(c, cFirst + 6 * cRow);
        c61.intoArray(c, cFirst + 6 * cRow + Lanes.COUNT);
        c70.intoArray(c, cFirst + 7 * cRow);
        c71.intoArray(c, cFirst + 7 * cRow + Lanes.COUNT);
        c80.intoArray(c, cFirst + 8 * cRow);
        c81.intoArray(c, cFirst + 8 * cRow + Lanes.COUNT);
        c90.intoArray(c, cFirst + 9 * cRow);
        c91.intoArray(c, cFirst + 9 * cRow + Lanes.COUNT);
        c100.intoArray(c, cFirst + 10 * cRow);
        c101.intoArray(c, cFirst + 10 * cRow + Lanes.COUNT);
        c110.intoArray(c, cFirst + 11 * cRow);
        c111.intoArray(c, cFirst + 11 * cRow + Lanes.COUNT);
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
        FloatVector c40 = c00;
        FloatVector c41 = c00;
        FloatVector c50 = c00;
        FloatVector c51 = c00;
        FloatVector c60 = c00;
        FloatVector c61 = c00;
        FloatVector c70 = c00;
        FloatVector c71 = c00;
        FloatVector c80 = c00;
        FloatVector c81 = c00;
        FloatVector c90 = c00;
        FloatVector c91 = c00;
        FloatVector c100 = c00;
        FloatVector c101 = c00;
        FloatVector c110 = c00;
        FloatVector c111 = c00;
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
            x = FloatVector.broadcast(SPECIES, a[p + 4 * Tiles.SIDE]);
            c40 = x.fma(b0, c40);
            c41 = x.fma(b1, c41);
            x = FloatVector.broadcast(SPECIES, a[p + 5 * Tiles.SIDE]);
            c50 = x.fma(b0, c50);
            c51 = x.fma(b1, c51);
            x = FloatVector.broadcast(SPECIES, a[p + 6 * Tiles.SIDE]);
            c60 = x.fma(b0, c60);
            c61 = x.fma(b1, c61);
            x = FloatVector.broadcast(SPECIES, a[p + 7 * Tiles.SIDE]);
            c70 = x.fma(b0, c70);
            c71 = x.fma(b1, c71);
            x = FloatVector.broadcast(SPECIES, a[p + 8 * Tiles.SIDE]);
            c80 = x.fma(b0, c80);
            c81 = x.fma(b1, c81);
            x = FloatVector.broadcast(SPECIES, a[p + 9 * Tiles.SIDE]);
            c90 = x.fma(b0, c90);
            c91 = x.fma(b1, c91);
            x = FloatVector.broadcast(SPECIES, a[p + 10 * Tiles.SIDE]);
            c100 = x.fma(b0, c100);
            c101 = x.fma(b1, c101);
            x = FloatVector.broadcast(SPECIES, a[p + 11 * Tiles.SIDE]);
            c110 = x.fma(b0, c110);
            c111 = x.fma(b1, c111);
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
            c40 = c40.add(FloatVector.fromArray(SPECIES, c, cFirst + 4 * cRow));
            c41 = c41.add(FloatVector.fromArray(SPECIES, c, cFirst + 4 * cRow + Lanes.COUNT));
            c50 = c50.add(FloatVector.fromArray(SPECIES, c, cFirst + 5 * cRow));
            c51 = c51.add(FloatVector.fromArray(SPECIES, c, cFirst + 5 * cRow + Lanes.COUNT));
            c60 = c60.add(FloatVector.fromArray(SPECIES, c, cFirst + 6 * cRow));
            c61 = c61.add(FloatVector.fromArray(SPECIES, c, cFirst + 6 * cRow + Lanes.COUNT));
            c70 = c70.add(FloatVector.fromArray(SPECIES, c, cFirst + 7 * cRow));
            c71 = c71.add(FloatVector.fromArray(SPECIES, c, cFirst + 7 * cRow + Lanes.COUNT));
            c80 = c80.add(FloatVector.fromArray(SPECIES, c, cFirst + 8 * cRow));
            c81 = c81.add(FloatVector.fromArray(SPECIES, c, cFirst + 8 * cRow + Lanes.COUNT));
            c90 = c90.add(FloatVector.fromArray(SPECIES, c, cFirst + 9 * cRow));
            c91 = c91.add(FloatVector.fromArray(SPECIES, c, cFirst + 9 * cRow + Lanes.COUNT));
            c100 = c100.add(FloatVector.fromArray(SPECIES, c, cFirst + 10 * cRow));
            c101 = c101.add(FloatVector.fromArray(SPECIES, c, cFirst + 10 * cRow + Lanes.COUNT));
            c110 = c110.add(FloatVector.fromArray(SPECIES, c, cFirst + 11 * cRow));
            c111 = c111.add(FloatVector.fromArray(SPECIES, c, cFirst + 11 * cRow + Lanes.COUNT));
        }
        c00.intoArray(c, cFirst);
        c01.intoArray(c, cFirst + Lanes.COUNT);
        c10.intoArray(c, cFirst + cRow);
        c11.intoArray(c, cFirst + cRow + Lanes.COUNT);
        c20.intoArray(c, cFirst + 2 * cRow);
        c21.intoArray(c, cFirst + 2 * cRow + Lanes.COUNT);
        c30.intoArray(c, cFirst + 3 * cRow);
        c31.intoArray(c, cFirst + 3 * cRow + Lanes.COUNT);
        c40.intoArray(c, cFirst + 4 * cRow);
        c41.intoArray(c, cFirst + 4 * cRow + Lanes.COUNT);
        c50.intoArray(c, cFirst + 5 * cRow);
        c51.intoArray(c, cFirst + 5 * cRow + Lanes.COUNT);
        c60.intoArray(c, cFirst + 6 * cRow);
        c61.intoArray(c, cFirst + 6 * cRow + Lanes.COUNT);
        c70.intoArray(c, cFirst + 7 * cRow);
        c71.intoArray(c, cFirst + 7 * cRow + Lanes.COUNT);
        c80.intoArray(c, cFirst + 8 * cRow);
        c81.intoArray(c, cFirst + 8 * cRow + Lanes.COUNT);
        c90.intoArray(c, cFirst + 9 * cRow);
        c91.intoArray(c, cFirst + 9 * cRow + Lanes.COUNT);
        c100.intoArray(c, cFirst + 10 * cRow);
        c101.intoArray(c, cFirst + 10 * cRow + Lanes.COUNT);
        c110.intoArray(c, cFirst + 11 * cRow);
        c111.intoArray(c, cFirst + 11 * cRow + Lanes.COUNT);
    }
}
