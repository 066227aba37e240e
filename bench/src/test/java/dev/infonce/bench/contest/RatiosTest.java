package dev.infonce.bench.contest;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class RatiosTest {
    @Test
    void theMedianIsOfTheRatiosOfRounds() {
        assertThat(Ratios.median(new double[] {2, 30, 8}, new double[] {1, 10, 2}))
                .isEqualTo(3);
    }

    @Test
    void withoutRoundsThereIsNoRatio() {
        assertThat(Ratios.median(new double[0], new double[0])).isNaN();
    }
}
