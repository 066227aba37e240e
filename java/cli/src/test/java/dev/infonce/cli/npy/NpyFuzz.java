package dev.infonce.cli.npy;

import dev.infonce.fuzz.FuzzRun;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A fuzz target: bytes as a .npy file, as one that comes through a pipe, and as a .npz archive. They are read, or refused with an
 * {@link IOException} that names the file in one line; file and pipe agree.
 */
public final class NpyFuzz {
    private static final AtomicLong CALLS = new AtomicLong();
    private static final Path FILE = FuzzRun.temporaryFile(".npz");

    private NpyFuzz() {}

    /** Jazzer's entry. */
    public static void fuzzerTestOneInput(byte[] bytes) throws IOException {
        CALLS.incrementAndGet();
        String streamed = outcome(arena -> new NpyReader("x.npy", Channels.newChannel(new ByteArrayInputStream(bytes)))
                .read(NpyReader.UNKNOWN, arena));
        if (CALLS.get() % 16 != 0 && !isZip(bytes)) {
            return; // files take far longer than bytes
        }
        Files.write(FILE, bytes);
        String read = outcome(arena -> NpyInput.of(FILE.toString()).read(arena));
        if (streamed.startsWith("array") || read.startsWith("array")) {
            check(streamed.equals(read), "through a pipe " + streamed + ", from a file " + read);
        }
        outcome(arena -> NpyInput.of(FILE + ":q").read(arena));
    }

    /** Jazzer's end. */
    public static void fuzzerTearDown() {
        System.out.println("calls of readers: " + CALLS.get());
    }

    private static boolean isZip(byte[] bytes) {
        return bytes.length > 1 && bytes[0] == 'P' && bytes[1] == 'K';
    }

    private interface Reading {
        NpyArray read(Arena arena) throws IOException;
    }

    private static String outcome(Reading reading) {
        try (Arena arena = Arena.ofConfined()) {
            NpyArray array = reading.read(arena);
            NpyHeader header = array.header();
            check(header.equals(header.plain()), header + " is not little-endian in C order");
            check(array.data().byteSize() == header.dataBytes(), header + " with " + array.data());
            double last = header.elements() == 0 ? 0 : array.get(header.elements() - 1);
            return "array " + header + " " + last;
        } catch (IOException e) {
            check(e.getMessage() != null && !e.getMessage().isBlank(), "a failure without a message");
            check(
                    e.getMessage().startsWith("x.npy: ") || e.getMessage().startsWith(FILE.toString()),
                    "no file is named: " + e.getMessage());
            return e.getMessage();
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
