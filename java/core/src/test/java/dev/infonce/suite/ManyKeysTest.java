package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.InfoNce;
import dev.infonce.PlanOptions;
import dev.infonce.Similarity;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Many more keys or negatives than queries, which devices take in strips: more than one of them, the last of any length. */
class ManyKeysTest extends DeviceSuite {
    private static final long SEED = 84;

    private static Stream<ContrastiveLoss> losses() {
        return Stream.of(Similarity.values())
                .map(similarity -> InfoNce.withTemperature(0.3).withSimilarity(similarity))
                .flatMap(loss -> Stream.of(loss, loss.withSharedNegatives()));
    }

    @ParameterizedTest
    @CsvSource({"3, 48, 5", "100, 1600, 5", "1, 3000, 700", "13, 3000, 700", "5, 9000, 250", "2, 521, 4000"})
    void haveTheOraclesNumbers(int n, int m, int dim) {
        if (Devices.leavesOut(deviceName, n, m, dim, "many keys")) {
            return;
        }
        losses().toList().parallelStream().forEach(loss -> {
            for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
                Case c = Cases.random(loss, n, m, dim, dtype, SEED);
                Result expected = Oracle.evaluate(c);
                for (long budget : new long[] {-1, 0}) {
                    PlanOptions options = PlanOptions.defaults().withWorkspaceBudget(budget);
                    Result actual = Result.of(device, c, options);
                    String what = what(c, SEED) + ", budget " + budget;
                    Tolerances tolerances = Tolerances.of(deviceName, c);
                    Compare.assertClose(actual, expected, tolerances, what);
                    Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what);
                }
            }
        });
    }
}
