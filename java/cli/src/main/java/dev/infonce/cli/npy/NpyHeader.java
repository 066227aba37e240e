package dev.infonce.cli.npy;

import java.util.List;
import java.util.stream.Collectors;

/**
 * What a .npy header says of the data that follow: element type, sizes and order.
 *
 * @param type element type
 * @param shape sizes of the dimensions, slowest first; empty for a scalar; every size is at least 0 and the number of
 *     bytes fits a long
 * @param bigEndian whether the bytes of an element come in big-endian order
 * @param fortranOrder whether the first index varies fastest
 */
public record NpyHeader(NpyType type, List<Long> shape, boolean bigEndian, boolean fortranOrder) {
    /** Copies the shape. */
    public NpyHeader {
        shape = List.copyOf(shape);
    }

    /** Of little-endian data in C order. */
    public NpyHeader(NpyType type, List<Long> shape) {
        this(type, shape, false, false);
    }

    /** The same type and sizes, little-endian and in C order. */
    NpyHeader plain() {
        return new NpyHeader(type, shape);
    }

    /** The number of dimensions. */
    public int dimensions() {
        return shape.size();
    }

    /** The number of elements. */
    public long elements() {
        return elements(shape);
    }

    /** The bytes that the data take. */
    public long dataBytes() {
        return Math.multiplyExact(elements(), type.bytes());
    }

    /** The shape as people write it, such as {@code 128 x 64}. */
    public String shapeText() {
        return describe(shape);
    }

    static String describe(List<Long> shape) {
        return shape.isEmpty()
                ? "a scalar"
                : shape.stream().map(String::valueOf).collect(Collectors.joining(" x "));
    }

    /** Throws ArithmeticException if the product does not fit, whatever the order of zeros. */
    static long elements(List<Long> shape) {
        long product = 1;
        for (long size : shape) {
            product = Math.multiplyExact(product, Math.max(1, size));
        }
        return shape.contains(0L) ? 0 : product;
    }
}
