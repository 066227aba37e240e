package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.PlainJava;
import dev.infonce.Shape;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every other device agrees with plain Java, on sizes that the oracle would take long for. */
class AgreementTest {
    private static final long SEED = 95;

    static List<ContrastiveLoss> losses() {
        return Cases.all(0.07);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void resultsAreThoseOfPlainJava(ContrastiveLoss loss) {
        Map<Shape, List<String>> devices = Devices.besidePlainJava().stream()
                .collect(Collectors.groupingBy(name -> Shape.of(
                        Devices.orSmaller(name, 301, 131, "rows beside plain Java's"),
                        33,
                        Devices.orSmaller(name, 100, 36, "dimensions beside plain Java's"))));
        devices.forEach((shape, names) -> {
            for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
                Case c = Cases.random(
                        loss,
                        Math.toIntExact(shape.n()),
                        Math.toIntExact(shape.m()),
                        Math.toIntExact(shape.dim()),
                        dtype,
                        SEED);
                assertAgree(names, c);
            }
        });
    }

    private static void assertAgree(List<String> names, Case c) {
        Result expected;
        try (Device plain = PlainJava.open(0)) {
            expected = Result.of(plain, c);
        }
        for (String name : names) {
            try (Device device = Devices.open(name)) {
                Result actual = Result.of(device, c);
                String what = name + ", " + c + ", seed " + SEED;
                Tolerances tolerances = Tolerances.of(name, c);
                Compare.assertClose(actual, expected, tolerances, what);
                Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what);
            }
        }
    }
}
