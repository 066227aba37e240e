package dev.infonce.fuzz;

import java.util.Arrays;

/** Makes numbers of the bytes that a fuzzer gives, so that a change of a byte is a change of a number; zeros when all are used. */
public final class FuzzInput {
    private final byte[] bytes;
    private int position;

    /** Reads from the first byte on. */
    public FuzzInput(byte[] bytes) {
        this.bytes = bytes;
    }

    /** 0 ... 255. */
    public int next() {
        return position < bytes.length ? bytes[position++] & 0xff : 0;
    }

    /** 0 ... bound - 1, bound at most 2^16. */
    public int below(int bound) {
        return (bound <= 256 ? next() : next() << 8 | next()) % bound;
    }

    /** True for odd bytes. */
    public boolean flag() {
        return (next() & 1) != 0;
    }

    /** True for one byte in {@code n}, and when all are used never. */
    public boolean oneIn(int n) {
        return next() % n == n - 1;
    }

    /** One of the values. */
    @SafeVarargs
    public final <T> T of(T... values) {
        return values[below(values.length)];
    }

    /** Any long; powers of two and their neighbours often. */
    public long any() {
        int form = next();
        return switch (form % 4) {
            case 0 -> form / 4;
            case 1 -> (1L << next() % 64) + form % 3 - 1;
            case 2 -> -(long) next();
            default -> {
                long value = 0;
                for (int i = 0; i < Long.BYTES; i++) {
                    value = value << Byte.SIZE | next();
                }
                yield value;
            }
        };
    }

    /** What is left, at most {@code most} bytes of it. */
    public byte[] rest(int most) {
        int count = Math.max(0, Math.min(most, bytes.length - position));
        position += count;
        return Arrays.copyOfRange(bytes, position - count, position);
    }
}
