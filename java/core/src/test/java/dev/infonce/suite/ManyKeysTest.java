package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.Exclude;
import dev.infonce.InfoNce;
import dev.infonce.PlanOptions;
import dev.infonce.Similarity;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Many more keys or negatives than queries, which devices take in strips: more than one of them, the last of any length. Devices
 * share the oracle's answers, which take longer than theirs.
 */
class ManyKeysTest {
    private static final long SEED = 84;

    private static final List<DType> DTYPES = List.of(DType.FLOAT32, DType.FLOAT64);

    private static List<ContrastiveLoss> losses() {
        InfoNce plain = InfoNce.withTemperature(0.3);
        Stream<ContrastiveLoss> ofSimilarities = Stream.of(Similarity.values())
                .map(plain::withSimilarity)
                .flatMap(loss -> Stream.of(loss, loss.withSharedNegatives()));
        return Stream.concat(ofSimilarities, Stream.of(plain.excluding(Exclude.sameGroup())))
                .toList();
    }

    /** Each loss has each element type; either budget is that of one of the two, and from turn to turn of the other. */
    @ParameterizedTest
    @CsvSource({
        "0, 3, 48, 5",
        "1, 100, 1600, 5",
        "0, 1, 3000, 700",
        "1, 13, 1700, 700",
        "0, 5, 4300, 250",
        "1, 2, 521, 4000"
    })
    void haveTheOraclesNumbers(int turn, int n, int m, int dim) {
        List<String> devices = Devices.list().stream()
                .filter(name -> !Devices.leavesOut(name, n, m, dim, "many keys"))
                .toList();
        if (devices.isEmpty()) {
            return;
        }
        List<ContrastiveLoss> losses = losses();
        IntStream.range(0, losses.size() * DTYPES.size()).parallel().forEach(i -> {
            int loss = i / DTYPES.size();
            int dtype = i % DTYPES.size();
            // Of a similarity the losses with and without negatives of their own have different turns too.
            long budget = (loss + dtype + turn) % 2 == 0 ? -1 : 0;
            Case c = Cases.random(losses.get(loss), n, m, dim, DTYPES.get(dtype), SEED);
            Result expected = Oracle.evaluate(c);
            for (String name : devices) {
                assertClose(name, c, budget, expected);
            }
        });
    }

    private static void assertClose(String deviceName, Case c, long budget, Result expected) {
        try (Device device = Devices.open(deviceName)) {
            Result actual = Result.of(device, c, PlanOptions.defaults().withWorkspaceBudget(budget));
            String what = deviceName + ", " + c + ", seed " + SEED + ", budget " + budget;
            Tolerances tolerances = Tolerances.of(deviceName, c);
            Compare.assertClose(actual, expected, tolerances, what);
            Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what);
        }
    }
}
