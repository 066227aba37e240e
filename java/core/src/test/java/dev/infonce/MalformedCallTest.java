package dev.infonce;

import static dev.infonce.Malformed.argument;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Plans and calls that do not go together, on every device: refused, and no output touched. */
class MalformedCallTest extends OnEachDevice {
    private static final int N = 4;
    private static final int DIM = 3;

    private final Matrix four = Samples.heap(DType.FLOAT32, N, DIM, 1);
    private final Matrix keys = Samples.heap(DType.FLOAT32, N, DIM, 2);
    private final Matrix three = Samples.heap(DType.FLOAT32, 3, DIM, 3);
    private final Matrix wide = Samples.heap(DType.FLOAT32, N, DIM + 1, 4);
    private final Matrix doubles = Samples.heap(DType.FLOAT64, N, DIM, 5);
    private final Inputs good = Inputs.of(four, keys);

    @TestFactory
    List<DynamicTest> plansAreRefused() {
        InfoNce infoNce = InfoNce.withTemperature(0.5);
        return named(List.of(
                plan("fewer keys than queries", infoNce, Shape.of(4, 3, 2), "shape", "m >= n", "n = 4, m = 3"),
                plan("symmetric with more keys", infoNce.symmetric(), Shape.of(4, 5, 2), "m = n", "m = 5"),
                plan("odd tower", NtXent.withTemperature(1), Shape.tower(5, 2), "even", "n = 5"),
                plan("views of two sizes", NtXent.withTemperature(1), Shape.of(4, 6, 2), "m = n", "or m = 0", "m = 6"),
                plan("odd logistic tower", NtLogistic.withTemperature(1), Shape.tower(3, 2), "even", "n = 3"),
                plan(
                        "triples of two sizes",
                        NtLogistic.withTemperature(1).withPairedNegatives(),
                        Shape.of(4, 0, 2),
                        "NtLogistic needs m = n",
                        "m = 0"),
                plan("pairs of two sizes", PairwiseContrastive.withMargin(1), Shape.of(4, 5, 2), "m = n", "m = 5"),
                plan("triplets of two sizes", Triplet.withMargin(1), Shape.of(4, 3, 2), "m = n", "m = 3"),
                plan(
                        "pairs of two matrices",
                        MultiSimilarity.withScales(2, 50),
                        Shape.of(4, 4, 2),
                        "shape: a MultiSimilarity needs m = 0, all rows in one matrix, but got n = 4, m = 4"),
                plan(
                        "mined triplets of two matrices",
                        Triplet.withMargin(1).mining(Mining.BATCH_HARD),
                        Shape.pairs(4, 2),
                        "shape: a mined Triplet needs m = 0",
                        "n = 4, m = 4"),
                plan(
                        "no own negatives",
                        infoNce.withOwnNegativesToo(),
                        Shape.of(4, 4, 2),
                        "shape: InfoNce with IN_BATCH_AND_OWN negatives needs ownNegatives >= 1, but got 0"),
                plan(
                        "own negatives of another loss",
                        infoNce,
                        Shape.of(4, 4, 2).withOwnNegatives(3),
                        "shape: InfoNce with IN_BATCH negatives needs ownNegatives = 0, but got 3"),
                plan(
                        "own negatives beside own ones",
                        infoNce.withOwnNegatives(),
                        Shape.of(4, 4, 2).withOwnNegatives(1),
                        "InfoNce with OWN negatives needs ownNegatives = 0"),
                plan(
                        "fewer keys than queries with own negatives",
                        infoNce.withOwnNegativesToo(),
                        Shape.of(4, 3, 2).withOwnNegatives(1),
                        "m >= n",
                        "n = 4, m = 3"),
                plan(
                        "a queue of columns",
                        infoNce.symmetric(),
                        Shape.of(4, 4, 2).withQueue(3),
                        "shape: a symmetric InfoNce needs queue = 0, as rows of a queue have no queries, but got 3"),
                plan(
                        "a queue behind shared negatives",
                        infoNce.withSharedNegatives(),
                        Shape.of(4, 4, 2).withQueue(3),
                        "shape: InfoNce needs queue = 0, as only InfoNce with IN_BATCH or IN_BATCH_AND_OWN negatives and SupCon of two"
                                + " towers have keys that a queue lengthens, but got 3"),
                noQueue(infoNce.withOwnNegatives(), Shape.of(4, 4, 2)),
                noQueue(NtXent.withTemperature(1), Shape.pairs(4, 2)),
                noQueue(NtLogistic.withTemperature(1), Shape.tower(4, 2)),
                noQueue(NtLogistic.withTemperature(1).withPairedNegatives(), Shape.pairs(4, 2)),
                noQueue(SupCon.withTemperature(1), Shape.pairs(4, 2)),
                noQueue(SigLip.learned(), Shape.pairs(4, 2)),
                noQueue(KlDistillation.withTemperature(1), Shape.of(4, 4, 2)),
                noQueue(MarginMse.ofDots(), Shape.of(4, 4, 2)),
                noQueue(PairwiseContrastive.withMargin(1), Shape.pairs(4, 2)),
                noQueue(Triplet.withMargin(1), Shape.pairs(4, 2)),
                noQueue(Triplet.withMargin(1).mining(Mining.BATCH_ALL), Shape.tower(4, 2)),
                noQueue(Circle.withMarginAndScale(0.25, 80), Shape.tower(4, 2)),
                gradients(DType.FLOAT32, DType.FLOAT16, "FLOAT32"),
                gradients(DType.FLOAT64, DType.FLOAT32, "FLOAT64"),
                gradients(DType.FLOAT16, DType.BFLOAT16, "FLOAT16 or FLOAT32"),
                gradients(DType.BFLOAT16, DType.FLOAT64, "BFLOAT16 or FLOAT32"),
                new Malformed(
                        "no loss",
                        NullPointerException.class,
                        () -> device.plan(null, Shape.of(1, 1, 1), DType.FLOAT32),
                        "loss"),
                new Malformed(
                        "no shape",
                        NullPointerException.class,
                        () -> device.plan(infoNce, null, DType.FLOAT32),
                        "shape")));
    }

