package dev.infonce.cli.npy;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Collectors;

/** Reads and writes NumPy's .npy files (numpy.lib.format; reads versions 1.0, 2.0 and 3.0, writes 1.0). */
public final class NpyFile {
    private static final int WRITE_BYTES = 1 << 24;

    private NpyFile() {}

    /**
     * Reads the array of a file.
     *
     * @param path the file
     * @param arena how long the data live
     * @throws NpyException if it is no .npy file that this program reads, whole and with nothing behind the data
     * @throws IOException if it cannot be read
     */
    public static NpyArray read(Path path, Arena arena) throws IOException {
        return new NpyInput(path.toString(), path, null).read(arena);
    }

    /**
     * Writes a new file, down to the disk. One that fails is deleted.
     *
     * @param path where no file is
     * @param header type and shape, of little-endian data in C order
     * @param data header.dataBytes() bytes
     * @throws IOException if it cannot be written; what the system says of a full disk names no file
     */
    public static void create(Path path, NpyHeader header, MemorySegment data) throws IOException {
        if (data.byteSize() != header.dataBytes()) {
            throw new IllegalArgumentException(
                    "data has " + data.byteSize() + " bytes, the header says " + header.dataBytes());
        }
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            try {
                writeFully(channel, headerBytes(header));
                for (long at = 0; at < data.byteSize(); at += WRITE_BYTES) {
                    long count = Math.min(WRITE_BYTES, data.byteSize() - at);
                    writeFully(channel, data.asSlice(at, count).asByteBuffer());
                }
                channel.force(true);
            } catch (IOException e) {
                Files.deleteIfExists(path);
                throw e;
            }
        }
    }

    private static ByteBuffer headerBytes(NpyHeader header) {
        List<Long> shape = header.shape();
        String sizes = shape.stream().map(String::valueOf).collect(Collectors.joining(", "));
        String dictionary = "{'descr': '" + header.type().descriptor() + "', 'fortran_order': False, 'shape': (" + sizes
                + (shape.size() == 1 ? "," : "") + "), }";
        int unpadded = NpyReader.MAGIC.length + 4 + dictionary.length() + 1;
        int total = (unpadded + NpyReader.ALIGNMENT - 1) / NpyReader.ALIGNMENT * NpyReader.ALIGNMENT;
        ByteBuffer buffer = ByteBuffer.allocate(total).order(ByteOrder.LITTLE_ENDIAN);
        buffer.put(NpyReader.MAGIC).put((byte) 1).put((byte) 0).putShort((short) (total - NpyReader.MAGIC.length - 4));
        buffer.put(dictionary.getBytes(StandardCharsets.US_ASCII));
        while (buffer.remaining() > 1) {
            buffer.put((byte) ' ');
        }
        return buffer.put((byte) '\n').flip();
    }

    private static void writeFully(FileChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            if (channel.write(buffer) < 0) {
                throw new EOFException("channel closed");
            }
        }
    }
}
