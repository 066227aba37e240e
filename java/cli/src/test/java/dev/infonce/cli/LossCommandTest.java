package dev.infonce.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.infonce.Device;
import dev.infonce.DeviceReport;
import dev.infonce.cli.npy.NpyArray;
import dev.infonce.cli.npy.NpyFile;
import dev.infonce.cli.npy.NpyType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Losses and gradients of the command line, against float64 formulas and central differences. */
class LossCommandTest {
    private static final long SEED = 20260301;
    private static final int N = 6;
    private static final int DIM = 5;
    /** What every backend promises, relative to float64 of the given inputs. */
    private static final double PROMISED = 1e-5;

    @TempDir
    private Path folder;

    record Case(String loss, String form, String metric, double temperature, String device, boolean wide) {
        boolean hasMargin() {
            return loss.equals("contrastive") || loss.equals("triplet");
        }

        @Override
        public String toString() {
            return loss + " " + form + " " + metric + (hasMargin() ? "" : " tau " + temperature) + " on " + device
                    + (wide ? " float64" : " float32");
        }
    }

    static Stream<Case> cases() {
        List<Case> cases = new ArrayList<>();
        List<String> similarities = List.of("cosine", "dot", "neg-squared-euclidean", "neg-euclidean");
        List<String> distances = List.of("euclidean", "squared-euclidean", "cosine");
        for (String device : devices()) {
            for (boolean wide : List.of(false, true)) {
                for (String similarity : similarities) {
                    for (double tau : List.of(1.0, 0.07)) {
                        cases.add(new Case("infonce", "in-batch", similarity, tau, device, wide));
                        cases.add(new Case("infonce", "more keys", similarity, tau, device, wide));
                        cases.add(new Case("infonce", "shared", similarity, tau, device, wide));
                        cases.add(new Case("infonce", "own", similarity, tau, device, wide));
                        cases.add(new Case("symmetric", "two", similarity, tau, device, wide));
                        cases.add(new Case("ntxent", "two", similarity, tau, device, wide));
                        cases.add(new Case("ntxent", "one", similarity, tau, device, wide));
                        cases.add(new Case("nt-logistic", "two", similarity, tau, device, wide));
                        cases.add(new Case("nt-logistic", "one", similarity, tau, device, wide));
                        cases.add(new Case("nt-logistic", "triples", similarity, tau, device, wide));
                    }
                }
                for (String distance : distances) {
                    cases.add(new Case("contrastive", "pairs", distance, 1, device, wide));
                    cases.add(new Case("triplet", "triples", distance, 1, device, wide));
                }
            }
        }
        return cases.stream();
    }

