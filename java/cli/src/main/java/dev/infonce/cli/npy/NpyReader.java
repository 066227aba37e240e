package dev.infonce.cli.npy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Reads one .npy file from bytes that come in order. */
final class NpyReader {
    static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    static final int ALIGNMENT = 64;
    static final long UNKNOWN = -1;

    private static final int MAX_HEADER_BYTES = 1 << 20;
    private static final int BLOCK_BYTES = 1 << 24;

    private final String file;
    private final ReadableByteChannel channel;

    /** The file's name is for messages. */
    NpyReader(String file, ReadableByteChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /**
     * Reads header and data, to the end.
     *
     * @param fileBytes how many bytes there are in all, or {@link #UNKNOWN}
     * @param arena how long the data live
     */
    NpyArray read(long fileBytes, Arena arena) throws IOException {
        ByteBuffer magic = bytes(MAGIC.length);
        if (magic.limit() == 0) {
            throw new NpyException(file + ": is empty (0 bytes)");
        }
        if (!magic.equals(ByteBuffer.wrap(MAGIC, 0, magic.limit()))) {
            throw new NpyException(file + ": " + whatItIs(magic.array()));
        }
        if (magic.limit() < MAGIC.length) {
            throw cutHeader();
        }
        ByteBuffer version = whole(2);
        int major = version.get() & 0xff;
        int minor = version.get() & 0xff;
        if (major < 1 || major > 3 || minor != 0) {
            throw new NpyException(
                    file + ": .npy version " + major + "." + minor + " is not read; allowed are 1.0, 2.0 and 3.0");
        }
        ByteBuffer length = whole(major == 1 ? Short.BYTES : Integer.BYTES);
        long headerBytes = major == 1 ? length.getShort() & 0xffffL : length.getInt() & 0xffffffffL;
        if (headerBytes > MAX_HEADER_BYTES) {
            throw new NpyException(file + ": malformed .npy header: it claims " + headerBytes + " bytes, at most "
                    + MAX_HEADER_BYTES + " are read");
        }
        String text = new String(
                whole((int) headerBytes).array(), major == 3 ? StandardCharsets.UTF_8 : StandardCharsets.ISO_8859_1);
        NpyHeader header = NpyHeaderParser.parse(file, text);
        long start = MAGIC.length + version.limit() + length.limit() + headerBytes;
        if (fileBytes != UNKNOWN && fileBytes - start != header.dataBytes()) {
            throw wrongSize(header, String.valueOf(fileBytes - start), fileBytes - start < header.dataBytes());
        }
        requireMemory(header);
        return new NpyArray(file, header.plain(), data(header, arena, fileBytes != UNKNOWN));
    }

    private static String whatItIs(byte[] magic) {
        if (magic[0] == 'P' && magic[1] == 'K') {
            return "is a zip archive; an array of a .npz archive is named as FILE.npz:NAME";
        }
        if (magic[0] == 0x1f && magic[1] == (byte) 0x8b) {
            return "is compressed with gzip; unpack it with gunzip first";
        }
        return "is no .npy file (its first bytes are not \\x93NUMPY)";
    }

    private NpyException wrongSize(NpyHeader header, String present, boolean truncated) {
        return new NpyException(
                file + ": " + (truncated ? "is truncated" : "has trailing bytes") + ": shape " + header.shapeText()
                        + " of '" + header.type().descriptor() + "' takes " + header.dataBytes()
                        + " bytes, the file holds " + present);
    }

    /** Linux promises more memory than there is, and kills who believes it. */
    private void requireMemory(NpyHeader header) throws NpyException {
        if (ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                && header.dataBytes() > system.getTotalMemorySize()) {
            throw new NpyException(String.format(
                    Locale.ROOT,
                    "%s: shape %s of '%s' takes %.1f GiB, more than the %.1f GiB of memory that there are",
                    file,
                    header.shapeText(),
                    header.type().descriptor(),
                    header.dataBytes() * 0x1p-30,
                    system.getTotalMemorySize() * 0x1p-30));
        }
    }

    /** The data, little-endian and in C order. */
    private MemorySegment data(NpyHeader header, Arena arena, boolean sizeIsKnown) throws IOException {
        if (!header.fortranOrder() || header.dimensions() < 2) {
            return NpyOrder.toLittleEndian(inFileOrder(header, arena, sizeIsKnown), header);
        }
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment columns = NpyOrder.toLittleEndian(inFileOrder(header, scratch, sizeIsKnown), header);
            return NpyOrder.fromFortran(columns, header, arena.allocate(header.dataBytes(), ALIGNMENT));
        }
    }

    private MemorySegment inFileOrder(NpyHeader header, Arena arena, boolean sizeIsKnown) throws IOException {
        MemorySegment data;
        if (sizeIsKnown) {
            data = arena.allocate(header.dataBytes(), ALIGNMENT);
            fill(data, 0, header);
        } else {
            // Memory is taken as the bytes arrive, since a header may promise any number of them.
            try (Arena scratch = Arena.ofConfined()) {
                List<MemorySegment> blocks = new ArrayList<>();
                for (long at = 0; at < header.dataBytes(); at += BLOCK_BYTES) {
                    blocks.add(scratch.allocate(Math.min(BLOCK_BYTES, header.dataBytes() - at), ALIGNMENT));
                    fill(blocks.getLast(), at, header);
                }
                data = arena.allocate(header.dataBytes(), ALIGNMENT);
                for (int block = 0; block < blocks.size(); block++) {
                    data.asSlice((long) block * BLOCK_BYTES).copyFrom(blocks.get(block));
                }
            }
        }
        if (channel.read(ByteBuffer.allocate(1)) >= 0) {
            throw wrongSize(header, "more", false);
        }
        return data;
    }

    /** Reads a part of the data, which begins at byte {@code start} of them. */
    private void fill(MemorySegment part, long start, NpyHeader header) throws IOException {
        for (long at = 0; at < part.byteSize(); ) {
            ByteBuffer block = part.asSlice(at, Math.min(BLOCK_BYTES, part.byteSize() - at))
                    .asByteBuffer();
            int count = channel.read(block);
            if (count < 0) {
                throw wrongSize(header, String.valueOf(start + at), true);
            }
            at += count;
        }
    }

    private ByteBuffer whole(int count) throws IOException {
        ByteBuffer buffer = bytes(count);
        if (buffer.limit() < count) {
            throw cutHeader();
        }
        return buffer;
    }

    private NpyException cutHeader() {
        return new NpyException(file + ": is truncated: it ends inside the .npy header");
    }

    /** The next bytes, fewer only where the file ends. */
    private ByteBuffer bytes(int count) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
        while (buffer.hasRemaining() && channel.read(buffer) >= 0) {}
        return buffer.flip();
    }
}
