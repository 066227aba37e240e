package dev.infonce.bench.contest;

import com.google.gson.Gson;
import dev.infonce.bench.Problem;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** The process that holds one contender: reads a request a line from standard input, and answers each with a line of JSON. */
public final class ContenderServer {
    private static final int CHUNK = 1 << 18;

    /** Opens a problem in an engine. */
    public interface Opening {
        /** The variant is the engine's own word for how to go about it. */
        Contender open(Problem problem, String variant);
    }

    private final Contender contender;

    private ContenderServer(Contender contender) {
        this.contender = contender;
    }

    /** Arguments: problem, variant. Ends with standard input. */
    public static void serve(String[] arguments, Opening opening) throws IOException {
        PrintStream answers = System.out;
        // What engines print must not get between the answers.
        System.setOut(System.err);
        Gson gson = new Gson();
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (Contender contender = opening.open(Problem.parse(arguments[0]), arguments[1])) {
            ContenderServer server = new ContenderServer(contender);
            System.gc();
            boolean wasReset = ProcessMemory.resetPeak();
            long resident = ProcessMemory.residentBytes();
            answers.println(gson.toJson(new Answers.Opened(contender.description(), resident, wasReset)));
            for (String line = requests.readLine(); line != null; line = requests.readLine()) {
                answers.println(gson.toJson(server.answer(line.split(" ", 2))));
                answers.flush();
            }
        }
    }

    private Object answer(String[] request) throws IOException {
        return switch (request[0]) {
            case "time" -> time(Double.parseDouble(request[1]));
            case "write" -> write(Path.of(request[1]));
            case "memory" -> new Answers.Memory(ProcessMemory.peakBytes());
            default -> throw new IllegalArgumentException("no request " + request[0]);
        };
    }

    /** Calls for so many seconds, one at least. */
    private Answers.Timed time(double seconds) {
        double[] milliseconds = new double[1024];
        int calls = 0;
        long end = System.nanoTime() + (long) (seconds * 1e9);
        do {
            long start = System.nanoTime();
            contender.step();
            milliseconds[calls++] = (System.nanoTime() - start) * 1e-6;
        } while (System.nanoTime() < end && calls < milliseconds.length);
        return new Answers.Timed(java.util.Arrays.copyOf(milliseconds, calls));
    }

    /** A step, whose gradients go to a file: queries, then keys, little-endian. */
    private Answers.Written write(Path file) throws IOException {
        double loss = contender.step();
        try (FileChannel out = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            write(contender.dQueries(), out);
            FloatBuffer dKeys = contender.dKeys();
            if (dKeys != null) {
                write(dKeys, out);
            }
        }
        return new Answers.Written(loss);
    }

    private static void write(FloatBuffer numbers, FileChannel out) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(CHUNK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        while (numbers.hasRemaining()) {
            int count = Math.min(CHUNK, numbers.remaining());
            FloatBuffer part = numbers.slice(numbers.position(), count);
            bytes.clear();
            bytes.asFloatBuffer().put(part);
            bytes.limit(count * Float.BYTES);
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            numbers.position(numbers.position() + count);
        }
    }
}
