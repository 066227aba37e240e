package dev.infonce.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.DType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LossCaseTest {
    @ParameterizedTest
    @EnumSource(Loss.class)
    void bothCallsComputeTheSameLoss(Loss loss) {
        try (LossCase open = new LossCase("java", new Problem(loss, DType.FLOAT64, 16, 8, Call.FORWARD, 1))) {
            // Both sum the same terms in float64.
            assertThat(open.forwardBackward()).isPositive().isCloseTo(open.forward(), within(1e-12));
            assertThat(open.dQueries().get(0, 0)).isNotZero();
        }
    }
}
