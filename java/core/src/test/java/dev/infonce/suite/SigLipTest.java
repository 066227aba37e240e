package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.DType;
import dev.infonce.GradientResult;
import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Outputs;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.SigLip;
import dev.infonce.Similarity;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** SigLIP by what is known of it, and the ways in which a call gets its bias. */
class SigLipTest extends DeviceSuite {
    private static final long SEED = 71;

    /**
     * ln 2 + (N - 1) ln(1 + e^bias) where 1 / tau + bias = 0. The first is open_clip's SigLipLoss of 64 orthonormal pairs at the
     * start of its training, a logit scale of 10 and a bias of -10.
     */
    @ParameterizedTest
    @CsvSource({"64, 0.1, -10, 0.696007311", "9, 0.5, -2, NaN", "64, 0.02, -50, NaN"})
    void orthonormalPairsHaveTheirClosedForm(int n, double tau, double bias, double published) {
        double expected = Math.log(2) + (n - 1) * Math.log1p(Math.exp(bias));
        if (!Double.isNaN(published)) {
            assertThat(expected).isCloseTo(published, within(1e-9));
        }
        double[][] e = Cases.identity(n);
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            Case c = Case.of(SigLip.withTemperatureAndBias(tau, bias), tau, dtype, e, e);
            Result result = Result.of(device, c);
            double bound = dtype == DType.FLOAT64
                    ? 1e-12
                    : Tolerances.of(deviceName, c).ofLoss(expected);
            Compare.relative(result.loss(), expected, bound, what(c, 0));
            assertThat(result.dBias())
                    .as(what(c, 0))
                    .isCloseTo((n - 1) * Oracle.sigmoid(bias) - 0.5, within(2 * bound));
        }
    }

    @ParameterizedTest
    @EnumSource
    void staysWhenTheTowersChangePlaces(Similarity similarity) {
        SigLip loss = SigLip.withTemperatureAndBias(0.3, -2).withSimilarity(similarity);
        Case c = Cases.random(loss, 13, 13, 6, DType.FLOAT64, SEED);
        Result straight = Result.of(device, c);
        Result swapped = Result.of(device, c.withMatrices(c.keys(), c.queries(), null));
        Compare.relative(swapped.loss(), straight.loss(), 1e-12, what(c, SEED));
        Compare.relative(swapped.dBias(), straight.dBias(), 1e-10, what(c, SEED));
        Compare.frobenius(swapped.dQueries(), straight.dKeys(), 1e-11, what(c, SEED));
        Compare.frobenius(swapped.dKeys(), straight.dQueries(), 1e-11, what(c, SEED));
    }

    /** About the logits at which arithmetic changes, and beyond exponentials of any type. */
    @ParameterizedTest
    @ValueSource(doubles = {1e-9, 5, -29, 31, -127, 129, 150, -800, 1e30, -1e30})
    void biasesOfAnySizeHaveTheOraclesAnswer(double bias) {
        for (Similarity similarity : Similarity.values()) {
            for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
                SigLip loss = SigLip.withTemperatureAndBias(0.5, bias).withSimilarity(similarity);
                Case c = Cases.random(loss, 9, 14, 5, dtype, SEED);
                Result expected = Oracle.evaluate(c);
                Result actual = Result.of(device, c);
                // a logit is rounded to its own size
                double rounding = Math.min(1, Math.abs(bias) * (dtype == DType.FLOAT64 ? 0x1p-52 : 0x1p-23));
                double bound = (dtype == DType.FLOAT64 ? 1e-11 : 1e-5) + rounding;
                Compare.relative(actual.loss(), expected.loss(), bound, what(c, SEED) + ": loss");
                assertThat(actual.dBias())
                        .as(what(c, SEED))
                        .isCloseTo(
                                expected.dBias(),
                                within(bound * expected.sizes().dBias()));
                Compare.frobenius(actual.dQueries(), expected.dQueries(), bound, 1e-37, what(c, SEED) + ": dQueries");
                Compare.frobenius(actual.dKeys(), expected.dKeys(), bound, 1e-37, what(c, SEED) + ": dKeys");
            }
        }
    }

    @Test
    void theBiasOfACallTakesThePlaceOfTheLosssOwnInEveryWayIntoAPlan() {
        SigLip learned = SigLip.learned();
        assertThat(learned).isEqualTo(SigLip.withTemperatureAndBias(0.1, -10));
        Case c = Cases.random(learned, 7, 11, 5, DType.FLOAT32, SEED);
        Inputs own = Inputs.of(c.matrix(c.queries()), c.matrix(c.keys()));
        Result expected = Result.of(device, c.withBias(-3));
        Result ofOwn = Result.of(device, c);
        try (Plan plan = device.plan(learned, c.shape(), c.dtype())) {
            Compare.assertSameBits(Result.of(plan.forwardBackward(own)), ofOwn, deviceName);
            Inputs brought = own.withBias(-3);
            Compare.assertSameBits(Result.of(plan.forwardBackward(brought)), expected, deviceName);
            assertThat(plan.forward(brought).loss()).isEqualTo(expected.loss());
            GradientResult backward = plan.backward(brought);
            assertThat(backward.dBias()).isEqualTo(expected.dBias());
            assertThat(backward.dTemperature()).isEqualTo(expected.dTemperature());
            Outputs outputs = new Outputs(new Gradients(null, null, null));
            assertThat(outputs.dBias()).isNaN();
            plan.forwardBackward(brought, outputs);
            assertThat(outputs.dBias()).isEqualTo(expected.dBias());
            assertThat(outputs.loss()).isEqualTo(expected.loss());
        }
        assertThat(ofOwn.metrics()).as("metrics have no bias").isEqualTo(expected.metrics());
    }

    /** Tiles of many blocks on device java, and strips of keys on every device. */
    @ParameterizedTest
    @CsvSource({"130, 210, 33", "5, 400, 12", "3, 4100, 7"})
    void manyKeysHaveTheOraclesAnswer(int n, int m, int dim) {
        SigLip loss = SigLip.withTemperatureAndBias(0.2, -4).withReduction(Reduction.SUM);
        if (Devices.leavesOut(deviceName, n, m, dim, "many keys of SigLIP")) {
            return;
        }
        Case c = Cases.random(loss, n, m, dim, DType.FLOAT32, SEED)
                .withWeights(Cases.weights(n, SEED))
                .withUpstream(-2);
        Result result = Result.of(device, c, PlanOptions.defaults());
        Compare.assertClose(result, Oracle.evaluate(c), Tolerances.of(deviceName, c), what(c, SEED));
        Result tight = Result.of(device, c, PlanOptions.defaults().withWorkspaceBudget(0));
        Compare.assertSameBits(tight, result, what(c, SEED) + ", no budget");
    }
}
