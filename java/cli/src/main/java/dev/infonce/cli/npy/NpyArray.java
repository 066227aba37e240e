package dev.infonce.cli.npy;

import java.lang.foreign.MemorySegment;

/**
 * The content of a .npy file: a header and little-endian data in C order.
 *
 * @param file the file's name, for messages
 * @param header type and shape
 * @param data header.dataBytes() bytes, off-heap and aligned to the element; lives as long as the arena it was read in
 */
public record NpyArray(String file, NpyHeader header, MemorySegment data) {
    /** Size of dimension {@code index}. */
    public long size(int index) {
        return header.shape().get(index);
    }

    /** Element {@code index} in C order, as a double. */
    public double get(long index) {
        return header.type().get(data, index);
    }
}
