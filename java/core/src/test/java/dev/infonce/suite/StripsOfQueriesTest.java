package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.InfoNce;
import dev.infonce.NtXent;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * So many queries that the backward pass takes them strip by strip, and gradients of keys and negatives are sums over strips: beside
 * device java without vectors, whose loops have none.
 */
class StripsOfQueriesTest extends DeviceSuite {
    private static final long SEED = 86;

    static Stream<Arguments> problems() {
        InfoNce infoNce = InfoNce.withTemperature(0.3);
        return Stream.of(
                Arguments.of(infoNce, 4200, 4300, 5),
                Arguments.of(infoNce.symmetric(), 4200, 4200, 5),
                Arguments.of(infoNce.withSharedNegatives(), 4200, 1100, 5),
                Arguments.of(NtXent.withTemperature(0.3), 4200, 0, 5),
                Arguments.of(infoNce.withSharedNegatives(), 1000, 2400, 1024));
    }

    @ParameterizedTest
    @MethodSource("problems")
    void gradientsAreSumsOverStrips(ContrastiveLoss loss, int n, int m, int dim) {
        if (Devices.leavesOut(deviceName, n, Math.max(n, m), dim, "strips of queries")) {
            return;
        }
        Case c = Cases.random(loss, n, m, dim, DType.FLOAT32, SEED);
        Result expected;
        try (Device plain = Devices.open("java@PLAIN")) {
            expected = Result.of(plain, c);
        }
        Tolerances tolerances = Tolerances.of(deviceName, c);
        Compare.assertClose(Result.of(device, c), expected, tolerances, what(c, SEED));
    }
}