    @TestFactory
    List<DynamicTest> inputsAreRefused() {
        Plan plan = device.plan(InfoNce.withTemperature(0.5), Shape.of(N, N, DIM), DType.FLOAT32);
        Plan shared =
                device.plan(InfoNce.withTemperature(0.5).withSharedNegatives(), Shape.of(N, 3, DIM), DType.FLOAT32);
        Plan rows = device.plan(
                InfoNce.withTemperature(0.5).withReduction(Reduction.NONE), Shape.of(N, N, DIM), DType.FLOAT32);
        Plan tower = device.plan(NtXent.withTemperature(0.5), Shape.tower(N, DIM), DType.FLOAT32);
        Plan views = device.plan(NtXent.withTemperature(0.5), Shape.of(N, N, DIM), DType.FLOAT32);
        Plan pairs = device.plan(PairwiseContrastive.withMargin(1), Shape.pairs(N, DIM), DType.FLOAT32);
        Plan triplet = device.plan(Triplet.withMargin(1), Shape.pairs(N, DIM), DType.FLOAT32);
        float nan = Float.NaN;
        return named(List.of(
                refused("no keys", plan, Inputs.of(four), "keys: InfoNce needs a 4 x 3 matrix, but got null"),
                refused("too few queries", plan, Inputs.of(three, keys), "queries: must be 4 x 3 FLOAT32", "got 3 x 3"),
                refused("too few keys", plan, Inputs.of(four, three), "keys: must be 4 x 3", "3 x 3"),
                refused("keys of another dim", plan, Inputs.of(four, wide), "keys", "4 x 4 FLOAT32"),
                refused("keys of another type", plan, Inputs.of(four, doubles), "keys", "4 x 3 FLOAT64"),
                refused("surplus negatives", plan, good.withNegatives(three), "negatives", "takes none"),
                refused("no negatives", shared, good, "negatives: InfoNce needs a 3 x 3 matrix"),
                refused("too many negatives", shared, good.withNegatives(keys), "negatives: must be 3 x 3"),
                refused("keys for one tower", tower, good, "keys", "NtXent", "takes none"),
                refused("no negatives of triplets", triplet, good, "negatives: Triplet needs"),
                refused(
                        "surplus labels",
                        plan,
                        good.withLabels(1, 0, 1, 0),
                        "labels: InfoNce of Shape[n=4, m=4, dim=3, ownNegatives=0, queue=0] takes none"),
                refused("no labels", pairs, good, "labels: PairwiseContrastive needs 4, but got null"),
                refused("too few labels", pairs, good.withLabels(1, 0, 1), "labels: must be 4 numbers, but got 3"),
                refused("label 2", pairs, good.withLabels(1, 0, 2, 0), "labels: must be 0 or 1, but number 2 is 2"),
                refused("too few weights", plan, good.withWeights(1, 1, 1), "weights: must be 4 numbers, but got 3"),
                refused("weights of one view", views, good.withWeights(1, 1, 1, 1), "weights: must be 8 numbers"),
                refused("weight negative", plan, good.withWeights(1, 1, -1, 1), "weights", "number 2 is -1.0"),
                refused("weight infinite", plan, good.withWeights(1, 1, 1f / 0, 1), "weights", "number 2 is Infinity"),
                refused("weight NaN", plan, good.withWeights(nan, 1, 1, 1), "weights", "number 0 is NaN"),
                refused(
                        "upstream a row",
                        plan,
                        good.withUpstream(1, 1, 1, 1),
                        "upstream: must be 1 number",
                        "MEAN",
                        "4"),
                refused("upstream short", rows, good.withUpstream(1, 1), "upstream: must be 1 number or 4, but got 2"),
                refused(
                        "upstream NaN beyond the first",
                        rows,
                        good.withUpstream(1, 1, nan, 1),
                        "upstream: must be finite",
                        "number 2 is NaN"),
                refused("last upstream NaN", rows, good.withUpstream(1, 1, 1, nan), "upstream", "number 3 is NaN"),
                refused("upstream infinite", plan, good.withUpstream(1f / 0), "upstream: must be finite", "Infinity"),
                refused(
                        "temperature of triplets",
                        triplet,
                        good.withNegatives(keys).withTemperature(1),
                        "temperature"),
                argument("temperature of the call", () -> good.withTemperature(-1), "temperature", "-1.0"),
                argument("log temperature", () -> good.withLogTemperature(-30), "temperature"),
                refused("bias of InfoNCE", plan, good.withBias(1), "bias: InfoNce has none"),
                argument("bias of the call", () -> good.withBias(2e30), "bias", "[-1e30, 1e30]", "2.0E30"),
                argument("bias NaN", () -> good.withBias(Double.NaN), "bias", "NaN"),
                new Malformed("no inputs", NullPointerException.class, () -> plan.forward((Inputs) null), "in"),
                new Malformed("no queries", NullPointerException.class, () -> Inputs.of(null, keys), "queries"),
                new Malformed(
                        "no outputs",
                        NullPointerException.class,
                        () -> plan.forwardBackward(good, (Gradients) null),
                        "out")));
    }

