package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.InfoNce;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Precision;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import org.junit.jupiter.api.Test;

/** Options arrive where they have an effect. */
class OptionsTest extends DeviceSuite {
    private static final long SEED = 85;

    @Test
    void aSmallerBudgetIsASmallerWorkspaceAndTheSameBits() {
        Case c = Cases.random(InfoNce.withTemperature(0.07).symmetric(), 700, 700, 16, DType.FLOAT32, SEED);
        PlanOptions defaults = PlanOptions.defaults();
        PlanOptions none = defaults.withWorkspaceBudget(0);
        Compare.assertSameBits(Result.of(device, c, none), Result.of(device, c, defaults), what(c, SEED));
        boolean vectors = deviceName.equals("java") && device.description().contains("vectors");
        if (!vectors && !deviceName.startsWith("cpu")) {
            System.out.println("left out on " + deviceName + ": bytes of kept tiles");
            return;
        }
        assertThat(bytes(c, defaults) - bytes(c, none))
                .as("bytes of 700 x 700 kept exponentials, %s", what(c, SEED))
                .isGreaterThanOrEqualTo(700 * 700 * Float.BYTES);
    }

    /** Distances of float32 rows are computed in float64 unless fast arithmetic will do. */
    @Test
    void fastArithmeticIsThatOfTheElementType() {
        if (!deviceName.startsWith("cpu")) {
            System.out.println("left out on " + deviceName + ", which has one arithmetic: precision");
            return;
        }
        Case c = Cases.random(
                InfoNce.withTemperature(0.5).withSimilarity(Similarity.NEGATIVE_SQUARED_EUCLIDEAN),
                200,
                300,
                40,
                DType.FLOAT32,
                SEED);
        PlanOptions precise = PlanOptions.defaults().withWorkspaceBudget(0);
        PlanOptions fast = precise.withPrecision(Precision.FAST);
        assertThat(bytes(c, fast)).as(what(c, SEED)).isLessThan(bytes(c, precise));
        Result quick = Result.of(device, c, fast);
        assertThat(quick.loss())
                .as(what(c, SEED))
                .isNotEqualTo(Result.of(device, c, precise).loss());
        Compare.assertClose(quick, Oracle.evaluate(c), Tolerances.of(deviceName, c), what(c, SEED));
    }

    /** Two numbers for two rows are one a row. */
    @Test
    void upstreamOfTwoRowsIsOneARow() {
        for (DType dtype : new DType[] {DType.FLOAT32, DType.FLOAT64}) {
            InfoNce loss = InfoNce.withTemperature(0.5).withReduction(Reduction.NONE);
            Case c = Cases.random(loss, 2, 3, 5, dtype, SEED).withUpstream(0.25f, -3);
            Compare.assertClose(Result.of(device, c), Oracle.evaluate(c), Tolerances.of(deviceName, c), what(c, SEED));
        }
    }

    @Test
    void metricsThatNobodyWantsAreNotThereAndChangeNoOtherNumber() {
        PlanOptions options = PlanOptions.defaults().withoutMetrics();
        for (ContrastiveLoss loss : Cases.all(0.07)) {
            for (Reduction reduction : Reduction.values()) {
                Case c = Cases.random(loss.withReduction(reduction), 8, 9, 5, DType.FLOAT64, SEED)
                        .withUpstream(-1.75f);
                c = c.withWeights(Cases.weights(c.rows(), SEED));
                Result result = Result.of(device, c, options);
                assertThat(result.metrics()).as(what(c, SEED)).isNull();
                Compare.assertClose(result, Oracle.evaluate(c), Tolerances.of(deviceName, c), what(c, SEED));
            }
        }
    }

    private long bytes(Case c, PlanOptions options) {
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype(), options)) {
            return plan.workspaceBytes();
        }
    }
}
