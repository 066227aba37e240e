package dev.infonce.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.DType;
import org.junit.jupiter.api.Test;

class ProblemTest {
    @Test
    void gradientsCountAsTwoMoreProducts() {
        assertThat(problem(Loss.INFONCE, Call.FORWARD).operations()).isEqualTo(600);
        assertThat(problem(Loss.INFONCE, Call.FORWARD_BACKWARD).operations()).isEqualTo(1800);
    }

    @Test
    void aLossOfPairsHasNoProductsToCount() {
        assertThat(problem(Loss.TRIPLET, Call.FORWARD).operations()).isNaN();
    }

    @Test
    void aProblemIsReadAsItWasWritten() {
        Problem problem = problem(Loss.NT_XENT, Call.FORWARD_BACKWARD);
        assertThat(Problem.parse(problem.toString())).isEqualTo(problem);
    }

    private static Problem problem(Loss loss, Call call) {
        return new Problem(loss, DType.FLOAT32, 10, 3, call, 2);
    }
}
