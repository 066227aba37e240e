package dev.infonce.bindings.loader;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A JVM that loads the library and says how it went, since a process can load it but once. */
final class ChildJvm {
    private static final String CLASS_PATH =
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));

    private ChildJvm() {}

    /** Runs in the child. */
    public static void main(String[] args) {
        for (int time = 0; time < 2; time++) {
            try {
                NativeLibrary library = NativeLibrary.load(LibraryKind.valueOf(System.getProperty("kind", "CPU")));
                System.out.println("LOADED " + library.origin() + " " + library.file());
            } catch (NativeLibraryException e) {
                System.out.println("REFUSED " + e.getMessage());
            }
        }
    }

    /** The two lines that main printed: the second must tell the same. */
    static List<String> load(Map<String, String> environment, String... options)
            throws IOException, InterruptedException {
        return load(CLASS_PATH, environment, options);
    }

    /** The same in a JVM that was not given native access. */
    static List<String> withoutNativeAccess(Map<String, String> environment, String... options)
            throws IOException, InterruptedException {
        return run(List.of(), CLASS_PATH, environment, List.of(options));
    }

    static List<String> load(String classPath, Map<String, String> environment, String... options)
            throws IOException, InterruptedException {
        return run(List.of(), classPath, environment, withNativeAccess(options));
    }

    /** The same in a JVM that another command starts. */
    static List<String> load(List<String> prefix, Map<String, String> environment, String... options)
            throws IOException, InterruptedException {
        return run(prefix, CLASS_PATH, environment, withNativeAccess(options));
    }

    private static List<String> withNativeAccess(String... options) {
        List<String> all = new ArrayList<>(List.of(options));
        all.addFirst("--enable-native-access=ALL-UNNAMED");
        return all;
    }

    private static List<String> run(
            List<String> prefix, String classPath, Map<String, String> environment, List<String> options)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(prefix);
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.addAll(List.of("-cp", classPath, ChildJvm.class.getName()));
        Path said = Files.createTempFile("infonce-child", ".txt");
        try {
            ProcessBuilder builder =
                    new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile());
            builder.environment().putAll(environment);
            Process process = builder.start();
            boolean ended = process.waitFor(1, TimeUnit.MINUTES);
            process.destroyForcibly();
            String output = Files.readString(said);
            if (!ended || process.exitValue() != 0) {
                throw new AssertionError("the child JVM ended with " + process + ": " + output);
            }
            // The JVM itself prints warnings about broken libraries.
            return output.lines()
                    .filter(line -> line.matches("(LOADED|REFUSED) .*"))
                    .toList();
        } finally {
            Files.delete(said);
        }
    }
}
