package dev.infonce.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class PeersTest {
    @Test
    void theFullRunComparesEverySizeThatSomethingWasPromisedOf() {
        assertThat(Peers.matches(false, List.of("cpu")))
                .filteredOn(match -> match.overTensorFlow() != null)
                .extracting(match ->
                        match.n() + "x" + match.dim() + " " + match.overTensorFlow() + " " + match.overPyTorch())
                .containsExactly("1024x128 3.5 4.0", "4096x128 3.0 4.0", "4096x512 1.6 2.5", "16384x256 1.75 2.5");
    }
}
