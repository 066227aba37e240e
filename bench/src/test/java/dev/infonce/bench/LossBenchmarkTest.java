package dev.infonce.bench;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class LossBenchmarkTest {
    @Test
    void bothCallsComputeTheSameLoss() {
        LossBenchmark benchmark = new LossBenchmark();
        benchmark.device = "java";
        benchmark.n = 16;
        benchmark.dim = 8;
        benchmark.open();
        try {
            assertThat(benchmark.forwardBackward().loss())
                    .isEqualTo(benchmark.forward().loss())
                    .isPositive();
        } finally {
            benchmark.close();
        }
    }

    @Test
    void gradientsCountAsTwoMoreProducts() {
        assertThat(LossBenchmark.flops("forward", 10, 3)).isEqualTo(600);
        assertThat(LossBenchmark.flops("forwardBackward", 10, 3)).isEqualTo(1800);
    }
}
