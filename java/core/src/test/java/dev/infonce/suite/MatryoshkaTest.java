package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.InfoNceException;
import dev.infonce.Matrix;
import dev.infonce.NtXent;
import dev.infonce.Outputs;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.Triplet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Sums of a loss over prefixes of the rows. */
class MatryoshkaTest extends DeviceSuite {
    private static final long SEED = 171;
    private static final int DIM = 9;
    private static final double SENTINEL = -12345;

    /** As in OracleTest. */
    private static final double BOUND = 1e-7;

    static List<ContrastiveLoss> losses() {
        return Cases.all(0.3);
    }

    private List<DType> dtypes() {
        return deviceName.startsWith("java")
                ? List.of(DType.FLOAT32, DType.FLOAT64)
                : List.of(DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16);
    }

    private void assertAsOracle(Case c, PlanOptions options) {
        Result expected = Oracle.evaluate(c);
        Result actual = Result.of(device, c, options);
        DType gradients = options.gradientDType(c.dtype());
        // 16-bit sums are rounded once a prefix
        Tolerances tolerances = Tolerances.of(deviceName, c, gradients).twice();
        String what = what(c, SEED) + ", " + options;
        Compare.assertClose(actual, expected, tolerances, what);
        Compare.assertClose(actual.metrics(), expected.metrics(), tolerances.metric(), what);
    }

    /** A type, and a number of rows. */
    private record Form(DType dtype, int n) {}

