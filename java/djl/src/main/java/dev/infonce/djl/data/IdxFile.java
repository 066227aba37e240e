package dev.infonce.djl.data;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * An IDX file of unsigned bytes, the format of MNIST and its relatives: two zero bytes, the type (0x08), the number of
 * dimensions, each dimension as a big-endian 32-bit number, then the elements in C order. Files whose first two bytes
 * are those of gzip are unpacked while reading, whatever their name.
 *
 * @param dimensions sizes, outermost first
 * @param data all elements, unsigned bytes in C order
 */
public record IdxFile(int[] dimensions, byte[] data) {
    private static final int TYPE_UNSIGNED_BYTE = 0x08;
    private static final int GZIP_MAGIC = 0x1f8b;
    private static final long MAX_BYTES = 1L << 30;
    // zlib.net/zlib_tech.html: the most that a byte of deflated data can hold.
    private static final long DEFLATE_RATIO = 1032;

    /**
     * Reads a file that must have {@code rank} dimensions.
     *
     * @throws IdxException if the file is malformed: magic, element type, rank, sizes, too short, too long, broken gzip
     * @throws IOException if it cannot be read
     */
    public static IdxFile read(Path file, int rank) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new IdxException(file, "no such file");
        }
        try (InputStream in = open(file)) {
            int[] dimensions = readHeader(file, in, rank);
            long count = elementCount(file, dimensions);
            if (count > DEFLATE_RATIO * Files.size(file)) {
                throw truncated(file, dimensions, count, "is too small even for packed ones");
            }
            byte[] data = allocate(file, (int) count);
            int read = in.readNBytes(data, 0, data.length);
            if (read < count) {
                throw truncated(file, dimensions, count, "has " + read);
            }
            if (in.read() >= 0) {
                throw new IdxException(
                        file, "longer than its header " + Arrays.toString(dimensions) + " = " + count + " bytes");
            }
            return new IdxFile(dimensions, data);
        } catch (ZipException | EOFException e) {
            throw new IdxException(file, "broken gzip data (" + e.getMessage() + ")");
        }
    }

    private static byte[] allocate(Path file, int count) throws IdxException {
        try {
            return new byte[count];
        } catch (OutOfMemoryError e) {
            throw new IdxException(
                    file,
                    "needs " + (count >> 20) + " MiB, and Java's heap of "
                            + (Runtime.getRuntime().maxMemory() >> 20) + " MiB has no room for that; -Xmx raises it");
        }
    }

    private static IdxException truncated(Path file, int[] dimensions, long count, String found) {
        return new IdxException(
                file,
                "truncated: the header promises " + Arrays.toString(dimensions) + " = " + count + " bytes, the file "
                        + found);
    }

    /**
     * The SHA-256 of a file, or of what is unpacked from it.
     *
     * @return in lower-case hexadecimal
     * @throws IOException with a message that names the file, if it cannot be read or unpacked
     */
    static String sha256(Path file) throws IOException {
        try (InputStream in = open(file)) {
            MessageDigest hash = MessageDigest.getInstance("SHA-256");
            byte[] block = new byte[1 << 16];
            for (int count = in.read(block); count >= 0; count = in.read(block)) {
                hash.update(block, 0, count);
            }
            return HexFormat.of().formatHex(hash.digest());
        } catch (ZipException | EOFException e) {
            throw new IdxException(file, "broken gzip data (" + e.getMessage() + ")");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    private static InputStream open(Path file) throws IOException {
        BufferedInputStream raw = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
        try {
            raw.mark(2);
            int magic = raw.read() << 8 | raw.read();
            raw.reset();
            return magic == GZIP_MAGIC ? new BufferedInputStream(new GZIPInputStream(raw, 1 << 16), 1 << 16) : raw;
        } catch (IOException e) {
            raw.close();
            throw e;
        }
    }

    private static int[] readHeader(Path file, InputStream in, int rank) throws IOException {
        byte[] magic = in.readNBytes(4);
        if (magic.length < 4) {
            throw new IdxException(file, "too short for an IDX header: " + magic.length + " bytes");
        }
        if (magic[0] != 0 || magic[1] != 0) {
            throw new IdxException(
                    file,
                    String.format(
                            "not an IDX file: it starts with %02x %02x, an IDX file with 00 00",
                            magic[0] & 0xff, magic[1] & 0xff));
        }
        if (magic[2] != TYPE_UNSIGNED_BYTE) {
            throw new IdxException(
                    file,
                    String.format("element type 0x%02x; only unsigned bytes (0x08) are supported", magic[2] & 0xff));
        }
        if (magic[3] != rank) {
            throw new IdxException(
                    file,
                    "has "
                            + (magic[3] & 0xff)
                            + " dimensions, expected "
                            + rank
                            + (rank == 3 ? " (images x rows x columns)" : rank == 1 ? " (labels)" : ""));
        }
        byte[] sizes = in.readNBytes(4 * rank);
        if (sizes.length < 4 * rank) {
            throw new IdxException(
                    file, "truncated within the header: " + (4 + sizes.length) + " of " + (4 + 4 * rank) + " bytes");
        }
        int[] dimensions = new int[rank];
        ByteBuffer.wrap(sizes).asIntBuffer().get(dimensions);
        return dimensions;
    }

    private static long elementCount(Path file, int[] dimensions) throws IdxException {
        long count = 1;
        for (int size : dimensions) {
            if (size <= 0 || count * size > MAX_BYTES) {
                throw new IdxException(
                        file,
                        "sizes " + Arrays.toString(dimensions)
                                + " in the header; each must be >= 1, all together at most 2^30 bytes");
            }
            count *= size;
        }
        return count;
    }
}
