package dev.infonce;

/** Element types of matrices. */
public enum DType {
    /** IEEE binary32, {@code float}. */
    FLOAT32(4),
    /** IEEE binary64, {@code double}. */
    FLOAT64(8),
    /** IEEE binary16, kept in {@code short}s. All devices but java take it. */
    FLOAT16(2),
    /** The upper half of a binary32, kept in {@code short}s. All devices but java take it. */
    BFLOAT16(2);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /**
     * The size of one element, and the alignment it needs.
     *
     * @return 2, 4 or 8
     */
    public int bytes() {
        return bytes;
    }
}
