package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Reduction;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every loss with every similarity or distance agrees with the oracle, whatever temperature, reduction and weights. */
class AllLossesTest extends DeviceSuite {
    static Stream<ContrastiveLoss> losses() {
        return DoubleStream.of(Cases.TEMPERATURES)
                .boxed()
                .flatMap(tau -> Cases.all(tau).stream())
                .distinct();
    }

    @ParameterizedTest
    @MethodSource("losses")
    void lossGradientsAndMetricsAreTheOracles(ContrastiveLoss loss) {
        long seed = 100;
        boolean once = Devices.leavesOut(deviceName, "every second pair of a size and a type, with each reduction");
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            for (int n : new int[] {13, 16}) {
                for (Reduction reduction : Reduction.values()) {
                    if (once && isRepetition(n, dtype, reduction)) {
                        continue;
                    }
                    Case plain = Cases.random(loss.withReduction(reduction), n, 17, 10, dtype, ++seed);
                    for (Case c : variants(plain, seed)) {
                        Result expected = Oracle.evaluate(c);
                        Result actual = Result.of(device, c);
                        Tolerances tolerances = Tolerances.of(deviceName, c);
                        Compare.assertClose(actual, expected, tolerances, what(c, seed));
                        Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what(c, seed));
                    }
                }
            }
        }
    }

    /** Of sizes and types, the emulator sees each once with each loss and reduction. */
    private static boolean isRepetition(int n, DType dtype, Reduction reduction) {
        return (n % 2 == 0) == (dtype == DType.FLOAT32) ^ reduction == Reduction.SUM;
    }

    private static List<Case> variants(Case c, long seed) {
        List<Case> variants = new ArrayList<>();
        variants.add(c);
        variants.add(c.withWeights(Cases.weights(c.rows(), seed)).withUpstream(-1.75f));
        if (c.loss().reduction() == Reduction.NONE) {
            float[] upstream = Cases.weights(c.rows(), seed + 1);
            upstream[0] = -0.5f;
            variants.add(c.withWeights(Cases.weights(c.rows(), seed)).withUpstream(upstream));
        }
        return variants;
    }
}
