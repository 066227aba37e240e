package dev.infonce.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.InfoNce;
import dev.infonce.Metrics;
import dev.infonce.Mining;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Triplet;
import dev.infonce.cli.npy.NpyArray;
import dev.infonce.cli.npy.NpyFile;
import dev.infonce.cli.npy.NpyHeader;
import dev.infonce.cli.npy.NpyType;
import dev.infonce.suite.Case;
import dev.infonce.suite.Cases;
import dev.infonce.suite.Compare;
import dev.infonce.suite.Oracle;
import dev.infonce.suite.Result;
import dev.infonce.suite.Tolerances;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What the command line prints and writes is what the oracle says of the same numbers. */
class LossCommandTest {
    private static final long SEED = 20260301;
    private static final int DIM = 5;

    @TempDir
    private Path folder;

    static Stream<Arguments> calls() {
        List<ContrastiveLoss> losses = DoubleStream.of(1, 0.07)
                .boxed()
                .flatMap(tau -> Cases.all(tau).stream())
                .distinct()
                .toList();
        return Device.report().stream()
                .filter(device -> device.available() && !device.name().equals("emulated"))
                .flatMap(device -> Stream.of(DType.FLOAT32, DType.FLOAT64)
                        .flatMap(dtype -> losses.stream().map(loss -> Arguments.of(device.name(), dtype, loss))));
    }

    /** With more keys or negatives than rows and fewer, and with a tower in one matrix and in two. */
    @ParameterizedTest
    @MethodSource("calls")
    void lossGradientsAndMetricsAreTheOracles(String device, DType dtype, ContrastiveLoss loss) throws IOException {
        assertAsOracle(device, random(loss, 6, 9, dtype));
        assertAsOracle(device, random(loss, 7, 4, dtype));
    }

    @ParameterizedTest
    @EnumSource
    void rowLossesAreReduced(Reduction reduction) throws IOException {
        for (ContrastiveLoss loss : Cases.all(0.5)) {
            assertAsOracle("java", random(loss.withReduction(reduction), 6, 6, DType.FLOAT64));
        }
    }

    @Test
    void aLossWithAMarginIgnoresATemperature() throws IOException {
        Case c = random(Triplet.withMargin(0.9), 6, 6, DType.FLOAT32);
        String without = Cli.run(arguments(c)).out();
        assertThat(Cli.run(arguments(c, "--temperature", "0.07")).out()).isEqualTo(without);
    }

