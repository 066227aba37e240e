package dev.infonce.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
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
import org.junit.jupiter.params.provider.ValueSource;

/** Wrong command lines and files: exit code, one line that names what is wrong, and nothing written. */
class CommandLineMisuseTest {
    @TempDir
    private Path folder;

    @BeforeEach
    void files() throws IOException {
        double[] twelve = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
        floats("q", "(3, 4)", twelve);
        floats("k", "(3, 4)", twelve);
        floats("n", "(3, 4)", twelve);
        floats("two", "(2, 4)", 1, 2, 3, 4, 5, 6, 7, 8);
        floats("wide", "(3, 5)", new double[15]);
        floats("cube", "(3, 1, 4)", twelve);
        floats("cube2", "(2, 1, 4)", 1, 2, 3, 4, 5, 6, 7, 8);
        floats("row", "(4,)", 1, 2, 3, 4);
        floats("scalar", "()", 1);
        floats("empty", "(0, 4)");
        floats("narrow", "(3, 0)");
        floats("nan", "(3, 4)", 1, 2, 3, 4, 5, Double.NaN, 7, 8, 9, 10, 11, 12);
        floats("infinite", "(3, 4)", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, Double.POSITIVE_INFINITY);
        floats("w", "(3,)", 1, 1, 1);
        floats("w2", "(2,)", 1, 1);
        floats("wneg", "(3,)", 1, -1, 1);
        floats("wnan", "(3,)", 1, Double.NaN, 1);
        NpyTestFiles.doubles(folder.resolve("whuge.npy"), "(3,)", 1, 1e300, 1);
        floats("w2d", "(1, 3)", 1, 1, 1);
        floats("scores", "(3, 2)", 1, 2, 3, 4, 5, Double.NEGATIVE_INFINITY);
        NpyTestFiles.bytes(folder.resolve("y.npy"), "|i1", "(3,)", 0, 1, 1);
        NpyTestFiles.bytes(folder.resolve("y2.npy"), "|i1", "(3,)", 0, 2, 1);
        NpyTestFiles.bytes(folder.resolve("ints.npy"), "|i1", "(3, 4)", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
        NpyTestFiles.bytes(folder.resolve("yhalf.npy"), "<f4", "(3,)", 0, 0, 0, 0, 0, 0, 0, 0x3f, 0, 0, 0x80, 0x3f);
        NpyTestFiles.file(
                folder.resolve("complex.npy"), 1, NpyTestFiles.header("<c8", "False", "(3, 4)"), new byte[96]);
        NpyTestFiles.file(folder.resolve("cut.npy"), 1, NpyTestFiles.header("<f4", "False", "(3, 4)"), new byte[47]);
        NpyTestFiles.file(folder.resolve("long.npy"), 1, NpyTestFiles.header("<f4", "False", "(3, 4)"), new byte[49]);
        Files.writeString(folder.resolve("text.npy"), "1 2 3");
        Files.createDirectory(folder.resolve("folder.npy"));
    }

    private void floats(String name, String shape, double... values) throws IOException {
        NpyTestFiles.floats(folder.resolve(name + ".npy"), shape, values);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "--queries q --keys k --temperature 1; --loss",
                "--loss infonce --keys k --temperature 1; --queries",
                "--loss infonce --queries q --temperature 1; --keys is needed for --loss infonce",
                "--loss symmetric --queries q --temperature 1; --keys is needed for --loss symmetric",
                "--loss mining --queries q --keys k --temperature 1; 'mining' is none of infonce",
                "--loss infonce --queries q --keys k; --temperature is needed for --loss infonce",
                "--loss infonce --queries q --keys k --temperature 0; temperature",
                "--loss infonce --queries q --keys k --temperature -1; temperature",
                "--loss infonce --queries q --keys k --temperature NaN; temperature",
                "--loss infonce --queries q --keys k --temperature Infinity; temperature",
                "--loss infonce --queries q --keys k --temperature warm; --temperature",
                "--loss infonce --queries q --keys k --temperature; --temperature",
                "--loss infonce --queries q --keys k --temperature 1 --margin 1; --margin has no meaning for --loss infonce",
                "--loss infonce --queries q --keys k --temperature 1 --labels y; --labels has no meaning",
                "--loss infonce --queries q --keys k --temperature 1 --distance cosine; --distance has no meaning",
                "--loss infonce --queries q --keys k --temperature 1 --negative-reduction sum; --negative-reduction has no",
                "--loss infonce --queries q --keys k --temperature 1 --similarity euclid; 'euclid' is none of cosine",
                "--loss infonce --queries q --keys k --temperature 1 --reduction max; 'max' is none of mean",
                "--loss infonce --queries q --keys k --temperature 1 --device tpu; 'tpu' is none of java",
                "--loss infonce --queries q --keys k --temperature 1 --unknown; --unknown",
                "--loss infonce --queries q --keys k --temperature 1 stray; stray",
                "--loss infonce --loss ntxent --queries q --keys k --temperature 1; --loss",
                "--loss symmetric --queries q --keys k --negatives n --temperature 1; --negatives has no meaning",
                "--loss ntxent --queries q --keys k --negatives n --temperature 1; --negatives has no meaning",
                "--loss nt-logistic --queries q --negatives n --temperature 1; --negatives needs --keys",
                "--loss nt-logistic --queries q --keys k --negatives n --temperature 1 --negative-reduction sum;"
                        + " --negative-reduction has no meaning with --negatives",
                "--loss contrastive --queries q --keys k --margin 1; --labels is needed for --loss contrastive",
                "--loss contrastive --queries q --keys k --labels y; --margin is needed for --loss contrastive",
                "--loss contrastive --queries q --keys k --labels y --margin 0; margin",
                "--loss contrastive --queries q --keys k --labels y --margin -2; margin",
                "--loss triplet --queries q --keys k --negatives n --labels y --margin 1; --labels has no meaning",
                "--loss contrastive --queries q --keys k --labels y --margin 1 --distance dot; 'dot' is none of euclidean",
                "--loss triplet --queries q --keys k --margin 1; --negatives is needed for --loss triplet",
                "--loss triplet --queries q --keys k --negatives n --margin 1 --similarity dot; --similarity has no meaning",
                "--loss triplet --queries q --keys k --negatives n --margin NaN; margin",
                "--loss kl-distillation --queries q --keys k --teacher-scores y --temperature 1;"
                        + " --negatives is needed for --loss kl-distillation",
                "--loss kl-distillation --queries q --keys k --negatives n --temperature 1;"
                        + " --teacher-scores is needed for --loss kl-distillation",
                "--loss kl-distillation --queries q --keys k --negatives n --teacher-scores y;"
                        + " --temperature is needed for --loss kl-distillation",
                "--loss margin-mse --queries q --keys k --negatives n; --teacher-scores is needed for --loss margin-mse",
                "--loss margin-mse --queries q --keys k --negatives n --teacher-scores y --margin 1; --margin has no meaning",
                "--loss infonce --queries q --keys k --negatives n --teacher-scores y --temperature 1;"
                        + " --teacher-scores has no meaning for --loss infonce",
                "--loss siglip --queries q --temperature 1; --keys is needed for --loss siglip",
                "--loss siglip --queries q --keys k; --temperature is needed for --loss siglip",
                "--loss siglip --queries q --keys k --temperature 1 --bias NaN; bias",
                "--loss siglip --queries q --keys k --temperature 1 --bias 1e31; bias",
                "--loss infonce --queries q --keys k --temperature 1 --bias 1; --bias has no meaning for --loss infonce",
                "--loss triplet --queries q --keys k --negatives n --row-labels y --margin 1; --row-labels has no meaning",
                "--loss triplet --mining batch-hard --queries q --margin 1;"
                        + " --row-labels is needed for --loss triplet --mining batch-hard",
                "--loss triplet --mining batch-hard --queries q --row-labels y; --margin is needed",
                "--loss triplet --mining batch-hard --queries q --labels y --row-labels y --margin 1; --labels has no",
                "--loss triplet --mining semi-hard --queries q --keys k --row-labels y --margin 1;"
                        + " --keys has no meaning for --loss triplet --mining semi-hard",
                "--loss triplet --mining semi-hard --queries q --negatives n --row-labels y --margin 1; --negatives has no",
                "--loss triplet --mining hard --queries q --row-labels y --margin 1; 'hard' is none of none, batch-all",
                "--loss triplet --mining none --queries q --row-labels y --margin 1; --keys is needed for --loss triplet",
                "--loss infonce --mining batch-all --queries q --keys k --temperature 1; --mining has no meaning",
                "--loss contrastive --soft-margin --queries q --keys k --labels y --margin 1; --soft-margin has no",
                "--loss multi-similarity --queries q --positive-scale 2 --negative-scale 50; --row-labels is needed for --loss"
                        + " multi-similarity",
                "--loss multi-similarity --queries q --row-labels y --negative-scale 50; --positive-scale is needed",
                "--loss multi-similarity --queries q --row-labels y --positive-scale 2; --negative-scale is needed",
                "--loss multi-similarity --queries q --row-labels y --positive-scale 0 --negative-scale 50; positiveScale: must"
                        + " be in (0, 1e4], but got 0.0",
                "--loss multi-similarity --queries q --row-labels y --positive-scale 2 --negative-scale 50 --base 1e5; base: must"
                        + " be in [-1e4, 1e4], but got 100000.0",
                "--loss multi-similarity --queries q --row-labels y --positive-scale 2 --negative-scale 50 --margin 1; --margin has"
                        + " no meaning for --loss multi-similarity",
                "--loss multi-similarity --queries q --keys k --row-labels y --positive-scale 2 --negative-scale 50; --keys has no",
                "--loss circle --queries q --row-labels y --scale 80; --margin is needed for --loss circle",
                "--loss circle --queries q --row-labels y --margin 0.25; --scale is needed for --loss circle",
                "--loss circle --queries q --row-labels y --margin 1.5 --scale 80; margin: must be in [0, 1], but got 1.5",
                "--loss circle --queries q --row-labels y --margin 0.25 --scale 80 --base 0; --base has no meaning for --loss circle",
                "--loss circle --queries q --row-labels y --margin 0.25 --scale 80 --similarity dot; similarity: Circle compares rows"
                        + " by distances, and there is none of DOT; normalise the rows and use COSINE",
                "--loss circle --queries q --row-labels y --margin 0.25 --scale 80 --distance cosine; --distance has no meaning",
                "--loss triplet --mining semi-hard --queries q --row-labels y --margin 1 --scale 80; --scale has no meaning",
                "--loss supcon --queries q --temperature 1; --row-labels is needed for --loss supcon",
                "--loss supcon --queries q --row-labels y; --temperature is needed for --loss supcon",
                "--loss supcon --queries q --labels y --row-labels y --temperature 1; --labels has no meaning",
                "--loss supcon --queries q --row-labels y --key-labels y --temperature 1; --key-labels needs --keys",
                "--loss supcon --queries q --row-labels y --aggregation mean --temperature 1; 'mean' is none of outside",
                "--loss supcon --queries q --row-labels y --class-prior 0.1 --temperature 1; --class-prior has no",
                "--loss supcon --queries q --row-labels y --groups y --temperature 1; --groups has no meaning",
                "--loss supcon --queries q --row-labels y --exclude-above absolute:0 --temperature 1;"
                        + " --exclude-above has no meaning for --loss supcon",
                "--loss siglip --queries q --keys k --exclude-above absolute:0 --temperature 1;"
                        + " --exclude-above has no meaning for --loss siglip",
                "--loss nt-logistic --queries q --exclude-above relative:0 --temperature 1; --exclude-above has no meaning",
                "--loss infonce --queries q --keys k --exclude-above 0.1 --temperature 1;"
                        + " '0.1' is neither absolute:MARGIN nor relative:MARGIN",
                "--loss infonce --queries q --keys k --exclude-above none:0 --temperature 1; 'none:0' is neither",
                "--loss infonce --queries q --keys k --exclude-above absolute: --temperature 1; has no number",
                "--loss infonce --queries q --keys k --exclude-above absolute:warm --temperature 1; has no number",
                "--loss infonce --queries q --keys k --exclude-above absolute:NaN --temperature 1; --exclude-above",
                "--loss infonce --queries q --keys k --exclude-above absolute:1e101 --temperature 1; [-1e100, 1e100]",
                "--loss ntxent --queries q --exclude-above relative:-0.1 --temperature 1; must be in [0, 1e100]",
                "--loss ntxent --queries q --exclude-above relative:0 --class-prior 0.1 --temperature 1;"
                        + " a debiased loss has no threshold",
                "--loss infonce --queries q --keys k --blocks keys --temperature 1;"
                        + " 'keys' is none of query-query, key-query, key-key",
                "--loss infonce --queries q --keys k --blocks key-key,queries --temperature 1; 'queries' is none of query-query",
                "--loss infonce --queries q --keys k --blocks key-key --negatives n --temperature 1;"
                        + " --blocks has no meaning with --negatives without --own-negatives-too",
                "--loss infonce --queries q --keys k --groups y --negatives n --temperature 1;"
                        + " --groups has no meaning with --negatives without --own-negatives-too",
                "--loss infonce --queries q --keys k --own-negatives-too --temperature 1; --own-negatives-too needs --negatives",
                "--loss nt-logistic --queries q --keys k --negatives n --own-negatives-too --temperature 1;"
                        + " --own-negatives-too has no meaning for --loss nt-logistic",
                "--loss symmetric --queries q --keys k --own-negatives-too --temperature 1;"
                        + " --own-negatives-too has no meaning for --loss symmetric",
                "--loss symmetric --queries q --keys k --queue k --temperature 1; --queue has no meaning for --loss symmetric",
                "--loss siglip --queries q --keys k --queue k --temperature 1; --queue has no meaning for --loss siglip",
                "--loss supcon --queries q --row-labels y --queue k --temperature 1;"
                        + " --queue needs --key-labels for --loss supcon",
                "--loss infonce --queries q --keys k --queue k --negatives n --temperature 1;"
                        + " --queue has no meaning with --negatives without --own-negatives-too",
                "--loss ntxent --queries q --key-offsets w --temperature 1;"
                        + " --key-offsets has no meaning for --loss ntxent",
                "--loss infonce --queries q --keys k --key-offsets w --negatives n --temperature 1;"
                        + " --key-offsets has no meaning with --negatives without --own-negatives-too",
                "--loss infonce --queries q --keys k --key-offsets w --blocks key-key --temperature 1;"
                        + " an InfoNce with blocks has none, as queries have no offsets",
                "--loss infonce --queries q --keys k --blocks key-key --class-prior 0.1 --temperature 1;"
                        + " a debiased InfoNce has none",
                "--loss symmetric --queries q --keys k --blocks key-key --temperature 1;"
                        + " --blocks has no meaning for --loss symmetric",
                "--loss ntxent --queries q --blocks query-query --temperature 1; --blocks has no meaning for --loss ntxent",
                "--loss infonce --queries q --keys k --prefixes 2,x --temperature 1; '2,x' is no list of whole numbers",
                "--loss infonce --queries q --keys k --prefixes 2,,4 --temperature 1; '2,,4' is no list of whole numbers",
                "--loss infonce --queries q --keys k --prefixes 4,2 --temperature 1; must be of rising dimension",
                "--loss infonce --queries q --keys k --prefixes 2,2 --temperature 1; must be of rising dimension",
                "--loss infonce --queries q --keys k --prefixes 0,2 --temperature 1; dim: must be in [1, 1048576]",
                "--loss infonce --queries q --keys k --prefixes -2 --temperature 1; dim: must be in [1, 1048576]",
                "--loss infonce --queries q --keys k --aggregation sum --temperature 1; --aggregation has no meaning",
                "--loss infonce --queries q --keys k --key-labels y --temperature 1; --key-labels has no meaning",
            })
    void wrongUsageIsExitCode2(String line, String reason) {
        assertRefused(CommandRunner.USAGE, "infonce loss: ", line, reason);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "--loss infonce --queries missing --keys k --temperature 1; missing.npy: no such file",
                "--loss infonce --queries folder --keys k --temperature 1; folder.npy: is a folder",
                "--loss infonce --queries text --keys k --temperature 1; text.npy: is no .npy file",
                "--loss infonce --queries cut --keys k --temperature 1; cut.npy: is truncated",
                "--loss infonce --queries long --keys k --temperature 1; long.npy: has trailing bytes",
                "--loss infonce --queries complex --keys k --temperature 1; complex.npy: element type '<c8' is not read",
                "--loss infonce --queries ints --keys k --temperature 1; ints.npy has elements of type int8",
                "--loss infonce --queries row --keys k --temperature 1; row.npy has 1 dimension (4)",
                "--loss infonce --queries scalar --keys k --temperature 1; scalar.npy has 0 dimensions",
                "--loss infonce --queries cube --keys k --temperature 1; cube.npy has 3 dimensions (3 x 1 x 4)",
                "--loss infonce --queries empty --keys k --temperature 1; --queries: ",
                "--loss infonce --queries narrow --keys k --temperature 1; narrow.npy has rows of no numbers",
                "--loss infonce --queries q --keys wide --temperature 1; --keys: ",
                "--loss infonce --queries q --keys two --temperature 1; two.npy has 2 rows; needed are at least the 3",
                "--loss infonce --queries q --keys k --prefixes 2,5 --temperature 1;"
                        + " q.npy has rows of 4 numbers; --prefixes wants 5",
                "--loss infonce --queries q --keys k --negatives wide --temperature 1; --negatives: ",
                "--loss infonce --queries q --keys k --negatives cube2 --temperature 1; cube2.npy has shape 2 x 1 x 4",
                "--loss infonce --queries q --keys k --negatives cube --exclude-above absolute:0 --temperature 1;"
                        + " cube.npy has 3 dimensions",
                "--loss infonce --queries two --keys k --negatives n --temperature 1; k.npy has shape 3 x 4",
                "--loss infonce --queries q --keys k --negatives two --own-negatives-too --temperature 1;"
                        + " two.npy has no negatives; at least 1 is needed",
                "--loss infonce --queries two --keys k --negatives n --own-negatives-too --temperature 1;"
                        + " rows; needed is a multiple of the 2 of --queries",
                "--loss infonce --queries q --keys k --negatives cube2 --own-negatives-too --temperature 1;"
                        + " cube2.npy has shape 2 x 1 x 4",
                "--loss infonce --queries q --keys two --negatives cube --own-negatives-too --temperature 1;"
                        + " two.npy has 2 rows; needed are at least the 3",
                "--loss symmetric --queries two --keys k --temperature 1; k.npy has shape 3 x 4",
                "--loss ntxent --queries q --temperature 1; q.npy has 3 rows; one tower of two views needs an even number",
                "--loss ntxent --queries q --keys two --temperature 1; two.npy has shape 2 x 4",
                "--loss nt-logistic --queries q --keys k --negatives two --temperature 1; two.npy has shape 2 x 4",
                "--loss triplet --queries q --keys k --negatives cube --margin 1; cube.npy has 3 dimensions",
                "--loss triplet --mining semi-hard --queries q --row-labels yhalf --margin 1; yhalf.npy has 0.5 at row 1",
                "--loss triplet --mining semi-hard --queries q --row-labels whuge --margin 1; allowed are whole numbers",
                "--loss triplet --mining semi-hard --queries q --row-labels wnan --margin 1; wnan.npy has NaN at row 1",
                "--loss triplet --mining semi-hard --queries q --row-labels w2 --margin 1; w2.npy has shape 2",
                "--loss triplet --mining semi-hard --device java --queries nan --row-labels y --margin 1; queries",
                "--loss supcon --queries q --row-labels w2 --temperature 1; w2.npy has shape 2; allowed are 3 and 3 x 1",
                "--loss supcon --queries q --keys k --row-labels y --temperature 1; y.npy has shape 3; allowed are 6",
                "--loss supcon --queries q --keys two --row-labels y --temperature 1; two.npy has shape 2 x 4",
                "--loss supcon --queries q --keys k --row-labels y --key-labels w2 --temperature 1;"
                        + " for the rows that --keys has",
                "--loss supcon --queries q --keys empty --row-labels y --key-labels y --temperature 1; at least 1 is needed",
                "--loss supcon --queries q --row-labels yhalf --temperature 1; yhalf.npy has 0.5 at row 1",
                "--loss contrastive --queries q --keys k --labels y2 --margin 1; y2.npy has 2 at row 1; allowed are 0 and 1",
                "--loss contrastive --queries q --keys k --labels yhalf --margin 1; yhalf.npy has 0.5 at row 1; allowed",
                "--loss contrastive --queries q --keys k --labels w2 --margin 1; w2.npy has shape 2; allowed are 3 and 3 x 1",
                "--loss infonce --queries q --keys k --weights w2 --temperature 1; w2.npy has shape 2",
                "--loss infonce --queries q --keys k --weights w2d --temperature 1; w2d.npy has shape 1 x 3",
                "--loss infonce --queries q --keys k --weights wneg --temperature 1; wneg.npy has -1 at row 1",
                "--loss infonce --queries q --keys k --weights wnan --temperature 1; wnan.npy has NaN at row 1",
                "--loss infonce --queries q --keys k --weights whuge --temperature 1; whuge.npy has 1.0E300 at row 1",
                "--loss ntxent --queries q --keys k --weights w --temperature 1; allowed are 6 and 6 x 1",
                "--loss infonce --queries q --keys k --queue wide --temperature 1; --queue: ",
                "--loss infonce --device java --queries q --keys k --queue nan --temperature 1; queue",
                "--loss infonce --queries q --keys k --queue two --groups y --temperature 1;"
                        + " --key-groups: needed, as --keys, with --queue, has 5 rows and --groups 3 numbers",
                "--loss infonce --queries q --keys k --queue two --key-offsets w --temperature 1;"
                        + " w.npy has shape 3; allowed are 5 and 5 x 1, for the rows that --keys has, and then --queue",
                "--loss infonce --queries q --keys k --key-offsets wnan --temperature 1; wnan.npy has NaN at row 1",
                "--loss infonce --queries q --keys k --key-offsets whuge --temperature 1;"
                        + " whuge.npy has 1.0E300 at row 1; allowed are numbers from -30 to 30",
                "--loss margin-mse --queries q --keys k --negatives cube --teacher-scores w;"
                        + " w.npy has shape 3; needed is 3 x 2, for each query its key and then its negatives",
                "--loss kl-distillation --queries q --keys k --negatives n --teacher-scores scores --temperature 1;"
                        + " scores.npy has -Infinity at row 2; allowed are numbers from -1e30 to 1e30",
                "--loss margin-mse --queries two --keys two --negatives n --teacher-scores scores;"
                        + " n.npy has 3 rows; needed is a multiple of the 2 of --queries",
                "--loss infonce --queries nan --keys k --temperature 1; queries",
                "--loss infonce --queries q --keys infinite --temperature 1; keys",
                "--loss infonce --queries q --keys k --negatives nan --temperature 1; negatives",
                "--loss infonce --queries q --keys k --temperature 1 --device cuda; cuda",
            })
    void failuresAreExitCode1(String line, String reason) {
        assertRefused(CommandRunner.FAILURE, "infonce loss: ", line, reason);
    }

    @Test
    void gradientsAreNotWrittenOverAFile() {
        Path file = folder.resolve("text.npy");
        Cli.Result result =
                Cli.run(arguments("--loss infonce --queries q --keys k --temperature 1 --gradients " + file));
        assertThat(result.code()).isEqualTo(CommandRunner.FAILURE);
        assertThat(result.err()).contains("--gradients: " + file + " is no folder");
    }

    @ParameterizedTest
    @ValueSource(strings = {"bogus", "--bogus", "doctor --bogus", "doctor stray", ""})
    void unknownCommandsAreExitCode2(String line) {
        Cli.Result result = Cli.run(line.isEmpty() ? new String[0] : line.split(" "));
        assertThat(result.code()).isEqualTo(CommandRunner.USAGE);
        assertThat(result.err().lines()).hasSize(1);
        assertThat(result.err()).startsWith("infonce");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--help", "loss --help", "doctor --help", "loss -h"})
    void helpIsExitCode0AndGoesToStandardOutput(String line) {
        Cli.Result result = Cli.run(line.split(" "));
        assertThat(result.code()).isZero();
        assertThat(result.err()).isEmpty();
        assertThat(result.out()).startsWith("Usage: infonce");
    }

    @Test
    void verboseShowsWhereAFailureArose() {
        Cli.Result result = Cli.run(arguments("--loss infonce --queries text --keys k --temperature 1 --verbose"));
        assertThat(result.code()).isEqualTo(CommandRunner.FAILURE);
        assertThat(result.err()).contains("NpyException", "at dev.infonce.cli");
    }

    private void assertRefused(int code, String start, String line, String reason) {
        Path gradients = folder.resolve("gradients");
        List<String> arguments = new ArrayList<>(List.of(arguments(line)));
        if (!line.endsWith("--temperature")) {
            arguments.addAll(List.of("--gradients", gradients.toString()));
        }
        Cli.Result result = Cli.run(arguments.toArray(String[]::new));
        assertThat(result.err()).startsWith(start).contains(reason);
        assertThat(result.err().lines()).hasSize(1);
        assertThat(result.code()).isEqualTo(code);
        assertThat(result.out()).isEmpty();
        assertThat(gradients).doesNotExist();
    }

    /** Words behind options that take files become files of the folder. */
    private String[] arguments(String line) {
        List<String> fileOptions = List.of(
                "--queries",
                "--keys",
                "--negatives",
                "--queue",
                "--key-offsets",
                "--teacher-scores",
                "--labels",
                "--row-labels",
                "--key-labels",
                "--groups",
                "--weights");
        List<String> arguments = new ArrayList<>(List.of("loss"));
        String previous = "";
        for (String word : line.split(" ")) {
            arguments.add(
                    fileOptions.contains(previous)
                            ? folder.resolve(word + ".npy").toString()
                            : word);
            previous = word;
        }
        return Stream.of(arguments).flatMap(List::stream).toArray(String[]::new);
    }
}
