package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.InfoNce;
import dev.infonce.Similarity;
import java.io.IOException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Inputs on which other libraries were reported to fail, with losses and gradients in extended precision; see case.json of each. */
class ReportedCasesTest extends DeviceSuite {
    private static final double PROMISED = 1e-5;

    @ParameterizedTest
    @CsvSource({
        "fail_euclid_f4_utm_neg-euclidean, NEGATIVE_EUCLIDEAN, 1, 0.006825698598047315, 0.026585961695202602",
        "fail_euclid_f8_1e+06_neg-squared-euclidean, NEGATIVE_SQUARED_EUCLIDEAN, 0.5, 0.297843080811608, "
                + "0.5287162297789866",
        "fail_metric_cosine_above_1, COSINE, 0.07, 1.791759469228055, 0"
    })
    void hasTheRightNumbers(String folder, Similarity similarity, double tau, double loss, double dTemperature)
            throws IOException {
        NpyArrays.Array queries = NpyArrays.read("cases/" + folder + "/queries.npy");
        Case c = Case.of(
                InfoNce.withTemperature(tau).withSimilarity(similarity),
                tau,
                queries.dtype(),
                queries.rows(),
                NpyArrays.read("cases/" + folder + "/keys.npy").rows());
        Result result = Result.of(device, c);
        String what = deviceName + ", " + folder;
        Compare.relative(result.loss(), loss, PROMISED, what + ": loss");
        assertThat(Math.abs(result.dTemperature() - dTemperature))
                .as(what + ": dTemperature")
                .isLessThanOrEqualTo(PROMISED * Math.max(dTemperature, loss));
        double[][] dQueries =
                NpyArrays.read("cases/" + folder + "/expected_dQueries.npy").rows();
        double[][] dKeys =
                NpyArrays.read("cases/" + folder + "/expected_dKeys.npy").rows();
        // gradients of equal rows are 0 but for roundings of the terms, which are of size 1 / tau
        double least = similarity == Similarity.COSINE ? PROMISED / tau : 0;
        Compare.frobenius(result.dQueries(), dQueries, PROMISED, least, what + ": dQueries");
        Compare.frobenius(result.dKeys(), dKeys, PROMISED, least, what + ": dKeys");
        RangesTest.assertInRange(result.metrics(), c, what);
    }
}
