package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Distance;
import dev.infonce.GradientResult;
import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.InfoNceException;
import dev.infonce.Matrix;
import dev.infonce.Negatives;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Plan;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Status;
import dev.infonce.Triplet;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What float64, or a gradient's type, cannot hold is refused with outputs untouched, and what it can hold is right. */
class BeyondTheRangeTest extends DeviceSuite {
    private static final double SENTINEL = 77;

    static Stream<ContrastiveLoss> ofProducts() {
        return Stream.of(
                        Cases.withTemperature(Similarity.DOT, 0.5),
                        Cases.withTemperature(Similarity.NEGATIVE_SQUARED_EUCLIDEAN, 0.5),
                        Cases.withMargin(0.8, Distance.SQUARED_EUCLIDEAN))
                .flatMap(List::stream);
    }

    @ParameterizedTest
    @MethodSource("ofProducts")
    void similaritiesThatOverflowAreRefused(ContrastiveLoss loss) {
        for (double size : new double[] {1e155, 1e200, 1e300}) {
            Case c = Cases.random(loss, 7, 9, 5, DType.FLOAT64, 79);
            refused(c.withMatrices(times(c.queries(), size), times(c.keys(), size), times(c.negatives(), size)));
        }
    }

    @Test
    void aMarginWhoseSquareOverflowsIsRefused() {
        double[][] x = {{1, 2}, {3, 4}};
        Case c = Case.of(PairwiseContrastive.withMargin(1e300), Double.NaN, DType.FLOAT64, x, x);
        refused(c.withLabels(0, 1));
    }

    /** With the distance as it is the loss is the margin, which float64 holds. */
    @Test
    void aHugeMarginOfTripletsIsRightOrRefused() {
        double[][] x = {{1, 2}, {3, 4}};
        Case c = Case.of(Triplet.withMargin(1e300), Double.NaN, DType.FLOAT64, x, x)
                .withNegatives(new double[][] {{2, 2}, {3, 5}}, 2);
        rightOrRefused(c);
    }

    static Stream<ContrastiveLoss> euclidean() {
        return Stream.concat(
                Cases.withTemperature(Similarity.NEGATIVE_EUCLIDEAN, 1e-9).stream(),
                Cases.withMargin(0.8, Distance.EUCLIDEAN).stream());
    }

    /** Distances are far from both ends of the range, though their squares are not. */
    @ParameterizedTest
    @MethodSource("euclidean")
    void distancesWhoseSquaresVanishOrOverflowAreRightOrRefused(ContrastiveLoss loss) {
        for (double size : new double[] {1e-156, 1e-170, 1e-200, 1e-290, 1e-306, 1e160, 1e250}) {
            Case c = Cases.random(loss, 7, 9, 5, DType.FLOAT64, 80);
            rightOrRefused(c.withMatrices(times(c.queries(), size), times(c.keys(), size), times(c.negatives(), size)));
        }
    }

    /** Rows whose sum is 0, at sizes whose squares vanish or overflow: the loss is the positive's distance, 10 units. */
    @ParameterizedTest
    @ValueSource(ints = {-1000, -600, 600, 1000})
    void distancesOfOpposedRowsAreRightOrRefused(int exponent) {
        double unit = Math.scalb(1.0, exponent);
        double[][] x = {{3 * unit, 4 * unit}};
        Triplet triplet = Triplet.withMargin(0).withDistance(Distance.EUCLIDEAN);
        Case c = Case.of(triplet, Double.NaN, DType.FLOAT64, x, times(x, -1)).withNegatives(x, 1);
        rightOrRefused(c);
        if (deviceName.startsWith("java")) {
            Result result = Result.of(device, c);
            Compare.relative(result.loss(), 10 * unit, 1e-15, what(c, 0));
            Compare.frobenius(result.dQueries(), new double[][] {{0.6, 0.8}}, 1e-15, what(c, 0));
            Compare.frobenius(result.dKeys(), new double[][] {{-0.6, -0.8}}, 1e-15, what(c, 0));
        }
    }

