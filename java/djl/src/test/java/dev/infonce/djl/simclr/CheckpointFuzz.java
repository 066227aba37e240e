package dev.infonce.djl.simclr;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A fuzz target: bytes as what a checkpoint holds, its JSON among them, with a checksum that fits, and as a whole checkpoint. It is
 * read, or refused with an {@link IOException} that gives a reason.
 */
public final class CheckpointFuzz {
    private static final byte[] BEGINNING = {'i', 'n', 'f', 'o', 'n', 'c', 'e', '3'};
    private static final AtomicLong CALLS = new AtomicLong();

    private CheckpointFuzz() {}

    /** Jazzer's entry. */
    public static void fuzzerTestOneInput(byte[] bytes) {
        CALLS.incrementAndGet();
        byte[] checkpoint = whole(bytes);
        parse(checkpoint);
        parse(bytes);
        if (bytes.length > 0) {
            int at = BEGINNING.length + CALLS.intValue() % bytes.length;
            checkpoint[Math.abs(at) % checkpoint.length] ^= 1;
            check(!parse(checkpoint), "a changed bit is not seen");
            check(!parse(Arrays.copyOf(checkpoint, checkpoint.length - 1)), "a missing byte is not seen");
        }
    }

    /** Jazzer's end. */
    public static void fuzzerTearDown() {
        System.out.println("calls of readers: " + CALLS.get());
    }

    /** A checkpoint of that content, with the checksum of it. */
    static byte[] whole(byte[] content) {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        whole.writeBytes(BEGINNING);
        whole.writeBytes(content);
        try {
            whole.writeBytes(MessageDigest.getInstance("SHA-256").digest(whole.toByteArray()));
        } catch (GeneralSecurityException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
        return whole.toByteArray();
    }

    /** False if it is refused. */
    static boolean parse(byte[] bytes) {
        try {
            Checkpoint checkpoint = Checkpoint.parse(bytes);
            check(checkpoint.recipe() != null && checkpoint.arrays() != null, "a checkpoint without its parts");
            return true;
        } catch (IOException e) {
            check(e.getMessage() != null && !e.getMessage().isBlank(), "a failure without a reason");
            return false;
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
