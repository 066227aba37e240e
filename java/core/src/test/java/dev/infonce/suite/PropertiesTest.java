package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.Distance;
import dev.infonce.InfoNce;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.constraints.IntRange;

/**
 * What holds for all inputs. jqwik draws sizes, temperatures and the seed of the inputs, prints what it drew when a property
 * fails, and draws the same again (its own seed is fixed).
 */
class PropertiesTest {
    private static final int TRIES = 40;
    private static final String JQWIK_SEED = "20260101";

    @Provide
    Arbitrary<String> devices() {
        return Arbitraries.of(Devices.list());
    }

    @Provide
    Arbitrary<Double> temperatures() {
        return Arbitraries.doubles().between(0.02, 2);
    }

    @Provide
    Arbitrary<DType> dtypes() {
        return Arbitraries.of(DType.FLOAT32, DType.FLOAT64);
    }

    @Provide
    Arbitrary<Similarity> similarities() {
        return Arbitraries.of(Similarity.class);
    }

    private static Result run(String device, Case c) {
        try (Device open = Devices.open(device)) {
            return Result.of(open, c);
        }
    }

    private static void close(Result actual, Result expected, Case c, String device, long seed) {
        // both sides err, each by the promised bound
        Tolerances two = Tolerances.of(device, c).twice();
        Compare.assertClose(actual, expected, two, device + ", " + c + ", seed " + seed);
    }

    @Property(tries = TRIES, seed = JQWIK_SEED, shrinking = ShrinkingMode.OFF)
    void permutedRowsArePermutedGradients(
            @ForAll("devices") String device,
            @ForAll("temperatures") double tau,
            @ForAll("similarities") Similarity similarity,
            @ForAll("dtypes") DType dtype,
            @ForAll @IntRange(min = 1, max = 70) int n,
            @ForAll @IntRange(max = 9999) int seed) {
        List<ContrastiveLoss> losses = Stream.concat(
                        Cases.withTemperature(similarity, tau).stream(),
                        Cases.withMargin(0.8, Distance.EUCLIDEAN).stream())
                .toList();
        int odd = n | 1; // views of one tower in two matrices, so that one permutation serves every loss
        for (ContrastiveLoss loss : losses) {
            Case c = Cases.random(loss, odd, odd, 8, dtype, seed);
            int own = switch (loss.negatives()) {
                case OWN -> odd;
                case IN_BATCH_AND_OWN -> Cases.OWN;
                case IN_BATCH, SHARED, PAIRED -> 1;
            };
            int[] order = order(odd, seed);
            double[][] negatives = c.negatives();
            int[] negativesOrder = Arrays.stream(order)
                    .flatMap(i -> IntStream.range(i * own, (i + 1) * own))
                    .toArray();
            Case permuted = c.withMatrices(
                    permuted(c.queries(), order), permuted(c.keys(), order), permuted(negatives, negativesOrder));
            if (loss.takesGroups()) {
                permuted = permuted.withGroups(permuted(c.groups(), order), permuted(c.keyGroups(), order));
            }
            if (c.labels() != null) {
                permuted = permuted.withLabels(permuted(c.labels(), order), permuted(c.keyLabels(), order));
            }
            if (c.teacherScores() != null) {
                permuted = permuted.withTeacherScores(permuted(c.teacherScores(), order));
            }
            Result one = run(device, c);
            Result expected = new Result(
                    one.loss(),
                    one.rowLosses(),
                    permuted(one.dQueries(), order),
                    permuted(one.dKeys(), order),
                    permuted(one.dNegatives(), negativesOrder),
                    one.dTemperature(),
                    one.dBias(),
                    one.metrics(),
                    Oracle.evaluate(c).sizes());
            close(run(device, permuted), expected, c, device, seed);
        }
    }

    @Property(tries = TRIES, seed = JQWIK_SEED, shrinking = ShrinkingMode.OFF)
    void symmetricInfoNceDoesNotTellQueriesFromKeys(
            @ForAll("devices") String device,
            @ForAll("temperatures") double tau,
            @ForAll("similarities") Similarity similarity,
            @ForAll("dtypes") DType dtype,
            @ForAll @IntRange(min = 1, max = 70) int n,
            @ForAll @IntRange(max = 9999) int seed) {
        InfoNce loss = InfoNce.withTemperature(tau).withSimilarity(similarity).symmetric();
        Case c = Cases.random(loss, n, n, 8, dtype, seed);
        Result one = run(device, c);
        Result swapped = run(device, c.withMatrices(c.keys(), c.queries(), null));
        close(swapped, exchanged(one, Oracle.evaluate(c).sizes()), c, device, seed);
    }

