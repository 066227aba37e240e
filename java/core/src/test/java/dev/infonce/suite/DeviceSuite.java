package dev.infonce.suite;

import dev.infonce.Device;
import dev.infonce.PlanOptions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests that run once on each of {@link Devices}. */
@ParameterizedClass(name = "{0}")
@MethodSource("dev.infonce.suite.Devices#names")
abstract class DeviceSuite {
    @Parameter
    String deviceName;

    Device device;

    @BeforeEach
    void open() {
        device = Devices.open(deviceName);
    }

    @AfterEach
    void close() {
        if (device != null) {
            device.close();
        }
    }

    /** Loss, gradients and metrics within what the device promises. */
    void assertAsOracleForEachBudget(Case c, long seed) {
        Result expected = Oracle.evaluate(c);
        assertAsOracle(c, expected, PlanOptions.defaults(), seed);
        assertAsOracle(c, expected, PlanOptions.defaults().withWorkspaceBudget(0), seed);
    }

    void assertAsOracle(Case c, Result expected, PlanOptions options, long seed) {
        Result actual = Result.of(device, c, options);
        Tolerances tolerances = Tolerances.of(deviceName, c);
        String what = what(c, seed) + ", " + options;
        Compare.assertClose(actual, expected, tolerances, what);
        Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what);
    }

    /** Within what the device promises of the loss. */
    void assertLoss(Case c, double expected, long seed) {
        double actual = Result.of(device, c).loss();
        Compare.relative(actual, expected, Tolerances.of(deviceName, c).ofLoss(expected), what(c, seed));
    }

    /** What a failure message starts with. */
    String what(Case c, long seed) {
        return deviceName + ", " + c + ", seed " + seed;
    }
}
