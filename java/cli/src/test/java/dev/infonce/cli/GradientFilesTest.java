package dev.infonce.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What --gradients leaves in a folder: all files of this run, and nothing is lost. */
class GradientFilesTest {
    @TempDir
    private Path folder;

    private Path out;

    @BeforeEach
    void files() throws IOException {
        double[] twelve = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
        for (String name : List.of("q.npy", "k.npy", "n.npy")) {
            NpyTestFiles.floats(folder.resolve(name), "(3, 4)", twelve);
        }
        NpyTestFiles.floats(folder.resolve("w.npy"), "(3,)", 1, 1, 1);
        out = folder.resolve("out");
    }

    @ParameterizedTest
    @CsvSource({
        "queries, dQueries.npy",
        "queries, dKeys.npy",
        "keys, dKeys.npy",
        "keys, dNegatives.npy",
        "negatives, dNegatives.npy",
        "weights, dQueries.npy"
    })
    void anInputIsNeverReplaced(String option, String name) throws IOException {
        Files.createDirectory(out);
        Path source = folder.resolve(option.charAt(0) + ".npy");
        Path input = Files.copy(source, out.resolve(name));
        List<String> arguments = arguments("q", "k", "n");
        arguments.addAll(List.of("--weights", folder.resolve("w.npy").toString()));
        arguments.set(arguments.indexOf("--" + option) + 1, input.toString());
        assertRefused(arguments, "--gradients: " + input + " is the file of --" + option);
        assertThat(input).hasSameBinaryContentAs(source);
        assertThat(content()).containsExactly(name);
    }

    @Test
    void anInputIsNotReplacedUnderAnotherName() throws IOException {
        Files.createDirectory(out);
        Path input = Files.copy(folder.resolve("k.npy"), out.resolve("dKeys.npy"));
        Path link = Files.createSymbolicLink(folder.resolve("link.npy"), input);
        List<String> arguments = arguments("q", "k");
        arguments.set(arguments.indexOf("--keys") + 1, link.toString());
        assertRefused(arguments, "--gradients: " + input + " is the file of --keys");
    }

    @Test
    void standardInputIsNotReplacedEither() throws IOException, InterruptedException {
        Files.createDirectory(out);
        Path input = Files.copy(folder.resolve("k.npy"), out.resolve("dKeys.npy"));
        List<String> arguments = arguments("q", "k");
        arguments.set(arguments.indexOf("--keys") + 1, "-");
        Cli.Result result = CliProcess.run("exec < '" + input + "'", List.of(), arguments.toArray(String[]::new));
        assertThat(result.err()).contains("--gradients: " + input + " is the file of --keys");
        assertThat(result.code()).isEqualTo(CommandRunner.FAILURE);
        assertThat(input).hasSameBinaryContentAs(folder.resolve("k.npy"));
    }

    @Test
    void filesOfAnEarlierRunGo() throws IOException {
        assertThat(run(arguments("q", "k", "n")).code()).isZero();
        assertThat(content()).containsExactly("dKeys.npy", "dNegatives.npy", "dQueries.npy");
        Files.writeString(out.resolve("notes.txt"), "somebody else's");
        assertThat(run(arguments("q", "k")).code()).isZero();
        assertThat(content()).containsExactly("dKeys.npy", "dQueries.npy", "notes.txt");
    }

    @Test
    void aFolderInTheWayIsFoundBeforeAnythingIsComputed() throws IOException {
        Files.createDirectories(out.resolve("dKeys.npy"));
        assertRefused(arguments("q", "k"), "--gradients: " + out.resolve("dKeys.npy") + " is a folder");
        assertThat(content()).containsExactly("dKeys.npy");
        out = folder.resolve("q.npy").resolve("below");
        assertRefused(arguments("q", "k"), "--gradients: " + folder.resolve("q.npy") + " is no folder");
    }

    @Test
    void whereAFileCannotBePutInPlaceAllIsAsItWas() throws IOException {
        Files.createDirectory(out);
        Files.writeString(out.resolve("a"), "old a");
        Files.writeString(out.resolve("c"), "old c");
        assertThatThrownBy(() -> {
                    try (FileReplacement replacement = new FileReplacement(out, List.of("a", "b", "c"))) {
                        replacement.write("a", place -> Files.writeString(place, "new a"));
                        replacement.write("b", place -> {}); // so that there is nothing to put in its place
                        replacement.commit();
                    }
                })
                .isInstanceOf(IOException.class);
        assertThat(content()).containsExactly("a", "c");
        assertThat(out.resolve("a")).hasContent("old a");
        assertThat(out.resolve("c")).hasContent("old c");
    }

    @Test
    void aFileThatCannotBeWrittenIsNamedAndNoneAppears() throws IOException {
        Files.createDirectory(out);
        Files.writeString(out.resolve("a"), "old a");
        assertThatThrownBy(() -> {
                    try (FileReplacement replacement = new FileReplacement(out, List.of("a", "b"))) {
                        replacement.write("a", place -> Files.writeString(place, "new a"));
                        replacement.write("b", place -> {
                            Files.writeString(place, "half of b");
                            throw new IOException("No space left on device");
                        });
                        replacement.commit();
                    }
                })
                .isInstanceOf(FileSystemException.class)
                .hasMessage(out.resolve("b") + ": cannot be written: No space left on device");
        assertThat(content()).containsExactly("a");
        assertThat(out.resolve("a")).hasContent("old a");
    }

    /** Files may have 64 KiB at most, which is what a full disk looks like. */
    @Test
    void aFullDiskIsOneLineAndNoFile() throws IOException, InterruptedException {
        NpyTestFiles.floats(folder.resolve("q.npy"), "(2, 9)", 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 8, 7, 6, 5, 4, 3, 2, 1);
        double[] many = new double[3000 * 9];
        for (int i = 0; i < many.length; i++) {
            many[i] = i % 11 - 5;
        }
        NpyTestFiles.floats(folder.resolve("k.npy"), "(3000, 9)", many);
        Cli.Result result =
                CliProcess.run("ulimit -f 64", List.of(), arguments("q", "k").toArray(String[]::new));
        assertThat(result.err())
                .startsWith("infonce loss: --gradients: " + out.resolve("dKeys.npy") + ": cannot be written: ")
                .hasLineCount(1);
        assertThat(result.code()).isEqualTo(CommandRunner.FAILURE);
        assertThat(content()).isEmpty();
    }

    private void assertRefused(List<String> arguments, String reason) throws IOException {
        Cli.Result result = run(arguments);
        assertThat(result.err()).startsWith("infonce loss: ").contains(reason).hasLineCount(1);
        assertThat(result.code()).isEqualTo(CommandRunner.FAILURE);
        assertThat(result.out()).isEmpty();
    }

    private static Cli.Result run(List<String> arguments) {
        return Cli.run(arguments.toArray(String[]::new));
    }

    /** With files of those names as queries, keys and negatives. */
    private List<String> arguments(String... names) {
        List<String> arguments = new ArrayList<>(List.of("loss", "--loss", "infonce", "--temperature", "1"));
        arguments.addAll(List.of("--device", "java", "--gradients", out.toString()));
        List<String> options = List.of("--queries", "--keys", "--negatives");
        for (int i = 0; i < names.length; i++) {
            arguments.addAll(
                    List.of(options.get(i), folder.resolve(names[i] + ".npy").toString()));
        }
        return arguments;
    }

    private List<String> content() throws IOException {
        try (Stream<Path> files = Files.list(out)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
