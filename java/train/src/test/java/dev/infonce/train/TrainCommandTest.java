package dev.infonce.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.cli.CommandRunner;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TrainCommandTest {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path folder;

    private int run(String... arguments) {
        return CommandRunner.run(TrainCommand.create(), new PrintWriter(out), new PrintWriter(err), arguments);
    }

    @Test
    void helpNamesEveryOption() {
        assertThat(run("--help")).isEqualTo(CommandRunner.OK);
        assertThat(out.toString())
                .startsWith("Usage: infonce train")
                .contains("--data", "--out", "--epochs", "--steps", "--quick", "--seed", "--batch", "--device")
                .contains("--resume", "--require-gain", "--overwrite", "--loss", "nt-logistic");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "--epochs 2 --steps 3; steps",
                "--epochs 0; epochs",
                "--epochs 1001; epochs",
                "--epochs two; --epochs",
                "--steps 0; steps",
                "--batch 1; batch",
                "--batch 16385; batch",
                "--seed 1.5; --seed",
                "--device tpu; device",
                "--loss foo; --loss is foo, allowed are ntxent, dcl, supcon, siglip, nt-logistic, triplet",
                "--loss; --loss",
                "--resume run --loss dcl; --loss",
                "--require-gain much; --require-gain",
                "--overwrite; --overwrite",
                "--data; --data",
                "stray; stray",
                "--bogus; --bogus",
            })
    void wrongUsageIsExitCode2WithOneLineThatNamesTheOption(String line, String option) {
        assertThat(run(line.split(" "))).as(err.toString()).isEqualTo(CommandRunner.USAGE);
        assertThat(err.toString()).startsWith("infonce train: ").contains(option);
        assertThat(err.toString().lines()).hasSize(1);
    }

    @Test
    void aFolderWithoutImagesIsAFailure() {
        Path results = folder.resolve("results");
        assertThat(run("--data", folder.toString(), "--out", results.toString()))
                .isEqualTo(CommandRunner.FAILURE);
    }
}