    private Malformed noQueue(ContrastiveLoss loss, Shape shape) {
        return plan("a queue of " + loss, loss, shape.withQueue(1), "needs queue = 0, as only", "but got 1");
    }

    @Test
    void queuesAndOffsetsThatDoNotFitAreRefused() {
        InfoNce infoNce = InfoNce.withTemperature(0.5);
        Plan plan = device.plan(infoNce, Shape.of(N, N, DIM), DType.FLOAT32);
        Shape queued = Shape.of(N, N, DIM).withQueue(3);
        Plan queue = device.plan(infoNce.excluding(Exclude.sameGroup()), queued, DType.FLOAT32);
        Plan offsets = device.plan(infoNce.withKeyOffsets(), queued, DType.FLOAT32);
        Plan several = device.plan(SupCon.withTemperature(0.5).ofTwoTowers(), queued, DType.FLOAT32);
        Inputs with = good.withQueue(three);
        Inputs groups = with.withGroups(new int[N], new int[] {0, 1, 2, 3, -1, 0, 1});
        Inputs fit = with.withKeyOffsets(-30, 30, 0, 1, 2, 3, 4);
        float nan = Float.NaN;
        assertThat(queue.forward(groups).loss()).isPositive();
        assertThat(offsets.forward(fit).loss()).isPositive();
        List.of(
                        refused(
                                "surplus queue",
                                plan,
                                with,
                                "queue: InfoNce of Shape[n=4, m=4, dim=3, ownNegatives=0, queue=0] takes none"),
                        refused(
                                "no queue",
                                queue,
                                good.withGroups(new int[N], new int[7]),
                                "queue: InfoNce needs a 3 x 3 matrix, but got null"),
                        refused("too long a queue", offsets, fit.withQueue(keys), "queue: must be 3 x 3 FLOAT32"),
                        refused("a queue of another type", offsets, fit.withQueue(doubles), "queue: must be 3 x 3"),
                        refused("a wide queue", offsets, fit.withQueue(wide), "queue: must be 3 x 3", "got 4 x 4"),
                        refused(
                                "groups of keys alone",
                                queue,
                                with.withGroups(new int[N], new int[N]),
                                "keyGroups: must be 7 numbers, but got 4"),
                        refused(
                                "labels of keys alone",
                                several,
                                with.withLabels(new int[N], new int[N]),
                                "keyLabels: must be 7 numbers, but got 4"),
                        refused("no offsets", offsets, with, "keyOffsets: InfoNce needs 7, but got null"),
                        refused("surplus offsets", plan, good.withKeyOffsets(1, 2, 3, 4), "keyOffsets", "takes none"),
                        refused(
                                "offsets of keys alone",
                                offsets,
                                with.withKeyOffsets(1, 2, 3, 4),
                                "keyOffsets: must be 7 numbers, but got 4"),
                        refused(
                                "offset too large",
                                offsets,
                                with.withKeyOffsets(0, 0, 0, 0, 0, 30.000002f, 0),
                                "keyOffsets: must be in [-30, 30], but number 5 is 30.000002"),
                        refused(
                                "offset too small",
                                offsets,
                                with.withKeyOffsets(-31, 0, 0, 0, 0, 0, 0),
                                "keyOffsets: must be in [-30, 30], but number 0 is -31.0"),
                        refused(
                                "offset NaN",
                                offsets,
                                with.withKeyOffsets(0, 0, 0, 0, 0, 0, nan),
                                "keyOffsets: must be in [-30, 30], but number 6 is NaN"),
                        argument(
                                "gradient on the queue",
                                () -> {
                                    Matrix dKeys = Matrix.zeros(DType.FLOAT32, N, DIM);
                                    Matrix inside = Matrix.of(dKeys.segment(), DType.FLOAT32, 3, DIM);
                                    offsets.forwardBackward(fit.withQueue(inside), new Gradients(null, dKeys, null));
                                },
                                "dKeys: must not overlap queue"))
                .forEach(Malformed::check);
    }

