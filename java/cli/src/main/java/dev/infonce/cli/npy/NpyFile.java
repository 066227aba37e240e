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
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** Reads and writes NumPy's .npy files (numpy.lib.format; reads versions 1.0, 2.0 and 3.0, writes 1.0). */
public final class NpyFile {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int MAX_HEADER_BYTES = 1 << 20;
    private static final int ALIGNMENT = 64;
    private static final int WRITE_BYTES = 1 << 24;

    private NpyFile() {}

    /**
     * Maps a file's data into memory; nothing is copied unless the file leaves its data unaligned.
     *
     * @param path the file
     * @param arena how long the data live
     * @throws NpyException if it is no .npy file that this program reads, whole and with nothing behind the data
     * @throws IOException if it cannot be read
     */
    public static NpyArray read(Path path, Arena arena) throws IOException {
        String file = path.toString();
        if (!Files.exists(path)) {
            throw new NoSuchFileException(file, null, "no such file");
        }
        if (!Files.isRegularFile(path)) {
            throw new NpyException(file + ": is no regular file");
        }
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            NpyHeader header = NpyHeaderParser.parse(file, headerText(file, channel));
            long start = channel.position();
            long present = channel.size() - start;
            long promised = header.dataBytes();
            if (present != promised) {
                throw new NpyException(file + ": " + (present < promised ? "is truncated" : "has trailing bytes")
                        + ": shape " + header.shapeText() + " of '"
                        + header.type().descriptor() + "' takes " + promised
                        + " bytes, the file holds " + present);
            }
            return new NpyArray(file, header, data(channel, start, header, arena));
        }
    }

    private static MemorySegment data(FileChannel channel, long start, NpyHeader header, Arena arena)
            throws IOException {
        if (header.dataBytes() == 0) {
            return arena.allocate(0, ALIGNMENT);
        }
        MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, start, header.dataBytes(), arena);
        if (mapped.address() % header.type().bytes() == 0) {
            return mapped;
        }
        return arena.allocate(header.dataBytes(), ALIGNMENT).copyFrom(mapped);
    }

    private static String headerText(String file, FileChannel channel) throws IOException {
        int magicBytes = (int) Math.min(MAGIC.length, channel.size());
        byte[] magic = bytes(file, channel, magicBytes).array();
        if (!Arrays.equals(magic, 0, magicBytes, MAGIC, 0, magicBytes)) {
            throw new NpyException(file + ": is no .npy file (its first bytes are not \\x93NUMPY)");
        }
        ByteBuffer version = bytes(file, channel, 2);
        int major = version.get() & 0xff;
        int minor = version.get() & 0xff;
        if (major < 1 || major > 3 || minor != 0) {
            throw new NpyException(
                    file + ": .npy version " + major + "." + minor + " is not read; allowed are 1.0, 2.0 and 3.0");
        }
        ByteBuffer length = bytes(file, channel, major == 1 ? 2 : 4);
        long headerBytes = major == 1 ? length.getShort() & 0xffffL : length.getInt() & 0xffffffffL;
        if (headerBytes > MAX_HEADER_BYTES) {
            throw new NpyException(file + ": malformed .npy header: it claims " + headerBytes + " bytes, at most "
                    + MAX_HEADER_BYTES + " are read");
        }
        return new String(
                bytes(file, channel, (int) headerBytes).array(),
                major == 3 ? StandardCharsets.UTF_8 : StandardCharsets.ISO_8859_1);
    }

    private static ByteBuffer bytes(String file, FileChannel channel, int count) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw new NpyException(file + ": is truncated: it ends inside the .npy header");
            }
        }
        return buffer.flip();
    }

    /**
     * Writes a file, whole or not at all: a file of that name is replaced once all bytes are on their way.
     *
     * @param path the file
     * @param header type and shape
     * @param data header.dataBytes() bytes, little-endian, C order
     */
    public static void write(Path path, NpyHeader header, MemorySegment data) throws IOException {
        if (data.byteSize() != header.dataBytes()) {
            throw new IllegalArgumentException(
                    "data has " + data.byteSize() + " bytes, the header says " + header.dataBytes());
        }
        Path unfinished = path.resolveSibling(
                "." + path.getFileName() + "." + ProcessHandle.current().pid() + ".part");
        try {
            try (FileChannel channel =
                    FileChannel.open(unfinished, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                writeFully(channel, headerBytes(header));
                for (long at = 0; at < data.byteSize(); at += WRITE_BYTES) {
                    long count = Math.min(WRITE_BYTES, data.byteSize() - at);
                    writeFully(channel, data.asSlice(at, count).asByteBuffer());
                }
            }
            Files.move(unfinished, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(unfinished);
        }
    }

    private static ByteBuffer headerBytes(NpyHeader header) {
        List<Long> shape = header.shape();
        String sizes = shape.stream().map(String::valueOf).collect(Collectors.joining(", "));
        String dictionary = "{'descr': '" + header.type().descriptor() + "', 'fortran_order': False, 'shape': (" + sizes
                + (shape.size() == 1 ? "," : "") + "), }";
        int unpadded = MAGIC.length + 4 + dictionary.length() + 1;
        int total = (unpadded + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        ByteBuffer buffer = ByteBuffer.allocate(total).order(ByteOrder.LITTLE_ENDIAN);
        buffer.put(MAGIC).put((byte) 1).put((byte) 0).putShort((short) (total - MAGIC.length - 4));
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
