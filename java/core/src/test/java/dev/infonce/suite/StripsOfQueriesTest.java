package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.InfoNce;
import dev.infonce.NtXent;
import dev.infonce.PlainJava;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * So many queries that the backward pass takes them strip by strip, and gradients of keys and negatives are sums over strips: beside
 * device java without vectors, whose loops have none.
 */
class StripsOfQueriesTest {
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
        List<String> devices = Devices.besidePlainJava().stream()
                .filter(name -> !Devices.leavesOut(name, n, Math.max(n, m), dim, "strips of queries"))
                .toList();
        if (devices.isEmpty()) {
            return;
        }
        Case c = Cases.random(loss, n, m, dim, DType.FLOAT32, SEED);
        Result expected;
        try (Device plain = PlainJava.open(0)) {
            expected = Result.of(plain, c);
        }
        for (String name : devices) {
            try (Device device = Devices.open(name)) {
                String what = name + ", " + c + ", seed " + SEED;
                Compare.assertClose(Result.of(device, c), expected, Tolerances.of(name, c), what);
            }
        }
    }
}
