package dev.infonce.internal.java.mined;

/**
 * How anchors are cut into strips, whose distances to all rows are in memory at once, and strips into groups, each the work of one
 * thread. By the number of rows alone, so that threads change no bit.
 *
 * @param rows of the tower
 * @param length anchors of a strip, but the last may have fewer
 */
record AnchorStrips(int rows, int length) {
    static final int GROUP = 4;

    private static final int MOST_ANCHORS = 64;
    private static final long STRIP_BYTES = 32L << 20;

    static AnchorStrips of(int rows) {
        long fitting = STRIP_BYTES / (2L * Double.BYTES * rows);
        return new AnchorStrips(rows, Math.clamp(fitting, 1, Math.min(rows, MOST_ANCHORS)));
    }

    int count() {
        return Math.ceilDiv(rows, length);
    }

    int first(int strip) {
        return strip * length;
    }

    int end(int strip) {
        return Math.min(rows, first(strip) + length);
    }

    /** The most groups that a strip has. */
    int groups() {
        return Math.ceilDiv(length, GROUP);
    }

    /** What the distances of a strip, their slopes if wanted, and the buffers of its groups take for each row. */
    long bytesPerRow(boolean gradients, long ofGroup) {
        return (gradients ? 2L : 1L) * Double.BYTES * length + groups() * ofGroup;
    }
}