    @Property(tries = TRIES, seed = JQWIK_SEED, shrinking = ShrinkingMode.OFF)
    void oneTowerDoesNotTellItsViewsApart(
            @ForAll("devices") String device,
            @ForAll("temperatures") double tau,
            @ForAll("similarities") Similarity similarity,
            @ForAll("dtypes") DType dtype,
            @ForAll @IntRange(min = 1, max = 40) int n,
            @ForAll @IntRange(max = 9999) int seed) {
        for (ContrastiveLoss loss : List.of(
                NtXent.withTemperature(tau).withSimilarity(similarity),
                NtLogistic.withTemperature(tau).withSimilarity(similarity))) {
            Case c = Cases.random(loss, n | 1, 0, 8, dtype, seed);
            Result one = run(device, c);
            Result swapped = run(device, c.withMatrices(c.keys(), c.queries(), null));
            close(swapped, exchanged(one, Oracle.evaluate(c).sizes()), c, device, seed);

            // and one matrix is as good as two
            double[][] stacked =
                    Stream.of(c.queries(), c.keys()).flatMap(Arrays::stream).toArray(double[][]::new);
            Result tower = run(device, Case.of(loss, tau, dtype, stacked, null));
            int half = c.queries().length;
            assertThat(tower.loss()).isEqualTo(one.loss());
            assertThat(Arrays.copyOf(tower.dQueries(), half)).isDeepEqualTo(one.dQueries());
            assertThat(Arrays.copyOfRange(tower.dQueries(), half, 2 * half)).isDeepEqualTo(one.dKeys());
        }
    }

    /** By a power of two, which changes no digit of any input. */
    @Property(tries = TRIES, seed = JQWIK_SEED, shrinking = ShrinkingMode.OFF)
    void cosinesScaleAwayAndTheirGradientsInversely(
            @ForAll("devices") String device,
            @ForAll("temperatures") double tau,
            @ForAll("dtypes") DType dtype,
            @ForAll @IntRange(min = 1, max = 40) int n,
            @ForAll @IntRange(min = -20, max = 20) int exponent,
            @ForAll @IntRange(max = 9999) int seed) {
        double size = Math.scalb(1.0, exponent);
        for (ContrastiveLoss loss : Cases.withTemperature(Similarity.COSINE, tau)) {
            Case c = Cases.random(loss, n, n, 8, dtype, seed);
            Result one = run(device, c);
            Result.Sizes sizes = Oracle.evaluate(c).sizes();
            Case scaled = c.withMatrices(times(size, c.queries()), times(size, c.keys()), times(size, c.negatives()));
            Result expected = new Result(
                    one.loss(),
                    one.rowLosses(),
                    times(1 / size, one.dQueries()),
                    times(1 / size, one.dKeys()),
                    times(1 / size, one.dNegatives()),
                    one.dTemperature(),
                    one.dBias(),
                    one.metrics(),
                    new Result.Sizes(
                            sizes.loss(),
                            sizes.rowLoss(),
                            sizes.gradients() / size,
                            sizes.dTemperature(),
                            sizes.dTemperatureByRow(),
                            sizes.dBias()));
            close(run(device, scaled), expected, c, device, seed);
        }
    }

    /** Vectors twice as long at four times the temperature: the same logits. */
    @Property(tries = TRIES, seed = JQWIK_SEED, shrinking = ShrinkingMode.OFF)
    void dotProductsScaleWithTheTemperature(
            @ForAll("devices") String device,
            @ForAll("temperatures") double tau,
            @ForAll("dtypes") DType dtype,
            @ForAll @IntRange(min = 1, max = 40) int n,
            @ForAll @IntRange(max = 9999) int seed) {
        for (ContrastiveLoss loss : Cases.withTemperature(Similarity.DOT, tau)) {
            Case c = Cases.random(loss, n, n, 8, dtype, seed);
            Result one = run(device, c);
            Case doubled = c.withMatrices(times(2, c.queries()), times(2, c.keys()), times(2, c.negatives()))
                    .withTemperature(4 * tau)
                    .withLoss(withMarginTimes(4, loss));
            Result expected = new Result(
                    one.loss(),
                    one.rowLosses(),
                    times(0.5, one.dQueries()),
                    times(0.5, one.dKeys()),
                    times(0.5, one.dNegatives()),
                    one.dTemperature() / 4,
                    one.dBias(),
                    one.metrics(),
                    Oracle.evaluate(c).sizes());
            close(run(device, doubled), expected, c, device, seed);
        }
    }

    private static ContrastiveLoss withMarginTimes(double factor, ContrastiveLoss loss) {
        return loss.components().get("positiveMargin") instanceof Double margin
                ? loss.with(Map.of("positiveMargin", factor * margin))
                : loss;
    }