    private static List<String> devices() {
        return Device.report().stream()
                .filter(DeviceReport::available)
                .map(DeviceReport::name)
                .filter(name -> !name.equals("emulated"))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void lossAndGradientsAreThoseOfTheFormulas(Case test) throws IOException {
        Problem problem = new Problem(test, SEED + test.toString().hashCode());
        problem.write();
        Path gradients = folder.resolve("gradients");
        List<String> arguments = problem.arguments();
        arguments.addAll(List.of("--gradients", gradients.toString(), "--json"));
        JsonNode json = json(arguments);

        double loss = problem.oracle.mean();
        assertThat(json.get("loss").doubleValue()).isCloseTo(loss, within(PROMISED * Math.abs(loss)));
        assertThat(json.get("device").textValue()).isEqualTo(test.device());
        assertThat(json.get("dim").intValue()).isEqualTo(DIM);
        double[] tau = {test.temperature()};
        double dTemperature = test.hasMargin()
                ? 0
                : problem.oracle.derivative(
                        tau, 0, oracle -> oracle.withTemperature(tau[0]).mean());
        assertThat(json.get("dTemperature").doubleValue())
                .isCloseTo(dTemperature, within(2 * PROMISED * (Math.abs(dTemperature) + 1e-4)));
        assertGradient(gradients.resolve("dQueries.npy"), test, problem.oracle, problem.oracle.queries());
        if (problem.oracle.keys() != null) {
            assertGradient(gradients.resolve("dKeys.npy"), test, problem.oracle, problem.oracle.keys());
        } else {
            assertThat(gradients.resolve("dKeys.npy")).doesNotExist();
        }
        if (problem.oracle.negatives() != null) {
            double[][] rows =
                    Stream.of(problem.oracle.negatives()).flatMap(Stream::of).toArray(double[][]::new);
            assertGradient(gradients.resolve("dNegatives.npy"), test, problem.oracle, rows);
        }
    }

    /** Relative in the Frobenius norm; 1e-7 of slack is the differences' own error. */
    private static void assertGradient(Path file, Case test, LossOracle oracle, double[][] rows) throws IOException {
        ToDoubleFunction<LossOracle> value = LossOracle::mean;
        double error = 0;
        double norm = 0;
        try (Arena arena = Arena.ofConfined()) {
            NpyArray array = NpyFile.read(file, arena);
            assertThat(array.header().type()).isEqualTo(test.wide() ? NpyType.FLOAT64 : NpyType.FLOAT32);
            assertThat(array.header().elements()).isEqualTo((long) rows.length * DIM);
            for (int i = 0; i < rows.length; i++) {
                for (int k = 0; k < DIM; k++) {
                    double wanted = oracle.derivative(rows[i], k, value);
                    error += Math.pow(array.get((long) i * DIM + k) - wanted, 2);
                    norm += wanted * wanted;
                }
            }
        }
        assertThat(Math.sqrt(error))
                .as(file.getFileName().toString())
                .isLessThan(2 * PROMISED * Math.sqrt(norm) + 1e-7);
    }

    @Test
    void reductionNoneGivesAnArrayOfWeightedRowLosses() throws IOException {
        Problem problem = new Problem(new Case("infonce", "in-batch", "cosine", 0.5, "java", true), SEED);
        problem.write();
        List<String> arguments = problem.arguments();
        arguments.addAll(List.of("--reduction", "none", "--json"));
        JsonNode losses = json(arguments).get("loss");
        double[] wanted = problem.oracle.rows();
        assertThat(losses).hasSize(N);
        for (int i = 0; i < N; i++) {
            assertThat(losses.get(i).doubleValue()).isCloseTo(wanted[i], within(1e-12));
        }
    }

    @Test
    void reductionSumAddsTheRowLosses() throws IOException {
        Problem problem = new Problem(new Case("ntxent", "one", "cosine", 0.5, "java", true), SEED);
        problem.write();
        List<String> arguments = problem.arguments();
        arguments.addAll(List.of("--reduction", "sum", "--json"));
        assertThat(json(arguments).get("loss").doubleValue()).isCloseTo(problem.oracle.sum(), within(1e-12));
    }

    @Test
    void negativesOfNtLogisticCanBeSummed() throws IOException {
        Problem problem = new Problem(new Case("nt-logistic", "two", "cosine", 0.5, "java", true), SEED);
        problem.write();
        List<String> arguments = problem.arguments();
        arguments.addAll(List.of("--negative-reduction", "sum", "--json"));
        LossOracle oracle = problem.oracle;
        double wanted = new LossOracle(
                        oracle.loss(),
                        oracle.queries(),
                        oracle.keys(),
                        null,
                        null,
                        oracle.weights(),
                        0.5,
                        0,
                        "cosine",
                        true)
                .mean();
        assertThat(json(arguments).get("loss").doubleValue()).isCloseTo(wanted, within(1e-12));
    }

    @Test
    void theJsonObjectHasItsKeysAndNullForMetricsWithoutMeaning() throws IOException {
        Problem problem = new Problem(new Case("contrastive", "pairs", "euclidean", 1, "java", false), SEED);
        problem.write();
        List<String> arguments = problem.arguments();
        arguments.add("--json");
        JsonNode json = json(arguments);
        assertThat(json.fieldNames())
                .toIterable()
                .containsExactly("loss", "dTemperature", "device", "n", "m", "dim", "metrics");
        assertThat(json.get("metrics").fieldNames())
                .toIterable()
                .containsExactly(
                        "top1Accuracy",
                        "topKAccuracy",
                        "positiveSimilarity",
                        "negativeSimilarity",
                        "alignment",
                        "uniformity",
                        "effectiveNegatives",
                        "rows",
                        "zeroRows",
                        "nonFiniteRows");
        assertThat(json.get("metrics").get("effectiveNegatives").isNull()).isTrue();
        assertThat(json.get("metrics").get("rows").intValue()).isEqualTo(N);
        assertThat(json.get("n").intValue()).isEqualTo(N);
        assertThat(json.get("m").intValue()).isEqualTo(N);
    }

    @Test
    void mixedElementTypesAreComputedInFloat64AndWrittenAsTheyCame() throws IOException {
        Problem problem = new Problem(new Case("infonce", "in-batch", "cosine", 0.1, "java", true), SEED);
        problem.write();
        double[][] narrow = problem.oracle.queries();
        for (double[] row : narrow) {
            for (int k = 0; k < DIM; k++) {
                row[k] = (float) row[k];
            }
        }
        NpyTestFiles.floats(folder.resolve("queries.npy"), "(6, 5)", Problem.flat(narrow));
        List<String> arguments = problem.arguments();
        arguments.addAll(List.of("--json", "--gradients", folder.toString()));
        double loss = json(arguments).get("loss").doubleValue();
        assertThat(loss).isCloseTo(problem.oracle.mean(), within(1e-12 * loss));
        try (Arena arena = Arena.ofConfined()) {
            assertThat(NpyFile.read(folder.resolve("dQueries.npy"), arena)
                            .header()
                            .type())
                    .isEqualTo(NpyType.FLOAT32);
            assertThat(NpyFile.read(folder.resolve("dKeys.npy"), arena).header().type())
                    .isEqualTo(NpyType.FLOAT64);
        }
    }

    @Test
    void labelsMayBeOfAnyNumberType() throws IOException {
        Problem problem = new Problem(new Case("contrastive", "pairs", "euclidean", 1, "java", false), SEED);
        problem.write();
        String first = Cli.run(problem.arguments().toArray(String[]::new)).out();
        int[] labels = problem.oracle.labels();
        NpyTestFiles.bytes(folder.resolve("labels.npy"), "|b1", "(6,)", labels);
        assertThat(Cli.run(problem.arguments().toArray(String[]::new)).out()).isEqualTo(first);
        double[] numbers = new double[labels.length];
        for (int i = 0; i < labels.length; i++) {
            numbers[i] = labels[i];
        }
        NpyTestFiles.doubles(folder.resolve("labels.npy"), "(6,)", numbers);
        assertThat(Cli.run(problem.arguments().toArray(String[]::new)).out()).isEqualTo(first);
    }

    @Test
    void noNegativesAtAllMeanNoLoss() throws IOException {
        Problem problem = new Problem(new Case("infonce", "in-batch", "cosine", 0.1, "java", false), SEED);
        problem.write();
        List<String> arguments = problem.arguments();
        Path none = NpyTestFiles.floats(folder.resolve("none.npy"), "(0, 5)");
        arguments.addAll(List.of("--negatives", none.toString(), "--json", "--gradients", folder.toString()));
        JsonNode json = json(arguments);
        assertThat(json.get("loss").doubleValue()).isZero();
        assertThat(json.get("m").intValue()).isZero();
        assertThat(folder.resolve("dNegatives.npy")).exists();
    }

    @Test
    void withoutJsonTheResultIsForPeople() throws IOException {
        Problem problem = new Problem(new Case("infonce", "in-batch", "cosine", 0.1, "java", false), SEED);
        problem.write();
        Cli.Result result = Cli.run(problem.arguments().toArray(String[]::new));
        assertThat(result.code()).isZero();
        assertThat(result.err()).isEmpty();
        assertThat(result.out()).contains("loss ", "dTemperature", "n = 6, m = 6, dim = 5, float32", "top1Accuracy");
    }

    private static JsonNode json(List<String> arguments) throws IOException {
        Cli.Result result = Cli.run(arguments.toArray(String[]::new));
        assertThat(result.err()).isEmpty();
        assertThat(result.code()).isZero();
        return new ObjectMapper().readTree(result.out());
    }

    /** Random inputs of a case, as files and as an oracle. */
    private final class Problem {
        private final Case test;
        private final LossOracle oracle;

        Problem(Case test, long seed) {
            this.test = test;
            Random random = new Random(seed);
            boolean one = test.form().equals("one");
            double[][] queries = matrix(random, N);
            double[][] keys = one ? null : matrix(random, test.form().equals("more keys") ? N + 3 : N);
            double[][][] negatives = switch (test.form()) {
                case "shared" -> new double[][][] {matrix(random, 4)};
                case "own" -> Stream.generate(() -> matrix(random, 4)).limit(N).toArray(double[][][]::new);
                case "triples" -> new double[][][] {matrix(random, N)};
                default -> null;
            };
            boolean tower = test.loss().equals("ntxent") || test.loss().equals("nt-logistic") && negatives == null;
            double[] weights = new double[tower && !one ? 2 * N : N];
            for (int i = 0; i < weights.length; i++) {
                weights[i] = (float) random.nextDouble();
            }
            int[] labels = test.loss().equals("contrastive") ? new int[] {1, 0, 0, 1, 0, 1} : null;
            oracle = new LossOracle(
                    test.loss(),
                    queries,
                    keys,
                    negatives,
                    labels,
                    weights,
                    test.temperature(),
                    0.9,
                    test.metric(),
                    false);
        }

        private double[][] matrix(Random random, int rows) {
            double[][] matrix = new double[rows][DIM];
            for (double[] row : matrix) {
                for (int k = 0; k < DIM; k++) {
                    row[k] = test.wide() ? 0.5 * random.nextGaussian() : (float) (0.5 * random.nextGaussian());
                }
            }
            return matrix;
        }

        void write() throws IOException {
            write("queries", "(%d, %d)".formatted(oracle.queries().length, DIM), flat(oracle.queries()));
            if (oracle.keys() != null) {
                write("keys", "(%d, %d)".formatted(oracle.keys().length, DIM), flat(oracle.keys()));
            }
            if (oracle.negatives() != null) {
                double[] numbers =
                        flat(Stream.of(oracle.negatives()).flatMap(Stream::of).toArray(double[][]::new));
                write(
                        "negatives",
                        test.form().equals("own")
                                ? "(%d, 4, %d)".formatted(N, DIM)
                                : "(%d, %d)".formatted(numbers.length / DIM, DIM),
                        numbers);
            }
            NpyTestFiles.floats(
                    folder.resolve("weights.npy"), "(%d,)".formatted(oracle.weights().length), oracle.weights());
            if (oracle.labels() != null) {
                NpyTestFiles.bytes(folder.resolve("labels.npy"), "|u1", "(6,)", oracle.labels());
            }
        }

        private void write(String name, String shape, double[] numbers) throws IOException {
            if (test.wide()) {
                NpyTestFiles.doubles(folder.resolve(name + ".npy"), shape, numbers);
            } else {
                NpyTestFiles.floats(folder.resolve(name + ".npy"), shape, numbers);
            }
        }

        List<String> arguments() {
            List<String> arguments = new ArrayList<>(List.of("loss", "--loss", test.loss(), "--device", test.device()));
            for (String name : List.of("queries", "keys", "negatives", "labels", "weights")) {
                Path file = folder.resolve(name + ".npy");
                if (Files.exists(file)) {
                    arguments.addAll(List.of("--" + name, file.toString()));
                }
            }
            arguments.addAll(
                    test.hasMargin()
                            ? List.of("--margin", "0.9", "--distance", test.metric(), "--temperature", "0.07")
                            : List.of("--temperature", "" + test.temperature(), "--similarity", test.metric()));
            return arguments;
        }

        static double[] flat(double[][] rows) {
            return Stream.of(rows).flatMapToDouble(java.util.Arrays::stream).toArray();
        }
    }
}
