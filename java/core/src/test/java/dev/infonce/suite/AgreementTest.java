package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.PlainJava;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every device agrees with plain Java, on sizes that the oracle would take long for. */
class AgreementTest extends DeviceSuite {
    private static final long SEED = 95;

    static List<ContrastiveLoss> losses() {
        return Cases.all(0.07);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void resultsAreThoseOfPlainJava(ContrastiveLoss loss) {
        try (Device java = PlainJava.open(0)) {
            int n = Devices.orSmaller(deviceName, 301, 131, "rows beside plain Java's");
            int dim = Devices.orSmaller(deviceName, 100, 36, "dimensions beside plain Java's");
            for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
                Case c = Cases.random(loss, n, 33, dim, dtype, SEED);
                Result expected = Result.of(java, c);
                Result actual = Result.of(device, c);
                Tolerances tolerances = Tolerances.of(deviceName, c);
                Compare.assertClose(actual, expected, tolerances, what(c, SEED));
                Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what(c, SEED));
            }
        }
    }
}