    @Test
    void inputsOfMinedTripletsAreRefused() {
        Plan mined = device.plan(Triplet.withMargin(1).mining(Mining.SEMI_HARD), Shape.tower(N, DIM), DType.FLOAT32);
        Inputs tower = Inputs.of(four).withLabels(-3, 1 << 30, 0, 0);
        assertThat(mined.forward(tower).loss()).isNotNegative();
        List.of(
                        refused("no labels", mined, Inputs.of(four), "labels: Triplet needs 4, but got null"),
                        refused(
                                "labels short",
                                mined,
                                tower.withLabels(1, 2, 3),
                                "labels: must be 4 numbers, but got 3"),
                        refused(
                                "labels long",
                                mined,
                                tower.withLabels(1, 2, 3, 1, 2),
                                "labels: must be 4 numbers, but got 5"),
                        refused("keys", mined, good.withLabels(0, 0, 1, 1), "keys: Triplet", "takes none"),
                        refused("negatives", mined, tower.withNegatives(keys), "negatives: Triplet", "takes none"),
                        refused(
                                "too few rows",
                                mined,
                                Inputs.of(three).withLabels(0, 0, 1, 1),
                                "queries: must be 4 x 3"),
                        refused(
                                "weights short",
                                mined,
                                tower.withWeights(1, 1),
                                "weights: must be 4 numbers, but got 2"),
                        refused("a temperature", mined, tower.withTemperature(1), "temperature: Triplet has none"))
                .forEach(Malformed::check);
    }

