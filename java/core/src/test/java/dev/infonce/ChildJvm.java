package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A JVM of its own, for what a process can do but once, or what must not be disturbed. */
final class ChildJvm {
    private ChildJvm() {}

    /** What the main class printed on either stream; anything but success fails the test. */
    static String run(List<String> options, Class<?> main, String... arguments)
            throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(options);
        all.addFirst("--enable-native-access=ALL-UNNAMED");
        return runWithoutNativeAccess(all, main, arguments);
    }

    /** The same in a JVM that was not given native access. */
    static String runWithoutNativeAccess(List<String> options, Class<?> main, String... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.add("-cp");
        command.add(System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
        command.add(main.getName());
        command.addAll(List.of(arguments));
        Path said = Files.createTempFile("infonce-child", ".txt");
        try {
            Process process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(said.toFile())
                    .start();
            boolean ended = process.waitFor(3, TimeUnit.MINUTES);
            process.destroyForcibly();
            String output = Files.readString(said);
            assertThat(ended)
                    .as("the child ended within 3 minutes; it said %s", output)
                    .isTrue();
            assertThat(process.exitValue())
                    .as("exit status of the child, which said %s", output)
                    .isZero();
            return output;
        } finally {
            Files.delete(said);
        }
    }
}