    /** Rows with shared negatives do not meet: the weighted sum is the sum over any split of the weights. */
    @Property(tries = TRIES, seed = JQWIK_SEED, shrinking = ShrinkingMode.OFF)
    void splitWeightsAddUpWithSharedNegatives(
            @ForAll("devices") String device,
            @ForAll("temperatures") double tau,
            @ForAll("similarities") Similarity similarity,
            @ForAll @IntRange(min = 2, max = 40) int n,
            @ForAll @IntRange(max = 9999) int seed) {
        InfoNce loss = InfoNce.withTemperature(tau)
                .withSimilarity(similarity)
                .withSharedNegatives()
                .withReduction(Reduction.SUM);
        Case c = Cases.random(loss, n, 17, 8, DType.FLOAT64, seed);
        float[] whole = new float[n];
        float[] left = new float[n];
        float[] right = new float[n];
        Random random = new Random(seed);
        for (int i = 0; i < n; i++) {
            left[i] = random.nextInt(8);
            right[i] = random.nextInt(8);
            whole[i] = left[i] + right[i];
        }
        Result one = run(device, c.withWeights(left));
        Result other = run(device, c.withWeights(right));
        Result sum = new Result(
                one.loss() + other.loss(),
                one.rowLosses(),
                plus(one.dQueries(), other.dQueries()),
                plus(one.dKeys(), other.dKeys()),
                plus(one.dNegatives(), other.dNegatives()),
                one.dTemperature() + other.dTemperature(),
                one.dBias() + other.dBias(),
                one.metrics(),
                Oracle.evaluate(c.withWeights(whole)).sizes());
        close(run(device, c.withWeights(whole)), sum, c, device, seed);
    }

    /** By a power of two, to the bit in every device as long as nothing is rounded into subnormals. */
    @Property(tries = TRIES, seed = JQWIK_SEED, shrinking = ShrinkingMode.OFF)
    void gradientsAreLinearInTheUpstreamGradient(
            @ForAll("devices") String device,
            @ForAll("similarities") Similarity similarity,
            @ForAll("dtypes") DType dtype,
            @ForAll @IntRange(min = 1, max = 40) int n,
            @ForAll @IntRange(max = 9999) int seed) {
        for (ContrastiveLoss loss : Cases.withTemperature(similarity, 0.5)) {
            Case c = Cases.random(loss, n, n, 8, dtype, seed);
            Result one = run(device, c);
            Result scaled = run(device, c.withUpstream(-4));
            Result expected = new Result(
                    one.loss(),
                    one.rowLosses(),
                    times(-4, one.dQueries()),
                    times(-4, one.dKeys()),
                    times(-4, one.dNegatives()),
                    -4 * one.dTemperature(),
                    -4 * one.dBias(),
                    one.metrics(),
                    Oracle.evaluate(c).sizes().times(4));
            close(scaled, expected, c, device, seed);
        }
    }

    private static int[] order(int n, long seed) {
        List<Integer> order = new ArrayList<>(IntStream.range(0, n).boxed().toList());
        Collections.shuffle(order, new Random(seed));
        return order.stream().mapToInt(i -> i).toArray();
    }

    /** Of one tower both views are permuted. */
    private static int[] permuted(int[] numbers, int[] order) {
        if (numbers == null) {
            return null;
        }
        int[] permuted = new int[numbers.length];
        for (int i = 0; i < numbers.length; i++) {
            permuted[i] = numbers[i / order.length * order.length + order[i % order.length]];
        }
        return permuted;
    }

    /** Of as many numbers a row. */
    private static float[] permuted(float[] numbers, int[] order) {
        int perRow = numbers.length / order.length;
        float[] permuted = new float[numbers.length];
        for (int i = 0; i < order.length; i++) {
            System.arraycopy(numbers, order[i] * perRow, permuted, i * perRow, perRow);
        }
        return permuted;
    }

    private static double[][] permuted(double[][] rows, int[] order) {
        return rows == null ? null : Arrays.stream(order).mapToObj(i -> rows[i]).toArray(double[][]::new);
    }

    private static Result exchanged(Result one, Result.Sizes sizes) {
        return new Result(
                one.loss(),
                one.rowLosses(),
                one.dKeys(),
                one.dQueries(),
                null,
                one.dTemperature(),
                one.dBias(),
                one.metrics(),
                sizes);
    }

    private static double[][] times(double factor, double[][] rows) {
        return rows == null
                ? null
                : Arrays.stream(rows)
                        .map(row -> Arrays.stream(row).map(v -> factor * v).toArray())
                        .toArray(double[][]::new);
    }

    private static double[][] plus(double[][] x, double[][] y) {
        return IntStream.range(0, x.length)
                .mapToObj(i -> IntStream.range(0, x[i].length)
                        .mapToDouble(d -> x[i][d] + y[i][d])
                        .toArray())
                .toArray(double[][]::new);
    }
}
