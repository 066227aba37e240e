package dev.infonce.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.infonce.fuzz.FuzzInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A fuzz target: a command line, and the files that it names, of bytes. It prints an object of JSON, or one line that says why
 * not, with the exit code that goes with it.
 */
public final class LossCommandFuzz {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final AtomicLong CALLS = new AtomicLong();
    private static final Path FOLDER = folder();
    private static final int MOST_ROWS = 6;
    private static final int MOST_DIM = 5;
    private static final String[] TYPES = {"<f4", "<f8", "<f2", "<V2", ">f4", ">f8", "|u1", "<i8"};

    private LossCommandFuzz() {}

    private static Path folder() {
        try {
            Path folder = Files.createTempDirectory("infonce-fuzz");
            folder.toFile().deleteOnExit(); // after its files, which are named later
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Jazzer's entry. */
    public static void fuzzerTestOneInput(byte[] bytes) throws IOException {
        CALLS.incrementAndGet();
        FuzzInput in = new FuzzInput(bytes);
        List<LossKind> kinds = LossKind.all();
        List<String> arguments = new ArrayList<>(List.of("loss", "--json", "--device"));
        arguments.add(in.of("java", "java", "cpu", "tpu"));
        arguments.addAll(List.of("--loss", kinds.get(in.below(kinds.size())).word()));
        int rows = 1 + in.below(MOST_ROWS);
        int dim = 1 + in.below(MOST_DIM);
        add(in, arguments, "queries", 15, rows, dim);
        add(in, arguments, "keys", 15, rows, dim);
        add(in, arguments, "negatives", 8, rows, dim);
        add(in, arguments, "queue", 3, rows, dim);
        add(in, arguments, "key-offsets", 3, in.flag() ? rows : 2 * rows, 1);
        add(in, arguments, "teacher-scores", 3, rows, 1 + in.below(3));
        add(in, arguments, "labels", 4, rows, 1);
        add(in, arguments, "groups", 3, rows, 1);
        add(in, arguments, "key-groups", 2, rows, 1);
        add(in, arguments, "weights", 4, rows, 1);
        add(in, arguments, "row-labels", 3, rows, 1);
        add(in, arguments, "key-labels", 2, rows, 1);
        if (in.oneIn(4)) {
            arguments.add("--own-negatives-too");
        }
        number(in, arguments, "--temperature", 14);
        number(in, arguments, "--margin", 6);
        number(in, arguments, "--bias", 3);
        word(in, arguments, "--similarity", 4, "cosine", "dot", "neg-squared-euclidean", "neg-euclidean", "cos");
        word(in, arguments, "--denominator", 3, "all", "negatives", "own");
        word(in, arguments, "--class-prior", 5, "0", "0.1", "0.99", "1", "x");
        word(in, arguments, "--hardness", 5, "0", "9", "1000", "-1", "x");
        word(
                in,
                arguments,
                "--exclude-above",
                4,
                "absolute:0.1",
                "absolute:-1e100",
                "relative:0",
                "relative:0.05",
                "relative:-1",
                "absolute:NaN",
                "absolute:",
                "x:1",
                "");
        word(
                in,
                arguments,
                "--blocks",
                4,
                "query-query",
                "key-query",
                "key-key",
                "key-key,query-query",
                "query-query,key-query,key-key",
                "key-key,key-key",
                "key-key,",
                "query",
                "");
        word(in, arguments, "--prefixes", 3, "1", "1,2", "2,3,9", "2,1", "0", "1,", "x");
        word(in, arguments, "--aggregation", 3, "outside", "inside", "sum", "mean");
        number(in, arguments, "--positive-margin", 3);
        word(in, arguments, "--distance", 3, "euclidean", "squared-euclidean", "cosine");
        word(in, arguments, "--reduction", 6, "mean", "sum", "none");
        word(in, arguments, "--negative-reduction", 2, "mean", "sum", "none");
        word(in, arguments, "--mining", 3, "none", "batch-all", "batch-hard", "semi-hard", "easy-positive", "hard");
        if (in.oneIn(8)) {
            arguments.add("--soft-margin");
        }
        number(in, arguments, "--scale", 6);
        number(in, arguments, "--positive-scale", 6);
        number(in, arguments, "--negative-scale", 6);
        number(in, arguments, "--base", 3);
        Cli.Result result = Cli.run(arguments.toArray(String[]::new));
        String what = arguments + " gave " + result;
        if (result.code() == CommandRunner.OK) {
            JsonNode object = JSON.readTree(result.out());
            check(object.isObject() && object.has("loss") && object.has("metrics"), what);
            check(result.err().isEmpty(), what);
        } else {
            check(result.code() == CommandRunner.FAILURE || result.code() == CommandRunner.USAGE, what);
            check(result.out().isEmpty(), what);
            check(result.err().lines().count() == 1 && result.err().startsWith("infonce"), what);
            check(!result.err().contains("unexpected"), what);
            check(result.err().strip().codePoints().noneMatch(Character::isISOControl), what);
        }
    }

    /** Jazzer's end. */
    public static void fuzzerTearDown() {
        System.out.println("calls of the command line: " + CALLS.get());
    }

    private static void number(FuzzInput in, List<String> arguments, String option, int sixteenths) {
        if (in.below(16) < sixteenths) {
            arguments.add(option);
            arguments.add(in.of("0.07", "1", "0.5", "2", "1e9", "1e-9", "0", "-1", "NaN", "1e400", "x", ""));
        }
    }

    private static void word(FuzzInput in, List<String> arguments, String option, int sixteenths, String... words) {
        if (in.below(16) < sixteenths) {
            arguments.addAll(List.of(option, in.of(words)));
        }
    }

    /** A file of about that shape, for the option of its name. */
    private static void add(FuzzInput in, List<String> arguments, String name, int sixteenths, int rows, int dim)
            throws IOException {
        if (in.below(16) >= sixteenths) {
            return;
        }
        Path file = FOLDER.resolve(name + ".npy");
        file.toFile().deleteOnExit();
        String type = in.oneIn(3) ? in.of(TYPES) : "<f4";
        int first = in.oneIn(8) ? in.below(MOST_ROWS + 1) : rows;
        int last = in.oneIn(16) ? in.below(MOST_DIM + 1) : dim;
        String shape = switch (in.below(16)) {
            case 0 -> "(" + first + ", 2, " + last + ")";
            case 1 -> "(" + first + ",)";
            case 2 -> "()";
            default -> dim == 1 ? "(" + first + ",)" : "(" + first + ", " + last + ")";
        };
        int elements =
                shape.equals("()") ? 1 : first * (shape.contains(", 2,") ? 2 : 1) * (shape.endsWith(",)") ? 1 : last);
        byte[] data = new byte[elements * (type.charAt(2) - '0')];
        int salt = in.next();
        for (int i = 0; i < elements; i++) {
            put(data, i, type, Math.sin(1 + i * 7 + salt) * (dim == 1 ? 0 : 1) + (dim == 1 ? (i + salt) % 2 : 0));
        }
        byte[] wild = in.rest(in.oneIn(6) ? 8 : 0);
        System.arraycopy(wild, 0, data, 0, Math.min(wild.length, data.length));
        if (in.oneIn(32)) {
            data = in.rest(20);
        }
        NpyTestFiles.file(file, 1, NpyTestFiles.header(type, in.oneIn(4) ? "True" : "False", shape), data);
        arguments.addAll(List.of("--" + name, in.oneIn(40) ? "-" : file.toString()));
    }

    private static void put(byte[] data, int index, String type, double value) {
        int width = type.charAt(2) - '0';
        long bits = switch (type.substring(1)) {
            case "f4" -> Float.floatToIntBits((float) value);
            case "f8" -> Double.doubleToLongBits(value);
            case "f2" -> Float.floatToFloat16((float) value);
            case "V2" -> Float.floatToIntBits((float) value) >>> 16;
            default -> (long) value;
        };
        for (int i = 0; i < width; i++) {
            data[index * width + (type.startsWith(">") ? width - 1 - i : i)] = (byte) (bits >>> 8 * i);
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
