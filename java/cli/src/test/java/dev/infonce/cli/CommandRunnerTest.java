package dev.infonce.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** What is left of a failure that no command has foreseen. */
class CommandRunnerTest {
    private final StringWriter err = new StringWriter();

    @Command(name = "infonce fails")
    private static final class Failing implements Callable<Integer> {
        private final Throwable failure;

        @Mixin
        private CommonOptions common;

        private Failing(Throwable failure) {
            this.failure = failure;
        }

        @Override
        public Integer call() throws Exception {
            if (failure instanceof Error error) {
                throw error;
            }
            throw (Exception) failure;
        }
    }

    private int run(Throwable failure, String... arguments) {
        return CommandRunner.run(
                new Failing(failure), new PrintWriter(new StringWriter()), new PrintWriter(err), arguments);
    }

    @Test
    void anExhaustedHeapIsOneLineWithTheRemedy() {
        assertThat(run(new OutOfMemoryError("Java heap space"))).isEqualTo(CommandRunner.FAILURE);
        assertThat(err.toString().lines())
                .singleElement()
                .satisfies(line -> assertThat(line)
                        .startsWith("infonce fails: there is not enough memory (Java heap space)")
                        .contains("-Xmx"));
    }

    @Test
    void soItIsInAnotherThread() {
        assertThat(run(new CompletionException(new OutOfMemoryError("Java heap space"))))
                .isEqualTo(CommandRunner.FAILURE);
        assertThat(err.toString().lines())
                .singleElement()
                .satisfies(line ->
                        assertThat(line).startsWith("infonce fails: there is not enough memory (Java heap space)"));
    }

    @Test
    void anyOtherErrorIsOneLineToo() {
        assertThat(run(new NoClassDefFoundError("some/Class"))).isEqualTo(CommandRunner.FAILURE);
        assertThat(err.toString().lines())
                .singleElement()
                .satisfies(line -> assertThat(line).contains("NoClassDefFoundError: some/Class", "--verbose"));
    }

    @Test
    void verboseShowsWhereAnErrorArose() {
        assertThat(run(new OutOfMemoryError("Java heap space"), "--verbose")).isEqualTo(CommandRunner.FAILURE);
        assertThat(err.toString()).contains("at dev.infonce.cli.CommandRunnerTest");
    }
}
