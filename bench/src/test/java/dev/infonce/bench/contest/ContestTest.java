package dev.infonce.bench.contest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.DType;
import dev.infonce.bench.Call;
import dev.infonce.bench.Loss;
import dev.infonce.bench.Problem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ContestTest {
    @TempDir
    private Path folder;

    @Test
    void enginesInProcessesOfTheirOwnAgreeAndTakeTurns() throws IOException {
        Problem problem = new Problem(Loss.SYMMETRIC, DType.FLOAT32, 32, 8, Call.FORWARD_BACKWARD, 1);
        Path log = Files.createFile(folder.resolve("log"));
        Engine engine = Engine.infonce("java");
        List<Contest.Standing> standings = new Contest(() -> {}, log, 2, 0).compare(problem, List.of(engine, engine));
        assertThat(standings).hasSize(2).allSatisfy(standing -> {
            assertThat(standing.description()).contains("infonce on java");
            assertThat(standing.roundMilliseconds()).hasSize(2).doesNotContain(0);
            assertThat(standing.peakBytes()).isPositive();
        });
    }

    @Test
    void problemsThatDifferTakeTurnsWithTheLimits() throws IOException {
        Problem forward = new Problem(Loss.INFONCE, DType.FLOAT32, 8, 8, Call.FORWARD, 1);
        Problem wider = new Problem(Loss.SYMMETRIC, DType.FLOAT64, 16, 4, Call.FORWARD_BACKWARD, 2);
        Path log = Files.createFile(folder.resolve("log"));
        Engine engine = Engine.infonce("java");
        AtomicInteger measured = new AtomicInteger();
        List<Contest.Standing> standings = new Contest(measured::incrementAndGet, log, 3, 0)
                .turns(List.of(new Contest.Entry(engine, forward), new Contest.Entry(engine, wider)));
        assertThat(measured).hasValue(3);
        assertThat(standings)
                .hasSize(2)
                .allSatisfy(standing -> assertThat(standing.roundMilliseconds()).hasSize(3));
    }

    @Test
    void aWorkspaceBudgetOfItsOwnIsNamed() throws IOException {
        Problem problem = new Problem(Loss.SYMMETRIC, DType.FLOAT32, 32, 8, Call.FORWARD_BACKWARD, 1);
        Path log = Files.createFile(folder.resolve("log"));
        Engine engine = Engine.infonce("java", 64);
        assertThat(engine.name()).isEqualTo("java, 64 MiB");
        assertThat(Contest.once(problem, engine, log).description()).endsWith("workspace budget 64 MiB");
    }

    @Test
    void aRatioIsHowManyTimesAsLongAsTheOther() {
        assertThat(standing(2, 40, 6).ratioTo(standing(1, 10, 2))).isEqualTo(3);
    }

    private static Contest.Standing standing(double... roundMilliseconds) {
        return new Contest.Standing(Engine.infonce("java"), "", roundMilliseconds, 0, 0);
    }
}
