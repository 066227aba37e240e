package dev.infonce.cli.npy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Brings data of a .npy file into the order that this program works in: little-endian, the last index fastest. */
final class NpyOrder {
    /** Rows and columns of the blocks that a matrix is transposed in, so that both sides stay in the cache. */
    private static final long BLOCK = 32;

    private NpyOrder() {}

    /** Swaps the bytes of every element in place if the header says so; the same data. */
    static MemorySegment toLittleEndian(MemorySegment data, NpyHeader header) {
        if (!header.bigEndian()) {
            return data;
        }
        int bytes = header.type().bytes();
        for (long at = 0; at < data.byteSize(); at += bytes) {
            switch (bytes) {
                case 2 ->
                    data.set(ValueLayout.JAVA_SHORT, at, Short.reverseBytes(data.get(ValueLayout.JAVA_SHORT, at)));
                case 4 -> data.set(ValueLayout.JAVA_INT, at, Integer.reverseBytes(data.get(ValueLayout.JAVA_INT, at)));
                case 8 -> data.set(ValueLayout.JAVA_LONG, at, Long.reverseBytes(data.get(ValueLayout.JAVA_LONG, at)));
                default -> throw new IllegalStateException("no element has " + bytes + " bytes");
            }
        }
        return data;
    }

    /** Copies data in Fortran order, of two dimensions or more, to C order. */
    static MemorySegment fromFortran(MemorySegment source, NpyHeader header, MemorySegment target) {
        if (header.elements() == 0) {
            return target;
        }
        int last = header.dimensions() - 1;
        long[] shape = header.shape().stream().mapToLong(Long::longValue).toArray();
        long[] sourceStrides = new long[shape.length];
        long[] targetStrides = new long[shape.length];
        sourceStrides[0] = 1;
        targetStrides[last] = 1;
        for (int i = 0; i < last; i++) {
            sourceStrides[i + 1] = sourceStrides[i] * shape[i];
            targetStrides[last - i - 1] = targetStrides[last - i] * shape[last - i];
        }
        // The first and the last index make a matrix; there is one for each combination of the indices between.
        long[] middle = new long[shape.length];
        do {
            long sourceStart = dot(middle, sourceStrides);
            long targetStart = dot(middle, targetStrides);
            for (long row = 0; row < shape[0]; row += BLOCK) {
                for (long column = 0; column < shape[last]; column += BLOCK) {
                    for (long i = row; i < Math.min(row + BLOCK, shape[0]); i++) {
                        for (long j = column; j < Math.min(column + BLOCK, shape[last]); j++) {
                            copy(
                                    source,
                                    sourceStart + i + j * sourceStrides[last],
                                    target,
                                    targetStart + i * targetStrides[0] + j,
                                    header.type().bytes());
                        }
                    }
                }
            }
        } while (next(middle, shape, last));
        return target;
    }

    /** The next combination of the indices between the first and the last; false after the last one. */
    private static boolean next(long[] index, long[] shape, int last) {
        for (int i = last - 1; i > 0; i--) {
            if (++index[i] < shape[i]) {
                return true;
            }
            index[i] = 0;
        }
        return false;
    }

    private static long dot(long[] index, long[] strides) {
        long sum = 0;
        for (int i = 0; i < index.length; i++) {
            sum += index[i] * strides[i];
        }
        return sum;
    }

    private static void copy(MemorySegment source, long from, MemorySegment target, long to, int bytes) {
        switch (bytes) {
            case 1 -> target.set(ValueLayout.JAVA_BYTE, to, source.get(ValueLayout.JAVA_BYTE, from));
            case 2 -> target.setAtIndex(ValueLayout.JAVA_SHORT, to, source.getAtIndex(ValueLayout.JAVA_SHORT, from));
            case 4 -> target.setAtIndex(ValueLayout.JAVA_INT, to, source.getAtIndex(ValueLayout.JAVA_INT, from));
            case 8 -> target.setAtIndex(ValueLayout.JAVA_LONG, to, source.getAtIndex(ValueLayout.JAVA_LONG, from));
            default -> throw new IllegalStateException("no element has " + bytes + " bytes");
        }
    }
}
