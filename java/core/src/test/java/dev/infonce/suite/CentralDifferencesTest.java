package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Plan;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Gradients are those of the loss that the same device computes. */
class CentralDifferencesTest extends DeviceSuite {
    private static final long SEED = 21;

    /** As in OracleTest. */
    private static final double BOUND = 1e-7;

    static List<ContrastiveLoss> losses() {
        return Cases.all(0.4);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreThoseOfTheLossByCentralDifferences(ContrastiveLoss loss) {
        for (int n : new int[] {4, 5}) {
            Case c = Cases.random(loss, n, 6, 3, DType.FLOAT64, SEED);
            try (Plan plan = device.plan(loss, c.shape(), c.dtype())) {
                Result numeric = CentralDifferences.of(
                        c, moved -> plan.forward(moved.inputs()).loss());
                Result exact = Result.of(plan.forwardBackward(c.inputs()));
                Compare.frobenius(exact.dQueries(), numeric.dQueries(), BOUND, what(c, SEED) + ": dQueries");
                Compare.frobenius(exact.dKeys(), numeric.dKeys(), BOUND, what(c, SEED) + ": dKeys");
                Compare.frobenius(exact.dNegatives(), numeric.dNegatives(), BOUND, what(c, SEED) + ": dNegatives");
                Compare.relative(exact.dTemperature(), numeric.dTemperature(), BOUND, what(c, SEED) + ": dTemperature");
                Compare.relative(exact.dBias(), numeric.dBias(), BOUND, what(c, SEED) + ": dBias");
            }
        }
    }
}