    @Test
    void inputsOfPairsByLabelsAreRefused() {
        Plan circle = device.plan(Circle.withMarginAndScale(0.25, 80), Shape.tower(N, DIM), DType.FLOAT32);
        Inputs tower = Inputs.of(four).withLabels(-3, 1 << 30, 0, 0);
        assertThat(circle.forward(tower).loss()).isNotNegative();
        List.of(
                        refused("no labels", circle, Inputs.of(four), "labels: Circle needs 4, but got null"),
                        refused(
                                "labels short",
                                circle,
                                tower.withLabels(1, 2, 3),
                                "labels: must be 4 numbers, but got 3"),
                        refused("keys", circle, good.withLabels(0, 0, 1, 1), "keys: Circle", "takes none"),
                        refused("negatives", circle, tower.withNegatives(keys), "negatives: Circle", "takes none"),
                        refused(
                                "labels of keys",
                                circle,
                                tower.withLabels(new int[] {0, 0, 1, 1}, new int[] {0, 1}),
                                "keyLabels"),
                        refused("a temperature", circle, tower.withTemperature(1), "temperature: Circle has none"))
                .forEach(Malformed::check);
    }

    @Test
    void inputsOfPositivesByLabelsAreRefused() {
        SupCon loss = SupCon.withTemperature(0.5);
        Plan odd = device.plan(loss, Shape.tower(3, DIM), DType.FLOAT32);
        Plan views = device.plan(loss, Shape.of(N, N, DIM), DType.FLOAT32);
        Plan towers = device.plan(loss.ofTwoTowers(), Shape.of(N, 3, DIM), DType.FLOAT32);
        int[] labels = {-3, 1 << 30, 0, 0};
        Inputs both = Inputs.of(four, three).withLabels(labels, new int[] {0, -1, 1 << 30});
        assertThat(odd.forward(Inputs.of(three).withLabels(1, 2, 1)).loss()).isPositive();
        assertThat(towers.forward(both).loss()).isPositive();
        List.of(
                        refused("no labels", odd, Inputs.of(three), "labels: SupCon needs 3, but got null"),
                        refused(
                                "labels of one view",
                                views,
                                good.withLabels(labels),
                                "labels: must be 8 numbers, but got 4"),
                        refused(
                                "labels of keys in one tower",
                                views,
                                good.withLabels(new int[8], new int[4]),
                                "keyLabels: SupCon of Shape[n=4, m=4, dim=3, ownNegatives=0, queue=0] takes none"),
                        refused(
                                "no labels of keys",
                                towers,
                                Inputs.of(four, three).withLabels(labels),
                                "keyLabels: SupCon needs 3, but got null"),
                        refused(
                                "labels of keys long",
                                towers,
                                both.withLabels(labels, labels),
                                "keyLabels: must be 3 numbers, but got 4"),
                        refused(
                                "labels of keys of InfoNCE",
                                device.plan(InfoNce.withTemperature(0.5), Shape.of(N, N, DIM), DType.FLOAT32),
                                good.withLabels(null, labels),
                                "keyLabels: InfoNce of Shape[n=4, m=4, dim=3, ownNegatives=0, queue=0] takes none"),
                        refused("groups", towers, both.withGroups(labels), "groups: SupCon", "takes none"),
                        argument(
                                "no keys",
                                () -> device.plan(loss.ofTwoTowers(), Shape.of(N, 0, DIM), DType.FLOAT32),
                                "shape: SupCon of two towers needs m >= 1, but got n = 4, m = 0"),
                        argument(
                                "views of two sizes",
                                () -> device.plan(loss, Shape.of(N, 3, DIM), DType.FLOAT32),
                                "shape: SupCon needs m = n"))
                .forEach(Malformed::check);
    }

