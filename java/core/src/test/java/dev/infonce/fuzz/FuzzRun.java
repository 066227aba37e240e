package dev.infonce.fuzz;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/**
 * Runs a fuzz target in a test: every input of its corpus, then changed ones for -Dinfonce.fuzz.seconds (2). For longer there is
 * `./infonce test --fuzz MINUTES`, where Jazzer chooses the changes by what they reach.
 */
public final class FuzzRun {
    private static final long SEED = 20261128;
    private static final double SECONDS = Double.parseDouble(System.getProperty("infonce.fuzz.seconds", "2"));
    private static final int MOST_CHANGES = 6;
    private static final int MOST_BYTES = 4096;

    private FuzzRun() {}

    /** What Jazzer calls too: any exception that it lets pass is a finding. */
    @FunctionalInterface
    public interface Target {
        /** Takes an input. */
        void take(byte[] input) throws Exception;
    }

    /** A file of a target's own, which is deleted when Java ends. */
    public static Path temporaryFile(String suffix) {
        try {
            Path file = Files.createTempFile("infonce-fuzz", suffix);
            file.toFile().deleteOnExit();
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The corpus is src/test/resources/fuzz/NAME of the module under test. */
    public static void run(String name, Target target) throws IOException {
        List<byte[]> corpus = new ArrayList<>();
        try (Stream<Path> files = Files.list(Path.of("src", "test", "resources", "fuzz", name))) {
            for (Path file : files.sorted().toList()) {
                corpus.add(Files.readAllBytes(file));
            }
        }
        corpus.forEach(input -> check(name, target, input));
        SplittableRandom random = new SplittableRandom(SEED);
        long start = System.nanoTime();
        long inputs = 0;
        for (; System.nanoTime() - start < SECONDS * 1e9; inputs++) {
            check(name, target, changed(corpus, random));
        }
        System.out.printf(
                "%s: %d inputs of the corpus and %d changed ones, seed %d%n", name, corpus.size(), inputs, SEED);
    }

    private static void check(String name, Target target, byte[] input) {
        try {
            target.take(input);
        } catch (Exception | Error e) {
            throw new AssertionError(
                    name + " fails; the input in base 64 is "
                            + Base64.getEncoder().encodeToString(input),
                    e);
        }
    }

    private static byte[] changed(List<byte[]> corpus, SplittableRandom random) {
        byte[] input = corpus.get(random.nextInt(corpus.size())).clone();
        for (int change = random.nextInt(MOST_CHANGES); change >= 0; change--) {
            int at = input.length == 0 ? 0 : random.nextInt(input.length);
            int to = Math.min(input.length, at + 1 + random.nextInt(8));
            switch (random.nextInt(6)) {
                case 0 -> {
                    if (input.length > 0) {
                        input[at] ^= (byte) (1 << random.nextInt(Byte.SIZE));
                    }
                }
                case 1 -> {
                    if (input.length > 0) {
                        input[at] = (byte) random.nextInt();
                    }
                }
                case 2 -> input = joined(Arrays.copyOf(input, at), Arrays.copyOfRange(input, to, input.length));
                case 3 -> {
                    byte[] more = new byte[1 + random.nextInt(8)];
                    random.nextBytes(more);
                    input = joined(Arrays.copyOf(input, at), joined(more, Arrays.copyOfRange(input, at, input.length)));
                }
                case 4 -> input = Arrays.copyOf(input, at);
                default -> {
                    byte[] other = corpus.get(random.nextInt(corpus.size()));
                    int from = other.length == 0 ? 0 : random.nextInt(other.length);
                    input = joined(Arrays.copyOf(input, at), Arrays.copyOfRange(other, from, other.length));
                }
            }
        }
        return input.length <= MOST_BYTES ? input : Arrays.copyOf(input, MOST_BYTES);
    }

    private static byte[] joined(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }
}
