package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.PlanOptions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Matrices of 16-bit floats, on devices that compute with them: the oracle's answers for the numbers as rounded. */
@ParameterizedClass(name = "{0}", allowZeroInvocations = true)
@MethodSource("devices")
class SixteenBitTest {
    private static final long SEED = 131;

    @Parameter
    String deviceName;

    static Stream<String> devices() {
        return Devices.names().filter(name -> !name.startsWith("java"));
    }

    static List<ContrastiveLoss> losses() {
        return Stream.of(0.5, 0.07)
                .flatMap(tau -> Cases.all(tau).stream())
                .distinct()
                .toList();
    }

    @ParameterizedTest
    @MethodSource("losses")
    void lossGradientsAndMetricsAreTheOracles(ContrastiveLoss loss) {
        try (dev.infonce.Device device = Devices.open(deviceName)) {
            for (DType dtype : List.of(DType.FLOAT16, DType.BFLOAT16)) {
                for (DType gradients : List.of(dtype, DType.FLOAT32)) {
                    Case c = Cases.random(loss, dtype == DType.FLOAT16 ? 21 : 22, 27, 19, dtype, SEED);
                    Result expected = Oracle.evaluate(c);
                    Result actual = Result.of(device, c, PlanOptions.defaults().withGradientDType(gradients));
                    Tolerances tolerances = Tolerances.of(deviceName, c, gradients);
                    String what = deviceName + ", " + c + ", gradients " + gradients + ", seed " + SEED;
                    Compare.assertClose(actual, expected, tolerances, what);
                    Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what);
                }
            }
        }
    }
}