    /** Of elements that float64 holds; the loss alone, since gradients would overflow on their own. */
    @Test
    void differencesThatOverflowAreRefused() {
        double[][] x = {{1.5e308, 1}};
        double[][] y = times(x, -1);
        double[][] z = {{1.5e308, 2}};
        InfoNce shared = InfoNce.withTemperature(1)
                .withSimilarity(Similarity.NEGATIVE_EUCLIDEAN)
                .withSharedNegatives();
        Case dense = Case.of(shared, 1, DType.FLOAT64, x, y).withNegatives(z, 1);
        Case triple =
                Case.of(Triplet.withMargin(0), Double.NaN, DType.FLOAT64, x, y).withNegatives(z, 1);
        for (Case c : List.of(dense, triple)) {
            try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
                Throwable thrown = catchThrowable(() -> plan.forward(c.inputs()));
                assertRefused(thrown, new Gradients(null, null, null), c);
            }
        }
    }

    /** Here numbers have lost digits of their own: 1e-310 has 13 of them. */
    @Test
    void tripletsOfDenormalNumbersAreRightOrRefused() {
        double[][] x = {{0, 0}, {2e-310, 0}};
        double[][] y = {{3e-310, 4e-310}, {2e-310, 5e-310}};
        double[][] z = {{-6e-310, 8e-310}, {2e-310, -1e-310}};
        rightOrRefused(Case.of(Triplet.withMargin(0.5), Double.NaN, DType.FLOAT64, x, y)
                .withNegatives(z, 2));
    }

    static Stream<ContrastiveLoss> cosines() {
        return Stream.concat(
                Cases.withTemperature(Similarity.COSINE, 0.5).stream(),
                Cases.withMargin(0.8, Distance.COSINE).stream());
    }

    /** The gradient by a row has the inverse of its norm. The native library tells after it has written all rows, infinities too. */
    @ParameterizedTest
    @MethodSource("cosines")
    void gradientsThatOverflowAreRefused(ContrastiveLoss loss) {
        tiny(loss, DType.FLOAT32, 1e-42);
        tiny(loss, DType.FLOAT64, 1e-316);
    }

    /** One tiny row in each matrix in turn, the last, so that what comes before it might be written. */
    private void tiny(ContrastiveLoss loss, DType dtype, double size) {
        for (int matrix = 0; matrix < 3; matrix++) {
            Case c = Cases.random(loss, 8, loss.negatives() == Negatives.SHARED ? 300 : 8, 5, dtype, 81);
            double[][] rows = matrix == 0 ? c.queries() : matrix == 1 ? c.keys() : c.negatives();
            if (rows != null) {
                int last = rows.length - 1;
                rows[last] = times(new double[][] {rows[last]}, size)[0];
                if (loss.takesClassLabels()) {
                    int[] pairs = {0, 0, 1, 1, 2, 2, 3, 3};
                    c = c.withLabels(pairs, loss.isOneTower() ? null : pairs);
                } else if (loss.takesLabels()) {
                    c = c.withLabels(1, 1, 1, 1, 1, 1, 1, 1);
                }
                refused(
                        c.withMatrices(c.queries(), c.keys(), c.negatives()).withLoss(loss),
                        deviceName.startsWith("java"));
            }
        }
    }

    /** Queries first, then the keys that are rows too: of one tower, or of a symmetric loss. */
    @Test
    void theFirstRowThatOverflowsIsNamed() {
        if (!deviceName.startsWith("java")) {
            System.out.println("left out on " + deviceName + ", which has messages of its own: the row that overflows");
            return;
        }
        InfoNce dot = InfoNce.withTemperature(1).withSimilarity(Similarity.DOT);
        NtXent tower = NtXent.withTemperature(1).withSimilarity(Similarity.DOT);
        double[][] zeros = new double[3][1];
        double[][] large = {{1e200}, {1e200}, {1e200}};
        for (int row = 0; row < 3; row++) {
            double[][] some = new double[3][1];
            some[row][0] = 1e200;
            named(Case.of(dot, 1, DType.FLOAT64, some, large), "queries: row " + row);
        }
        named(Case.of(tower, 1, DType.FLOAT64, zeros, large), "keys: row 0");
        named(Case.of(tower, 1, DType.FLOAT64, zeros, new double[][] {{0}, {1e200}, {1e200}}), "keys: row 1");
        named(Case.of(tower, 1, DType.FLOAT64, large, zeros), "queries: row 0");
        // Every similarity is finite, but that of key 0 to query 0 is further below that to query 1 than float64
        // reaches.
        double[][] keys = {{-1.2e308, 1.2e308}, {-1e308, 1e308}};
        named(Case.of(dot.symmetric(), 1, DType.FLOAT64, Cases.identity(2), keys), "keys: row 0");
    }

    private void named(Case c, String row) {
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
            assertThat(catchThrowable(() -> plan.forward(c.inputs())))
                    .as(what(c, 0))
                    .isInstanceOf(InfoNceException.class)
                    .hasMessageStartingWith(row + " has a similarity, a distance or a loss beyond the range");
        }
    }

    /** By an upstream gradient, by a temperature, and by so little that only a bound of 1 / 4 of the range tells. */
    @Test
    void gradientsOfOwnNegativesThatOverflowAreRefused() {
        double[][] one = {{1}};
        double[][] key = {{-100}};
        InfoNce own = InfoNce.withTemperature(1)
                .withSimilarity(Similarity.DOT)
                .withOwnNegatives()
                .withReduction(Reduction.SUM);
        Case ofOne = Case.of(own, 1, DType.FLOAT32, one, key).withNegatives(one, 1);
        boolean java = deviceName.startsWith("java");
        refused(ofOne.withMatrices(times(one, 10), key, one).withUpstream(3e38f), java);
        refused(ofOne.withMatrices(times(one, 1e30), key, one).withTemperature(1e-9), java);
        // The negative's share is 1 / (1 + e^-2), so that its gradient is 1.02 times the largest float.
        Case near = ofOne.withMatrices(one, times(one, -1), one);
        refused(near.withUpstream(Float.MAX_VALUE).withWeights(1.16f), java);
    }

    private void rightOrRefused(Case c) {
        Gradients out = filled(c);
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
            Throwable thrown;
            GradientResult result = null;
            try {
                result = plan.forwardBackward(c.inputs(), out);
                thrown = null;
            } catch (InfoNceException refusal) {
                thrown = refusal;
            }
            if (thrown == null) {
                Compare.assertClose(Result.of(result), Oracle.evaluate(c), Tolerances.of(deviceName, c), what(c, 80));
            } else {
                assertRefused(thrown, out, c);
            }
        }
    }

    private void refused(Case c) {
        refused(c, true);
    }

    private void refused(Case c, boolean untouched) {
        Gradients out = filled(c);
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
            Throwable thrown = catchThrowable(() -> plan.forwardBackward(c.inputs(), out));
            assertRefused(thrown, untouched ? out : new Gradients(null, null, null), c);
            if (!untouched) {
                double[] written = Stream.of(out.dQueries(), out.dKeys(), out.dNegatives())
                        .filter(Objects::nonNull)
                        .flatMapToDouble(output -> Arrays.stream(output.toDoubleArray()))
                        .toArray();
                // what is copied from a device is not copied then
                boolean copied = Arrays.stream(written).allMatch(value -> value == SENTINEL);
                assertThat(copied || Arrays.stream(written).anyMatch(Double::isInfinite))
                        .as(what(c, 79))
                        .isTrue();
            }
        }
    }

    private void assertRefused(Throwable thrown, Gradients out, Case c) {
        assertThat(thrown).as(what(c, 79)).isInstanceOf(InfoNceException.class);
        assertThat(((InfoNceException) thrown).status()).as(what(c, 79)).isEqualTo(Status.NON_FINITE);
        for (Matrix output : Arrays.asList(out.dQueries(), out.dKeys(), out.dNegatives())) {
            if (output != null) {
                assertThat(output.toDoubleArray()).as(what(c, 79)).containsOnly(SENTINEL);
            }
        }
    }

    private static Gradients filled(Case c) {
        return new Gradients(filled(c, c.queries()), filled(c, c.keys()), filled(c, c.negatives()));
    }

    private static Matrix filled(Case c, double[][] like) {
        if (like == null) {
            return null;
        }
        double[][] rows = new double[like.length][like[0].length];
        for (double[] row : rows) {
            Arrays.fill(row, SENTINEL);
        }
        return c.matrix(rows);
    }

    private static double[][] times(double[][] rows, double size) {
        return rows == null
                ? null
                : Arrays.stream(rows)
                        .map(row -> Arrays.stream(row).map(v -> v * size).toArray())
                        .toArray(double[][]::new);
    }

    @ParameterizedTest
    @EnumSource(names = "COSINE", mode = EnumSource.Mode.EXCLUDE)
    void noResultIsEverInfiniteOrNaN(Similarity similarity) {
        int turn = 0;
        for (double size : new double[] {1e20, 1e75, 1e100, 1e150, 1e153, 1e154, 1e155, 1e200, 1e300, 1.7e308}) {
            for (double tau : new double[] {1e-9, 1, 1e9}) {
                List<ContrastiveLoss> losses = Cases.withTemperature(similarity, tau);
                for (ContrastiveLoss loss : Devices.orSome(deviceName, losses, turn++, "losses at " + size)) {
                    Case c = Cases.random(loss, 5, 6, 3, DType.FLOAT64, 82);
                    c = c.withMatrices(times(c.queries(), size), times(c.keys(), size), times(c.negatives(), size));
                    finiteOrRefused(c);
                }
            }
        }
    }

    private void finiteOrRefused(Case c) {
        if (Stream.of(c.queries(), c.keys(), c.negatives())
                .filter(rows -> rows != null)
                .flatMap(Arrays::stream)
                .flatMapToDouble(Arrays::stream)
                .anyMatch(Double::isInfinite)) {
            return; // an input, and refused as one
        }
        Gradients out = filled(c);
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
            GradientResult result = plan.forwardBackward(c.inputs(), out);
            String what = what(c, 82);
            assertThat(result.loss()).as(what).isFinite();
            assertThat(result.dTemperature()).as(what).isFinite();
            assertThat(result.metrics().negativeSimilarity()).as(what).isFinite();
            for (Matrix output : Arrays.asList(out.dQueries(), out.dKeys(), out.dNegatives())) {
                if (output != null) {
                    for (double value : output.toDoubleArray()) {
                        assertThat(value).as(what).isFinite();
                    }
                }
            }
        } catch (InfoNceException refusal) {
            assertRefused(refusal, out, c);
        }
    }

    @Test
    void oneOverflowingKeyAmongManyIsRefused() {
        InfoNce loss = InfoNce.withTemperature(1).withSimilarity(Similarity.DOT).withSharedNegatives();
        Case c = Cases.random(loss, 4, 3000, 5, DType.FLOAT64, 83);
        double[][] negatives = c.negatives();
        negatives[2999] = times(new double[][] {negatives[2999]}, 1e308)[0];
        double[][] queries = times(c.queries(), 1e3);
        refused(c.withMatrices(queries, c.keys(), negatives));
    }
}