    /** With coordinates beyond the largest prefix and without, weighted and not, with each reduction. */
    @ParameterizedTest
    @MethodSource("losses")
    void lossGradientsAndMetricsAreTheOracles(ContrastiveLoss loss) {
        List<Form> forms = dtypes().stream()
                .flatMap(dtype -> Stream.of(new Form(dtype, 13), new Form(dtype, 16)))
                .toList();
        int turn = losses().indexOf(loss);
        for (Form form : Devices.orSome(deviceName, forms, turn, "types and sizes of prefixes")) {
            ContrastiveLoss reduced = loss.withReduction(Reduction.values()[turn++ % 3]);
            Case c = Cases.random(
                    reduced.matryoshka(2, 5, 8).withWeights(0.5, 1, 0.25), form.n, 17, DIM, form.dtype, SEED);
            assertAsOracle(c, PlanOptions.defaults());
            Case all = Cases.random(reduced.matryoshka(4, DIM), form.n, 10, DIM, form.dtype, SEED + form.n);
            assertAsOracle(
                    all.withWeights(Cases.weights(all.rows(), SEED)).withUpstream(-1.75f),
                    PlanOptions.defaults()
                            .withGradientDType(form.dtype == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 40})
    void manyKeysComeInStripsForEveryPrefix(int n) {
        int m = Devices.orSmaller(deviceName, 1700, 900, "many keys");
        for (ContrastiveLoss loss : List.of(
                InfoNce.withTemperature(0.3), InfoNce.withTemperature(0.3).withSharedNegatives())) {
            for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
                assertAsOracle(
                        Cases.random(loss.matryoshka(16, 40, 70), n, m, 70, dtype, SEED), PlanOptions.defaults());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void onePrefixOfAllCoordinatesIsThePlainLoss(ContrastiveLoss loss) {
        int turn = losses().indexOf(loss);
        for (DType dtype : Devices.orSome(deviceName, dtypes(), turn, "types of one prefix")) {
            Case c = Cases.random(loss, 11, 14, DIM, dtype, SEED);
            Result plain = Result.of(device, c);
            Compare.assertSameBits(Result.of(device, c.withLoss(loss.matryoshka(DIM))), plain, what(c, SEED));
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreThoseOfTheLossByCentralDifferences(ContrastiveLoss loss) {
        if (loss instanceof Triplet && loss.isMined()
                || Devices.leavesOut(deviceName, "central differences of prefixes")) {
            return; // what is mined may change with a step
        }
        Case c = Cases.random(loss.matryoshka(3, 4).withWeights(0.5, 2), 4, 6, 5, DType.FLOAT64, SEED);
        try (Plan plan = device.plan(c.loss(), c.shape(), c.dtype())) {
            Result numeric = CentralDifferences.of(
                    c, moved -> plan.forward(moved.inputs()).loss());
            Result exact = Result.of(plan.forwardBackward(c.inputs()));
            Compare.frobenius(exact.dQueries(), numeric.dQueries(), BOUND, what(c, SEED) + ": dQueries");
            Compare.frobenius(exact.dKeys(), numeric.dKeys(), BOUND, what(c, SEED) + ": dKeys");
            Compare.frobenius(exact.dNegatives(), numeric.dNegatives(), BOUND, what(c, SEED) + ": dNegatives");
            Compare.relative(exact.dTemperature(), numeric.dTemperature(), BOUND, what(c, SEED) + ": dTemperature");
            Compare.relative(exact.dBias(), numeric.dBias(), BOUND, what(c, SEED) + ": dBias");
        }
    }

    /** Whatever lies there. */
    @Test
    void coordinatesBeyondTheLargestPrefixAreNotReadAndHaveNoGradient() {
        ContrastiveLoss loss = InfoNce.withTemperature(0.3).symmetric().matryoshka(3, 6);
        Case c = Cases.random(loss, 10, 10, DIM, DType.FLOAT32, SEED);
        Result clean = Result.of(device, c);
        double[][] bad = Arrays.stream(c.queries())
                .map(row -> {
                    double[] copy = row.clone();
                    Arrays.fill(copy, 6, DIM, Double.NaN);
                    return copy;
                })
                .toArray(double[][]::new);
        Gradients out = new Gradients(filled(10), filled(10), null);
        try (Plan plan = device.plan(loss, c.shape(), c.dtype())) {
            Result actual = Result.of(
                    plan.forwardBackward(c.withMatrices(bad, c.keys(), null).inputs(), out));
            Compare.assertSameBits(actual, clean, what(c, SEED));
        }
        for (double[] row : clean.dKeys()) {
            assertThat(Arrays.copyOfRange(row, 6, DIM)).containsOnly(0);
            assertThat(row[5]).isNotZero();
        }
    }

    private static Matrix filled(int rows) {
        Matrix matrix = Matrix.zeros(DType.FLOAT32, rows, DIM);
        for (int i = 0; i < rows; i++) {
            for (int d = 0; d < DIM; d++) {
                matrix.set(i, d, SENTINEL);
            }
        }
        return matrix;
    }

    /** On the heap, outside, and in memory of the device, with gaps between rows that are left alone. */
    @Test
    void whereRowsLieChangesNoBit() {
        ContrastiveLoss loss = NtXent.withTemperature(0.3).matryoshka(2, 4, 7);
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            Case c = Cases.random(loss, 9, 9, DIM, dtype, SEED);
            Result dense = Result.of(device, c);
            try (Plan plan = device.plan(loss, c.shape(), dtype);
                    Arena arena = Arena.ofConfined()) {
                long stride = DIM + 2;
                Matrix[] wide = Stream.of(c.queries(), c.keys(), c.queries(), c.keys())
                        .map(rows -> wide(arena, rows, dtype, stride))
                        .toArray(Matrix[]::new);
                Matrix[] rows = Arrays.stream(wide)
                        .map(matrix -> Matrix.of(matrix.segment(), dtype, 9, DIM, stride))
                        .toArray(Matrix[]::new);
                Result strided = Result.of(
                        plan.forwardBackward(c.inputs(rows[0], rows[1], null), new Gradients(rows[2], rows[3], null)));
                Compare.assertSameBits(strided, dense, what(c, SEED));
                for (int i = 0; i < 9; i++) {
                    for (long d = DIM; d < stride; d++) {
                        assertThat(wide[2].get(i, d)).isEqualTo(SENTINEL);
                        assertThat(wide[3].get(i, d)).isEqualTo(SENTINEL);
                    }
                }
                Outputs out = Outputs.of(device.allocate(dtype, 9, DIM), device.allocate(dtype, 9, DIM));
                for (int call = 0; call < 2; call++) {
                    plan.forwardBackward(c.inputs(), out);
                    Compare.assertSameBits(
                            new Result(
                                    out.loss(),
                                    out.rowLosses(),
                                    Result.rows(out.gradients().dQueries()),
                                    Result.rows(out.gradients().dKeys()),
                                    null,
                                    out.dTemperature(),
                                    out.dBias(),
                                    out.metrics(),
                                    Result.Sizes.NONE),
                            dense,
                            what(c, SEED));
                }
            }
        }
    }

    private static Matrix wide(Arena arena, double[][] rows, DType dtype, long stride) {
        MemorySegment segment = arena.allocate(rows.length * stride * dtype.bytes(), dtype.bytes());
        Matrix matrix = Matrix.of(segment, dtype, rows.length, stride);
        for (int i = 0; i < rows.length; i++) {
            for (int d = 0; d < stride; d++) {
                matrix.set(i, d, d < rows[i].length ? rows[i][d] : SENTINEL);
            }
        }
        return matrix;
    }

    /** Which prefix has what is wrong does not matter: the largest sees it. */
    @ParameterizedTest
    @ValueSource(ints = {0, 7})
    void rowsThatAreNotFiniteAreRefusedBeforeAnythingIsWritten(int column) {
        ContrastiveLoss loss = InfoNce.withTemperature(0.3).matryoshka(2, 4, 8);
        Case c = Cases.random(loss, 6, 6, DIM, DType.FLOAT32, SEED);
        Matrix keys = c.matrix(c.keys());
        keys.set(3, column, Double.POSITIVE_INFINITY);
        Gradients out = new Gradients(filled(6), filled(6), null);
        try (Plan plan = device.plan(loss, c.shape(), c.dtype())) {
            assertThatThrownBy(() -> plan.forwardBackward(c.inputs(c.matrix(c.queries()), keys, null), out))
                    .isInstanceOf(InfoNceException.class)
                    .hasMessageContaining("keys")
                    .hasMessageContaining("row 3");
        }
        assertThat(out.dQueries().toFloatArray()).containsOnly((float) SENTINEL);
        assertThat(out.dKeys().toFloatArray()).containsOnly((float) SENTINEL);
    }

    /** Coordinates behind a prefix may make a similarity smaller: the prefix alone is beyond the range. */
    @Test
    void aSmallerPrefixRefusesWhatIsBeyondItsRange() {
        InfoNce loss = InfoNce.withTemperature(1e-9).withSimilarity(Similarity.DOT);
        double huge = 0x1p498;
        Matrix queries = Matrix.of(new double[] {huge, huge, 1, 1}, 2, 2);
        Matrix keys = Matrix.of(new double[] {-huge, huge, 1, 1}, 2, 2);
        Shape shape = Shape.of(2, 2, 2);
        try (Plan whole = device.plan(loss, shape, DType.FLOAT64);
                Plan prefixes = device.plan(loss.matryoshka(1, 2), shape, DType.FLOAT64)) {
            assertThat(whole.forwardBackward(queries, keys).loss()).isFinite();
            assertThatThrownBy(() -> prefixes.forwardBackward(queries, keys))
                    .isInstanceOf(InfoNceException.class)
                    .hasMessageContaining("queries")
                    .hasMessageContaining("range of float64");
        }
    }

    /** One after the other, they need no more than the one that needs most. */
    @Test
    void prefixesShareOneWorkspace() {
        ContrastiveLoss plain = InfoNce.withTemperature(0.3);
        Shape shape = Shape.of(40, 40, 256);
        try (Plan whole = device.plan(plain, shape, DType.FLOAT32);
                Plan prefixes = device.plan(plain.matryoshka(32, 64, 128, 256), shape, DType.FLOAT32)) {
            assertThat(prefixes.workspaceBytes()).isBetween(whole.workspaceBytes(), whole.workspaceBytes() + 1024);
        }
    }
}
