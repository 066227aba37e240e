package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.bindings.infonce_h;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Without a usable native library everything still works, on pure Java, and the reason is told. In JVMs of their own. */
class MissingLibraryTest {
    @TempDir
    private Path temp;

    /** Runs in the child: what best, report and named do. */
    static final class Child {
        private Child() {}

        public static void main(String[] args) {
            try (Device best = Device.best()) {
                System.out.println("best " + best.name());
                Plan plan = best.plan(InfoNce.withTemperature(1), Shape.of(2, 2, 2), DType.FLOAT64);
                Matrix identity = Matrix.of(new double[] {1, 0, 0, 1}, 2, 2);
                System.out.printf(
                        "loss %.12f%n", plan.forward(identity, identity).loss());
            }
            for (DeviceReport line : Device.report()) {
                if (!line.name().equals("java")) {
                    System.out.println("report " + line.name() + " " + line.reason());
                }
            }
            for (String name : List.of("cuda", "cpu", "emulated")) {
                try (Device device = Device.named(name)) {
                    System.out.println("named " + device);
                } catch (InfoNceException e) {
                    System.out.println("named " + name + " " + e.status() + " " + e.getMessage());
                }
            }
        }
    }

    @Test
    void switchedOff() throws Exception {
        String said = run("-Dinfonce.native=off");
        assertFallsBackToJava(said, "switched off by -Dinfonce.native=off");
        assertThat(said).as("what the user asked for is no reason to warn").doesNotContain("WARNING");
    }

    @Test
    void missingFile() throws Exception {
        Path file = temp.resolve("missing.so");
        String said = run("-Dinfonce.library.path=" + file);
        assertFallsBackToJava(said, "there is no file " + file);
        assertThat(said).contains("WARNING: using device java, as cpu is not available");
    }

    @Test
    void garbageFile() throws Exception {
        Path file = Files.writeString(temp.resolve("garbage.so"), "garbage".repeat(100));
        assertFallsBackToJava(run("-Dinfonce.library.path=" + file), file + " cannot be loaded", "invalid ELF header");
    }

    @Test
    void anotherAbi() throws Exception {
        Path file = compile("int nce_abi_version(void) { return 999; }");
        assertFallsBackToJava(
                run("-Dinfonce.library.path=" + temp),
                file + " has ABI version 999, but this version of infonce needs " + infonce_h.NCE_ABI_VERSION());
    }

    @Test
    void aLibraryThatLacksAFunction() throws Exception {
        compile("int nce_abi_version(void) { return %d; }".formatted(infonce_h.NCE_ABI_VERSION()));
        assertFallsBackToJava(
                run("-Dinfonce.library.path=" + temp),
                "the functions of libinfonce.so cannot be bound",
                "the library has no nce_last_error",
                "Set -Dinfonce.library.path=FOLDER");
    }

    private Path compile(String source) throws IOException, InterruptedException {
        Path code = Files.writeString(temp.resolve("other.c"), source);
        Path file = temp.resolve("libinfonce.so");
        Process compiler;
        try {
            compiler = new ProcessBuilder("cc", "-shared", "-fPIC", "-o", file.toString(), code.toString())
                    .inheritIO()
                    .start();
        } catch (IOException e) {
            Assumptions.abort("there is no C compiler: " + e.getMessage());
            throw e;
        }
        assertThat(compiler.waitFor()).isZero();
        return file;
    }

    @Test
    void deniedNativeAccess() throws Exception {
        String said = ChildJvm.runWithoutNativeAccess(List.of("--illegal-native-access=deny"), Child.class);
        Assumptions.assumeFalse(
                said.contains("the jar was built without META-INF/native/linux-x86_64/libinfonce.so"),
                "this build was made without the native library");
        assertFallsBackToJava(said, "native access is denied", "start Java with --enable-native-access=ALL-UNNAMED");
    }

    @Test
    void deniedNativeAccessAndSwitchedOff() throws Exception {
        String said = ChildJvm.runWithoutNativeAccess(
                List.of("--illegal-native-access=deny", "-Dinfonce.native=off"), Child.class);
        assertFallsBackToJava(said, "switched off by -Dinfonce.native=off");
        assertThat(said).doesNotContain("WARNING");
        assertThat(said.lines().filter(line -> line.startsWith("named ")))
                .as("no device touches what needs native access before it asks for the switch")
                .hasSize(3)
                .allSatisfy(line -> assertThat(line).contains("switched off"));
    }

    private static void assertFallsBackToJava(String said, String... reasons) {
        // ln(1 + exp(-1)), the closed form of two orthonormal pairs at temperature 1.
        assertThat(said).contains("best java\n", "loss 0.313261687518\n");
        assertThat(said.lines().filter(line -> line.startsWith("report cpu ")))
                .singleElement()
                .satisfies(line -> assertThat(line).contains(reasons));
        assertThat(said.lines().filter(line -> line.startsWith("named cpu ")))
                .singleElement()
                .satisfies(line -> assertThat(line)
                        .startsWith("named cpu NO_DEVICE device cpu: ")
                        .contains(reasons));
    }

    private static String run(String option) throws IOException, InterruptedException {
        return ChildJvm.run(List.of(option), Child.class);
    }
}