    @TestFactory
    List<DynamicTest> outputsAreRefused() {
        Plan plan = device.plan(InfoNce.withTemperature(0.5), Shape.of(N, N, DIM), DType.FLOAT32);
        Matrix right = Matrix.zeros(DType.FLOAT32, N, DIM);
        MemorySegment buffer = MemorySegment.ofArray(new float[100]);
        Matrix first = Matrix.of(Samples.floats(buffer, 0, 12), DType.FLOAT32, N, DIM);
        Matrix shifted = Matrix.of(Samples.floats(buffer, 11, 23), DType.FLOAT32, N, DIM);
        Matrix strided = Matrix.of(buffer, DType.FLOAT32, N, DIM, 5);
        Matrix between = Matrix.of(buffer.asSlice(4 * 2), DType.FLOAT32, N, DIM, 5);
        Matrix readOnly = Matrix.of(buffer.asReadOnly(), DType.FLOAT32, N, DIM);
        return named(List.of(
                out("gradient too small", plan, new Gradients(three, null, null), "dQueries: must be 4 x 3"),
                out("gradient of another type", plan, new Gradients(null, doubles, null), "dKeys", "FLOAT64"),
                out("surplus gradient", plan, new Gradients(null, null, right), "dNegatives", "takes none"),
                out("read-only gradient", plan, new Gradients(readOnly, null, null), "dQueries", "read-only"),
                out(
                        "gradient on its input",
                        plan,
                        new Gradients(four, null, null),
                        "dQueries: must not overlap queries"),
                out("gradient on another input", plan, new Gradients(null, four, null), "dKeys", "overlap queries"),
                out("gradient twice", plan, new Gradients(right, right, null), "dQueries: must not overlap dKeys"),
                out("gradients that share an element", plan, new Gradients(first, shifted, null), "must not overlap"),
                out("strided gradients that interlock", plan, new Gradients(strided, between, null), "overlap"),
                out("gradients of two strides", plan, new Gradients(first, strided, null), "overlap")));
    }

