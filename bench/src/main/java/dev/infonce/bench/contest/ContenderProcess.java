package dev.infonce.bench.contest;

import com.google.gson.Gson;
import dev.infonce.bench.Problem;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** One contender in a JVM of its own, asleep while nothing is asked of it. */
final class ContenderProcess implements AutoCloseable {
    private static final int GRACE_SECONDS = 20;

    private final Gson gson = new Gson();
    private final Engine engine;
    private final Path log;
    private final Process process;
    private final BufferedReader answers;
    private final PrintWriter requests;
    private final Answers.Opened opened;

    ContenderProcess(Engine engine, Problem problem, Path log) throws IOException {
        this.engine = engine;
        this.log = log;
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(engine.jvmArguments());
        command.addAll(List.of("-Djava.awt.headless=true", "-Duser.home=" + System.getProperty("user.home")));
        command.addAll(List.of("-cp", engine.classpath(), engine.mainClass(), problem.toString(), engine.variant()));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().putAll(engine.environment());
        builder.redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
        process = builder.start();
        answers = process.inputReader(StandardCharsets.UTF_8);
        requests = new PrintWriter(process.outputWriter(StandardCharsets.UTF_8), true);
        try {
            opened = answer(Answers.Opened.class);
        } catch (IOException | RuntimeException e) {
            close();
            throw e;
        }
    }

    String description() {
        return opened.description();
    }

    /** Of calls for so many seconds, one at least. */
    double[] milliseconds(double seconds) throws IOException {
        requests.println("time " + seconds);
        return answer(Answers.Timed.class).milliseconds();
    }

    /** The loss; gradients are in the file then. */
    double write(Path gradients) throws IOException {
        requests.println("write " + gradients);
        return answer(Answers.Written.class).loss();
    }

    /** The highest resident size, of the whole process. */
    long peakBytes() throws IOException {
        requests.println("memory");
        return answer(Answers.Memory.class).peakBytes();
    }

    /** The highest resident size above that with inputs and places for gradients. */
    long scratchBytes() throws IOException {
        long peak = peakBytes();
        return opened.peakWasReset() ? Math.max(0, peak - opened.residentBytes()) : 0;
    }

    private <T> T answer(Class<T> type) throws IOException {
        String line = answers.readLine();
        if (line == null) {
            throw new IOException(engine.name() + ": its process ended; " + log + " says why");
        }
        return gson.fromJson(line, type);
    }

    @Override
    public void close() {
        requests.close();
        try {
            if (!process.waitFor(GRACE_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
