package dev.infonce.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.DType;
import java.util.List;
import org.junit.jupiter.api.Test;

class PeersTest {
    @Test
    void theFullRunComparesEverySizeThatSomethingWasPromisedOf() {
        assertThat(Peers.matches(false, List.of("cpu")))
                .filteredOn(match -> match.overTensorFlow() != null)
                .extracting(match -> match.ours().name() + " " + match.n() + "x" + match.dim() + " "
                        + match.overTensorFlow() + " " + match.overPyTorch())
                .containsExactly(
                        "cpu 1024x128 3.5 4.0",
                        "cpu 4096x128 3.0 4.0",
                        "cpu 4096x512 1.6 2.5",
                        "cpu 16384x256 1.75 2.5",
                        "cpu, 1280 MiB 16384x256 1.75 2.5");
    }

    @Test
    void aTargetNeedsTheRateAtWhichOursIsThatManyTimesFaster() {
        Problem problem = new Problem(Loss.SYMMETRIC, DType.FLOAT32, 1000, 100, Call.FORWARD_BACKWARD, 1);
        // 0.6 GFLOP in 12 ms / 4 are 200 GFLOP/s.
        assertThat(Peers.neededShare(problem, 12, 4.0, 160)).isCloseTo(1.25, within(1e-12));
        assertThat(Peers.neededShare(problem, 12, null, 160)).isNull();
    }
}