    @ParameterizedTest
    @EnumSource
    void thresholdsGoWithGroupsMarginsAndNegatives(Similarity similarity) throws IOException {
        for (ContrastiveLoss loss : Cases.withThresholds(similarity, 0.4)) {
            assertAsOracle(
                    "java",
                    Cases.awayFromLimits(1e-5, SEED, seed -> Cases.random(loss, 6, 8, DIM, DType.FLOAT32, seed)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void blocksGoWithGroupsMarginsAndThresholds(Similarity similarity) throws IOException {
        for (ContrastiveLoss loss : Cases.withBlocks(similarity, 0.4)) {
            assertAsOracle(
                    "java",
                    Cases.awayFromLimits(1e-5, SEED, seed -> Cases.random(loss, 6, 8, DIM, DType.FLOAT32, seed)));
        }
    }

    @Test
    void prefixesGoWithEveryLoss() throws IOException {
        for (ContrastiveLoss loss : Cases.all(0.5)) {
            assertAsOracle("java", random(loss.matryoshka(2, 4, DIM), 6, 9, DType.FLOAT64));
            assertAsOracle("java", random(loss.matryoshka(3), 6, 6, DType.FLOAT32));
        }
    }

    @ParameterizedTest
    @EnumSource
    void ownNegativesGoWithAllThatTheBatchGoesWith(Similarity similarity) throws IOException {
        for (ContrastiveLoss loss : Cases.withOwnNegativesToo(similarity, 0.4)) {
            assertAsOracle(
                    "java",
                    Cases.awayFromLimits(1e-5, SEED, seed -> Cases.random(loss, 6, 8, DIM, DType.FLOAT32, seed)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void queuesAndOffsetsOfKeysGoWithAllThatTheyGoWith(Similarity similarity) throws IOException {
        for (ContrastiveLoss loss : Cases.withKeyOffsets(similarity, 0.4)) {
            assertAsOracle(
                    "java",
                    Cases.awayFromLimits(1e-5, SEED, seed -> Cases.random(loss, 6, 8, DIM, DType.FLOAT32, seed)));
        }
        for (ContrastiveLoss loss : Cases.ofQueues(similarity, 0.4)) {
            assertAsOracle(
                    "java",
                    Cases.awayFromLimits(
                            1e-5,
                            SEED,
                            seed -> Cases.withQueue(Cases.random(loss, 5, 7, DIM, DType.FLOAT64, seed), 4, seed)));
        }
    }

    private void assertAsOracle(String device, Case c) throws IOException {
        Path files = Files.createTempDirectory(folder, "case");
        List<String> arguments = CaseFiles.write(files, c);
        arguments.addAll(List.of("--device", device, "--json", "--gradients", files.toString()));
        JsonNode json = json(arguments.toArray(String[]::new));
        assertThat(json.get("device").textValue()).isEqualTo(device);
        assertThat(json.get("n").longValue()).isEqualTo(c.shape().n());
        assertThat(json.path("ownNegatives").longValue()).isEqualTo(c.shape().ownNegatives());
        assertThat(json.path("queue").longValue()).isEqualTo(c.shape().queue());
        assertThat(json.get("m").longValue()).isEqualTo(c.shape().m());
        assertThat(json.get("dim").longValue()).isEqualTo(DIM);

        Result actual = result(json, files);
        Result expected = Oracle.evaluate(c);
        Tolerances tolerances = Tolerances.of(device, c);
        String what = device + ", " + c + ", seed " + SEED;
        Compare.assertClose(actual, expected, tolerances, what);
        Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what);
    }

    private static Result result(JsonNode json, Path files) throws IOException {
        JsonNode loss = json.get("loss");
        JsonNode metrics = json.get("metrics");
        return new Result(
                loss.isArray() ? Double.NaN : loss.doubleValue(),
                IntStream.range(0, loss.size())
                        .mapToDouble(i -> loss.get(i).doubleValue())
                        .toArray(),
                gradient(files, "queries", "dQueries"),
                gradient(files, "keys", "dKeys"),
                gradient(files, "negatives", "dNegatives"),
                json.get("dTemperature").doubleValue(),
                json.has("dBias") ? json.get("dBias").doubleValue() : 0,
                new Metrics(
                        number(metrics, "top1Accuracy"),
                        number(metrics, "topKAccuracy"),
                        number(metrics, "positiveSimilarity"),
                        number(metrics, "negativeSimilarity"),
                        number(metrics, "alignment"),
                        number(metrics, "uniformity"),
                        number(metrics, "effectiveNegatives"),
                        metrics.get("rows").longValue(),
                        metrics.get("zeroRows").longValue(),
                        metrics.get("nonFiniteRows").longValue(),
                        metrics.get("rowsWithoutPositives").longValue(),
                        metrics.get("rowsWithoutNegatives").longValue()),
                Result.Sizes.NONE);
    }

    private static double number(JsonNode metrics, String name) {
        return metrics.get(name).isNull() ? Double.NaN : metrics.get(name).doubleValue();
    }

    /** The rows of a gradient, shaped as its input; null, and no file, where there is no such input. */
    private static double[][] gradient(Path files, String input, String name) throws IOException {
        Path file = files.resolve(name + ".npy");
        if (!Files.exists(files.resolve(input + ".npy"))) {
            assertThat(file).doesNotExist();
            return null;
        }
        try (Arena arena = Arena.ofConfined()) {
            NpyArray array = NpyFile.read(file, arena);
            NpyHeader inputs =
                    NpyFile.read(files.resolve(input + ".npy"), arena).header();
            NpyType type = inputs.type() == NpyType.FLOAT64 ? NpyType.FLOAT64 : NpyType.FLOAT32;
            assertThat(array.header()).isEqualTo(new NpyHeader(type, inputs.shape()));
            double[][] rows = new double[Math.toIntExact(array.header().elements() / DIM)][DIM];
            for (int i = 0; i < rows.length; i++) {
                for (int d = 0; d < DIM; d++) {
                    rows[i][d] = array.get((long) i * DIM + d);
                }
            }
            return rows;
        }
    }

    @Test
    void theJsonObjectHasItsKeysAndNullForMetricsWithoutMeaning() throws IOException {
        Case c = random(PairwiseContrastive.withMargin(0.9), 6, 6, DType.FLOAT32);
        JsonNode json = json(arguments(c, "--json"));
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
                        "nonFiniteRows",
                        "rowsWithoutPositives",
                        "rowsWithoutNegatives");
        assertThat(json.get("metrics").get("effectiveNegatives").isNull()).isTrue();
    }

    @Test
    void mixedElementTypesAreComputedInFloat64AndWrittenAsTheyCame() throws IOException {
        InfoNce loss = InfoNce.withTemperature(0.1);
        Case narrow = random(loss, 6, 6, DType.FLOAT32);
        Case wide = random(loss, 6, 6, DType.FLOAT64);
        Case mixed = wide.withMatrices(narrow.queries(), wide.keys(), null);
        List<String> arguments = CaseFiles.write(folder, mixed);
        CaseFiles.matrix(folder, "queries", DType.FLOAT32, mixed.queries());
        arguments.addAll(List.of("--device", "java", "--json", "--gradients", folder.toString()));
        Result actual = result(json(arguments.toArray(String[]::new)), folder);
        Compare.relative(actual.loss(), Oracle.evaluate(mixed).loss(), 1e-12, "loss of " + mixed);
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
        Case c = random(PairwiseContrastive.withMargin(0.9), 6, 6, DType.FLOAT32);
        String[] arguments = arguments(c);
        String first = Cli.run(arguments).out();
        NpyTestFiles.bytes(folder.resolve("labels.npy"), "|b1", "(6,)", c.labels());
        assertThat(Cli.run(arguments).out()).isEqualTo(first);
        double[] numbers = IntStream.of(c.labels()).asDoubleStream().toArray();
        NpyTestFiles.doubles(folder.resolve("labels.npy"), "(6,)", numbers);
        assertThat(Cli.run(arguments).out()).isEqualTo(first);
    }

    /** Numbers of any size, and an odd count of rows; what labels are called makes no difference. */
    @Test
    void rowLabelsMayBeOfAnyNumberType() throws IOException {
        Case c = random(Triplet.withMargin(0.4).mining(Mining.SEMI_HARD), 7, 7, DType.FLOAT32)
                .withLabels(0, 1, 0, -1, 1, 0, -1);
        String[] arguments = arguments(c);
        String first = Cli.run(arguments).out();
        assertThat(first).contains("n = 7, m = 0");
        double[] renamed = {1L << 52, 3, 1L << 52, -8, 3, 1L << 52, -(1L << 52)};
        NpyTestFiles.doubles(folder.resolve("row-labels.npy"), "(7, 1)", renamed);
        assertThat(Cli.run(arguments).out()).isEqualTo(first);
        NpyTestFiles.doubles(folder.resolve("row-labels.npy"), "(7,)", 5, 5, 5, 5, 5, 5, 5);
        assertThat(Cli.run(arguments).out()).isNotEqualTo(first).startsWith("loss");
    }

    @Test
    void noNegativesAtAllMeanNoLoss() throws IOException {
        Case c = random(InfoNce.withTemperature(0.1), 6, 6, DType.FLOAT32);
        Path none = NpyTestFiles.floats(folder.resolve("none.npy"), "(0, 5)");
        JsonNode json = json(arguments(c, "--negatives", none.toString(), "--json", "--gradients", folder.toString()));
        assertThat(json.get("loss").doubleValue()).isZero();
        assertThat(json.get("m").intValue()).isZero();
        assertThat(folder.resolve("dNegatives.npy")).exists();
    }

    @Test
    void withoutJsonTheResultIsForPeople() throws IOException {
        Cli.Result result = Cli.run(arguments(random(InfoNce.withTemperature(0.1), 6, 6, DType.FLOAT32)));
        assertThat(result.code()).isZero();
        assertThat(result.err()).isEmpty();
        assertThat(result.out()).contains("loss ", "dTemperature", "n = 6, m = 6, dim = 5, float32", "top1Accuracy");
    }

    @Test
    void theHelpSaysWhatEveryLossTakes() {
        String help = Cli.run("loss", "--help").out().replaceAll("\\s+", " ");
        assertThat(help)
                .contains(
                        "Which loss: infonce, symmetric, ",
                        "those beside the other keys; for infonce, ",
                        "of any number type; for contrastive.",
                        "Margin, needed for contrastive, triplet and circle.",
                        "For contrastive and triplet: euclidean, squared-euclidean, cosine",
                        "For nt-logistic without --negatives",
                        "For siglip: added to every logit (default: 0).",
                        "--prefixes=D,D,... The sum of the losses of the first D numbers of all rows",
                        " infonce queries, keys (M rows, M >= N; row i's positive is key i);"
                                + " or N keys and negatives M x D (shared) or N x M x D (own); or queries, keys (M rows) and"
                                + " negatives N x K x D, with --own-negatives-too ",
                        " symmetric queries, keys (N rows each) ",
                        " ntxent queries (2N rows, row i and row i + N being two views);"
                                + " or one view each as queries and keys ",
                        " nt-logistic as ntxent; or triples: queries, keys, negatives ",
                        " contrastive queries, keys and labels (1 alike, 0 not) ",
                        " triplet queries (anchors), keys (positives), negatives; or queries and row labels, with"
                                + " --mining ",
                        "For triplet, triplets among the rows: none, batch-all, batch-hard, semi-hard, easy-positive,"
                                + " batch-easy (default: none)",
                        "With --mining and for supcon, multi-similarity and circle: a whole number for each row",
                        " multi-similarity queries and row labels ",
                        " circle as multi-similarity ",
                        "Needed for circle: of its penalties, above 0.",
                        "Needed for multi-similarity: of the penalties of positives, above 0.",
                        "For multi-similarity: the similarity about which pairs are weighed (default: 0.5).",
                        "For supcon, how a row's positives make one loss: outside, inside, sum (default: outside).",
                        " supcon queries and row labels; or one view each as queries and keys, and 2N row labels;"
                                + " or two towers: queries, row labels, keys (M rows), key labels");
        assertThat(ContrastiveLoss.kinds()).allSatisfy(kind -> assertThat(help).contains(" " + kind.word() + " "));
    }

    private static Case random(ContrastiveLoss loss, int n, int m, DType dtype) {
        Case c = Cases.random(loss, n, m, DIM, dtype, SEED);
        return c.withWeights(Cases.weights(c.rows(), SEED));
    }

    /** For device java, and more behind it. */
    private String[] arguments(Case c, String... more) throws IOException {
        List<String> arguments = new ArrayList<>(CaseFiles.write(folder, c));
        arguments.addAll(List.of("--device", "java"));
        arguments.addAll(List.of(more));
        return arguments.toArray(String[]::new);
    }

    private static JsonNode json(String... arguments) throws IOException {
        Cli.Result result = Cli.run(arguments);
        assertThat(result.err()).isEmpty();
        assertThat(result.code()).isZero();
        return new ObjectMapper().readTree(result.out());
    }
}
