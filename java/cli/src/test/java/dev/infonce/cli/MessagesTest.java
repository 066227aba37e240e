package dev.infonce.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.cli.npy.NpyArray;
import dev.infonce.cli.npy.NpyFile;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Failures name the option, the file and the reason, in one line that no terminal obeys. */
class MessagesTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource({"--queries", "--keys", "--negatives", "--labels", "--weights"})
    void everyReasonGoesWithTheOptionAndTheFile(String option) throws IOException {
        String wrong = option.equals("--labels") ? "contrastive" : "infonce";
        Path empty = Files.createFile(folder.resolve("empty.npy"));
        Path loop = Files.createSymbolicLink(folder.resolve("loop.npy"), Path.of("loop.npy"));
        Path text = Files.writeString(folder.resolve("text.npy"), "1 2 3");
        assertSaid(wrong, option, empty.toString(), option + ": " + empty + ": is empty (0 bytes)");
        assertSaid(wrong, option, loop.toString(), option + ": " + loop + ": Too many levels of symbolic links");
        assertSaid(wrong, option, text.toString(), option + ": " + text + ": is no .npy file");
        assertSaid(wrong, option, "", option + ": the path is empty");
        assertSaid(wrong, option, folder.toString(), option + ": " + folder + ": is a folder");
        assertSaid(wrong, option, folder + "/none", option + ": " + folder + "/none: no such file");
    }

    @ParameterizedTest
    @CsvSource({"--queries", "--keys", "--negatives"})
    void numbersThatAreNotFiniteAreOfAFile(String option) throws IOException {
        Path file = NpyTestFiles.floats(folder.resolve("nan.npy"), "(3, 2)", 1, 2, 3, Double.NaN, 5, 6);
        assertSaid("infonce", option, file.toString(), option + ": " + file + ": row 1 holds a NaN or an infinity");
    }

    @Test
    void standardInputIsForOneOption() {
        Cli.Result result = Cli.run("loss", "--loss", "infonce", "--temperature", "1", "--queries", "-", "--keys", "-");
        assertThat(result.err()).contains("--queries and --keys are all -; standard input can be read but once");
        assertThat(result.code()).isEqualTo(CommandRunner.USAGE);
    }

    @Test
    void namesArePrintedWithoutControlCharacters() throws IOException {
        String name = "\u001b[31mred\u0007\u009b\u202edear.npy";
        assertHarmless(Cli.run(
                "loss", "--loss", "infonce", "--queries", folder + "/" + name, "--keys", "k", "--temperature", "1"));
        assertHarmless(Cli.run(
                "loss",
                "--loss",
                "infonce",
                "--queries",
                folder + "/" + name,
                "--keys",
                "k",
                "--temperature",
                "1",
                "--verbose"));
        assertHarmless(Cli.run("loss", "--loss", name));
        assertHarmless(Cli.run("loss", "--loss", "infonce", "--queries", "q", "--" + name));
        assertHarmless(Cli.run(name));
        Path evil = NpyTestFiles.file(
                folder.resolve("evil.npy"),
                1,
                NpyTestFiles.header("\u001b[31m\u0007\r", "False", "(1,)"),
                "".getBytes(StandardCharsets.US_ASCII));
        assertHarmless(Cli.run(
                "loss", "--loss", "infonce", "--queries", evil.toString(), "--keys", "k", "--temperature", "1"));
    }

    private static void assertHarmless(Cli.Result result) {
        assertThat(result.err()).isNotEmpty();
        assertThat(result.err().codePoints().filter(point -> point != '\n'))
                .as("%s", result.err())
                .noneMatch(point -> Character.isISOControl(point) || point == 0x202e);
        assertThat(result.err()).contains("\\u001b");
    }

    @Test
    void memoryThatEndsIsOneLine() throws IOException, InterruptedException {
        Path file = folder.resolve("large.npy");
        try (RandomAccessFile large = new RandomAccessFile(
                NpyTestFiles.file(file, 1, NpyTestFiles.header("<f4", "False", "(4096, 4096)"), new byte[0])
                        .toFile(),
                "rw")) {
            large.setLength(large.length() + (64L << 20));
        }
        Cli.Result result = CliProcess.run(
                "",
                List.of("-Xmx48m"),
                "loss",
                "--loss",
                "infonce",
                "--temperature",
                "1",
                "--device",
                "java",
                "--queries",
                file.toString(),
                "--keys",
                file.toString());
        assertThat(result.err())
                .startsWith("infonce loss: there is not enough memory (")
                .hasLineCount(1);
        assertThat(result.code()).isEqualTo(CommandRunner.FAILURE);
        assertThat(result.out()).isEmpty();
    }

    /** Where the launcher, which sees to a locale, is not used. */
    @Test
    void aNameThatTheLocaleHasNoCharactersForIsToldApart() throws IOException, InterruptedException {
        Cli.Result result = CliProcess.run(
                "export LC_ALL=C; set -- \"$@\" --queries $'\\xc3\\xa4.npy'",
                List.of(),
                "loss",
                "--loss",
                "infonce",
                "--temperature",
                "1",
                "--device",
                "java",
                "--keys",
                "k.npy");
        assertThat(result.err())
                .startsWith("infonce loss: --queries: ")
                .contains("no file can have this name where the locale's characters are ANSI_X3.4-1968")
                .hasLineCount(1);
        assertThat(result.code()).isEqualTo(CommandRunner.FAILURE);
    }

    /** A mapped file would end the JVM here, or throw an InternalError. */
    @Test
    void aFileThatIsCutOffAfterItWasReadIsWholeHere() throws IOException {
        double[] numbers = new double[1 << 20];
        numbers[numbers.length - 1] = 7;
        Path file = NpyTestFiles.floats(folder.resolve("x.npy"), "(1048576,)", numbers);
        try (Arena arena = Arena.ofConfined()) {
            NpyArray array = NpyFile.read(file, arena);
            try (RandomAccessFile cut = new RandomAccessFile(file.toFile(), "rw")) {
                cut.setLength(1000);
            }
            assertThat(array.get(numbers.length - 1)).isEqualTo(7);
        }
    }

    /** With that file for the option, and what the others need. */
    private void assertSaid(String loss, String option, String file, String message) throws IOException {
        Path good = NpyTestFiles.floats(folder.resolve("good.npy"), "(3, 2)", 1, 2, 3, 4, 5, 6);
        List<String> arguments = new ArrayList<>(List.of("loss", "--loss", loss, "--device", "java"));
        arguments.addAll(loss.equals("infonce") ? List.of("--temperature", "1") : List.of("--margin", "1"));
        for (String needed : List.of("--queries", "--keys")) {
            if (!needed.equals(option)) {
                arguments.addAll(List.of(needed, good.toString()));
            }
        }
        arguments.addAll(List.of(option, file));
        Cli.Result result = Cli.run(arguments.toArray(String[]::new));
        assertThat(result.err()).startsWith("infonce loss: " + message).hasLineCount(1);
        assertThat(result.code()).isEqualTo(CommandRunner.FAILURE);
        assertThat(result.out()).isEmpty();
    }
}
