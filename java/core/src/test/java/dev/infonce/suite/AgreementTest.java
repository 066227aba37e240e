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
            for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
                boolean slow = Devices.isEmulated(deviceName);
                Case c = Cases.random(loss, slow ? 131 : 301, 33, slow ? 36 : 100, dtype, SEED);
                Result expected = Result.of(java, c);
                Result actual = Result.of(device, c);
                Tolerances tolerances = Tolerances.of(deviceName, c);
                Compare.assertClose(actual, expected, tolerances, what(c, SEED));
                Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what(c, SEED));
            }
        }
    }
}
