package dev.infonce.djl.data;

import dev.infonce.fuzz.FuzzRun;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.GZIPOutputStream;

/**
 * A fuzz target: bytes as an IDX file, of images or of labels, as it is and packed by gzip. It is read, with as many bytes as its
 * header says, or refused with an {@link IdxException} that names the file.
 */
public final class IdxFuzz {
    private static final AtomicLong CALLS = new AtomicLong();
    private static final Path FILE = FuzzRun.temporaryFile(".idx");

    private IdxFuzz() {}

    /** Jazzer's entry. */
    public static void fuzzerTestOneInput(byte[] bytes) throws IOException {
        CALLS.incrementAndGet();
        int rank = bytes.length > 3 && bytes[3] == 1 ? 1 : 3;
        IdxFile plain = read(bytes, rank);
        if (CALLS.get() % 8 != 0) {
            return;
        }
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
            gzip.write(bytes);
        }
        IdxFile unpacked = read(packed.toByteArray(), rank);
        boolean isGzip = bytes.length > 1 && (bytes[0] & 0xff) == 0x1f && (bytes[1] & 0xff) == 0x8b;
        if (!isGzip) {
            check((plain == null) == (unpacked == null), "gzip makes a difference");
            check(plain == null || Arrays.equals(plain.data(), unpacked.data()), "gzip changes data");
        }
    }

    /** Jazzer's end. */
    public static void fuzzerTearDown() {
        System.out.println("calls of readers: " + CALLS.get());
    }

    /** Null if it is refused. */
    private static IdxFile read(byte[] bytes, int rank) throws IOException {
        Files.write(FILE, bytes);
        try {
            IdxFile idx = IdxFile.read(FILE, rank);
            long product = Arrays.stream(idx.dimensions()).asLongStream().reduce(1, (a, b) -> a * b);
            check(idx.dimensions().length == rank, "rank " + idx.dimensions().length);
            check(idx.data().length == product, idx.data().length + " bytes of " + product);
            return idx;
        } catch (IdxException e) {
            check(e.getMessage().contains(FILE.toString()), "no file is named: " + e.getMessage());
            return null;
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