    @Test
    void nonFiniteInputsAreRefusedWithMatrixAndRowAndNothingWritten() {
        Plan plan = device.plan(InfoNce.withTemperature(0.5), Shape.of(N, N, DIM), DType.FLOAT32);
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            Matrix badKeys = Samples.heap(DType.FLOAT32, N, DIM, 2);
            badKeys.set(2, 1, bad);
            Matrix dQueries = Samples.sentinel(DType.FLOAT32, N, DIM);
            Matrix dKeys = Samples.sentinel(DType.FLOAT32, N, DIM);
            Malformed call = new Malformed(
                    "keys with " + bad,
                    InfoNceException.class,
                    () -> plan.forwardBackward(Inputs.of(four, badKeys), new Gradients(dQueries, dKeys, null)),
                    "keys",
                    "row 2");
            call.check();
            assertThat(Samples.isUntouched(dQueries) && Samples.isUntouched(dKeys))
                    .isTrue();
        }
    }

    @Test
    void ofSeveralRowsThatAreNotFiniteTheFirstIsNamed() {
        Matrix bad = Samples.heap(DType.FLOAT32, N, DIM, 2);
        for (int row = N - 1; row >= 0; row--) {
            bad.set(row, DIM - 1, Double.NaN);
            Plan plan = device.plan(InfoNce.withTemperature(0.5), Shape.of(N, N, DIM), DType.FLOAT32);
            Plan views = device.plan(NtXent.withTemperature(0.5), Shape.of(N, N, DIM), DType.FLOAT32);
            notFinite(() -> plan.forward(bad, keys), "queries", row);
            notFinite(() -> plan.forward(four, bad), "keys", row);
            notFinite(() -> views.forward(bad, keys), "queries", row);
            notFinite(() -> views.forward(four, bad), "keys", row);
        }
    }

    @Test
    void ofSeveralOwnNegativesThatAreNotFiniteTheFirstIsNamed() {
        int n = 20;
        int m = 3;
        InfoNce loss = InfoNce.withTemperature(0.5);
        firstIsNamed(device.plan(loss.withOwnNegatives(), Shape.of(n, m, DIM), DType.FLOAT32), n, m);
        Shape withBatch = Shape.of(n, n, DIM).withOwnNegatives(m);
        firstIsNamed(device.plan(loss.withOwnNegativesToo(), withBatch, DType.FLOAT32), n, m);
    }

    private static void firstIsNamed(Plan own, int n, int m) {
        Inputs in = Inputs.of(Samples.heap(DType.FLOAT32, n, DIM, 1), Samples.heap(DType.FLOAT32, n, DIM, 2));
        Matrix bad = Samples.heap(DType.FLOAT32, n * m, DIM, 3);
        for (int row = n * m - 1; row >= 0; row--) {
            bad.set(row, DIM - 1, Double.NaN);
            notFinite(() -> own.forward(in.withNegatives(bad)), "negatives", row);
        }
    }

    private static void notFinite(ThrowingCallable call, String matrix, int row) {
        assertThatThrownBy(call)
                .isInstanceOf(InfoNceException.class)
                .hasMessageContaining(matrix)
                .hasMessageMatching("(?s).*\\brow " + row + "\\b.*");
    }

    private Malformed plan(String what, ContrastiveLoss loss, Shape shape, String... says) {
        return argument(what, () -> device.plan(loss, shape, DType.FLOAT32), says);
    }

    private Malformed gradients(DType inputs, DType gradients, String allowed) {
        return argument(
                "gradients " + gradients + " of " + inputs,
                () -> device.plan(
                        InfoNce.withTemperature(0.5),
                        Shape.of(4, 4, 2),
                        inputs,
                        PlanOptions.defaults().withGradientDType(gradients)),
                "gradientDType: must be " + allowed + ", but got " + gradients);
    }

    private static Malformed refused(String what, Plan plan, Inputs in, String... says) {
        return argument(
                what,
                () -> {
                    Malformed forward = argument(what, () -> plan.forward(in), says);
                    Malformed backward = argument(what, () -> plan.backward(in), says);
                    forward.check();
                    backward.check();
                    Matrix dQueries = Samples.sentinel(DType.FLOAT32, N, DIM);
                    try {
                        plan.forwardBackward(in, new Gradients(dQueries, null, null));
                    } finally {
                        assertThat(Samples.isUntouched(dQueries)).isTrue();
                    }
                },
                says);
    }

    private Malformed out(String what, Plan plan, Gradients out, String... says) {
        return argument(what, () -> plan.forwardBackward(good, out), says);
    }

    private static List<DynamicTest> named(List<Malformed> calls) {
        return calls.stream()
                .map(call -> DynamicTest.dynamicTest(call.what(), call::check))
                .toList();
    }
}
