package dev.infonce.cli.npy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Element types of .npy files that this program reads, with the name that NumPy gives each in a header. */
public enum NpyType {
    BOOL("|b1", 1),
    INT8("|i1", 1),
    UINT8("|u1", 1),
    INT16("<i2", 2),
    UINT16("<u2", 2),
    INT32("<i4", 4),
    UINT32("<u4", 4),
    INT64("<i8", 8),
    UINT64("<u8", 8),
    FLOAT16("<f2", 2),
    /** The upper half of a float32. NumPy has no name for it; ml_dtypes, and with it JAX, writes it as a void of two bytes. */
    BFLOAT16("<V2", 2),
    FLOAT32("<f4", 4),
    FLOAT64("<f8", 8);

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String descriptor;
    private final int bytes;

    NpyType(String descriptor, int bytes) {
        this.descriptor = descriptor;
        this.bytes = bytes;
    }

    /**
     * The type of a header's {@code descr} without its byte order, such as {@code f4} or {@code float32}; empty if this program
     * does not read it.
     */
    static Optional<NpyType> ofName(String name) {
        return Arrays.stream(values())
                .filter(type ->
                        type.descriptor.substring(1).equals(name) || type.word().equals(name))
                .findFirst();
    }

    /** What NumPy calls the type in code, such as {@code float32}. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** What a header calls this type. */
    public String descriptor() {
        return descriptor;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** Whether elements are floating-point numbers. */
    public boolean isFloat() {
        return List.of(FLOAT16, BFLOAT16, FLOAT32, FLOAT64).contains(this);
    }

    /** Element {@code index} of little-endian data as a double; 64-bit integers beyond 2^53 are rounded. */
    public double get(MemorySegment data, long index) {
        long offset = index * bytes;
        return switch (this) {
            case BOOL, UINT8 -> data.get(ValueLayout.JAVA_BYTE, offset) & 0xff;
            case INT8 -> data.get(ValueLayout.JAVA_BYTE, offset);
            case INT16 -> data.get(SHORT, offset);
            case UINT16 -> data.get(SHORT, offset) & 0xffff;
            case INT32 -> data.get(INT, offset);
            case UINT32 -> data.get(INT, offset) & 0xffffffffL;
            case INT64 -> data.get(LONG, offset);
            case UINT64 -> unsigned(data.get(LONG, offset));
            case FLOAT16 -> Float.float16ToFloat(data.get(SHORT, offset));
            case BFLOAT16 -> Float.intBitsToFloat(data.get(SHORT, offset) << Short.SIZE);
            case FLOAT32 -> Float.intBitsToFloat(data.get(INT, offset));
            case FLOAT64 -> Double.longBitsToDouble(data.get(LONG, offset));
        };
    }

    private static double unsigned(long bits) {
        return bits >= 0 ? bits : (bits >>> 1 | bits & 1) * 2.0;
    }
}
