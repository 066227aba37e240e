package dev.infonce.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;

class RegressionGateTest {
    @Test
    void everyFloorIsOfALossThatCountsAndASharePossible() throws IOException {
        assertThat(RegressionGate.floors()).isNotEmpty().allSatisfy(floor -> {
            assertThat(Loss.named(floor.loss()).isDense()).isTrue();
            assertThat(floor.call()).isNotNull();
            assertThat(floor.share()).isBetween(0.1, 1.0);
        });
    }

    @Test
    void whatIsNotANumberReachesNoFloor() {
        var floor = new RegressionGate.Floor("symmetric", Call.FORWARD, 1, 1, 0.5);
        assertThat(floor.isReachedBy(0.5)).isTrue();
        assertThat(floor.isReachedBy(0.49)).isFalse();
        assertThat(floor.isReachedBy(Double.NaN)).isFalse();
    }
}
