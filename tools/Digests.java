import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.Distance;
import dev.infonce.GradientResult;
import dev.infonce.Gradients;
import dev.infonce.InfoNce;
import dev.infonce.InfoNceException;
import dev.infonce.Inputs;
import dev.infonce.LossResult;
import dev.infonce.Matrix;
import dev.infonce.Metrics;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Precision;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.Triplet;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;

/**
 * A digest of every number that device java computes; tools/digests.sh runs it. The arguments are the device, plain or vectors, and a
 * part of the names of cases.
 */
final class Digests {
    private static final double MARGIN = 0.75;
    private static final double[] TEMPERATURES = {1.0, 0.07, 0.033, 0.01, 0.005, 0.002};
    private static final Size[] SIZES = {new Size(150, 170, 40), new Size(33, 65, 300), new Size(66, 66, 17), new Size(1, 1, 5)};
    private static final int BRIEF_SIZES = 1;

    private final Device device;
    private final String name;
    private final String cases;
    private final PrintStream out;

    private Digests(Device device, String name, String cases, PrintStream out) {
        this.device = device;
        this.name = name;
        this.cases = cases;
        this.out = out;
    }

    public static void main(String[] arguments) {
        boolean vectors = arguments[0].equals("vectors");
        PrintStream out = new PrintStream(new java.io.BufferedOutputStream(System.out), false);
        for (int threads = 1; threads <= 2; threads++) {
            try (Device device = Device.java(threads)) {
                if (device.description().contains("vectors") != vectors) {
                    throw new IllegalStateException("device java is " + device.description());
                }
                new Digests(device, "java " + arguments[0] + ", " + threads + " threads", arguments[1], out).run(vectors, threads == 1);
            }
        }
        out.flush();
    }

    /** What a loss is called, how it is made, and which matrices it takes. */
    private record Kind(String name, Rows rows, ContrastiveLoss loss) {}

    private enum Rows { TWO_TOWERS, SQUARE, SHARED, OWN, ONE_TOWER, PAIRS, TRIPLES }

    private record Size(int n, int m, int dim) {}

    private void run(boolean vectors, boolean brief) {
        for (DType dtype : vectors ? List.of(DType.FLOAT32) : List.of(DType.FLOAT32, DType.FLOAT64)) {
            for (Size size : List.of(SIZES).subList(0, brief ? BRIEF_SIZES : SIZES.length)) {
                for (double temperature : brief ? new double[] {0.07} : TEMPERATURES) {
                    for (Similarity similarity : Similarity.values()) {
                        for (Kind kind : kinds(temperature, similarity)) {
                            run(kind, similarity + ", tau " + temperature, size, dtype, temperature == 0.07 || temperature == 0.005);
                        }
                    }
                }
                for (Distance distance : Distance.values()) {
                    for (Kind kind : margins(distance)) {
                        run(kind, distance.toString(), size, dtype, true);
                    }
                }
            }
        }
    }

    private static List<Kind> kinds(double temperature, Similarity similarity) {
        InfoNce infoNce = InfoNce.withTemperature(temperature).withSimilarity(similarity);
        NtXent ntXent = NtXent.withTemperature(temperature).withSimilarity(similarity);
        NtLogistic logistic = NtLogistic.withTemperature(temperature).withSimilarity(similarity);
        NtLogistic sum = logistic.withNegativeReduction(Reduction.SUM);
        return List.of(
                new Kind("InfoNCE", Rows.TWO_TOWERS, infoNce),
                new Kind("InfoNCE symmetric", Rows.SQUARE, infoNce.symmetric()),
                new Kind("InfoNCE shared", Rows.SHARED, infoNce.withSharedNegatives()),
                new Kind("InfoNCE own", Rows.OWN, infoNce.withOwnNegatives()),
                new Kind("NT-Xent", Rows.SQUARE, ntXent),
                new Kind("NT-Xent one matrix", Rows.ONE_TOWER, ntXent),
                new Kind("NT-Logistic", Rows.SQUARE, logistic),
                new Kind("NT-Logistic, sum", Rows.SQUARE, sum),
                new Kind("NT-Logistic one matrix", Rows.ONE_TOWER, logistic),
                new Kind("NT-Logistic one matrix, sum", Rows.ONE_TOWER, sum),
                new Kind("NT-Logistic paired", Rows.TRIPLES, logistic.withPairedNegatives()));
    }

    private static List<Kind> margins(Distance distance) {
        return List.of(
                new Kind("contrastive", Rows.PAIRS, PairwiseContrastive.withMargin(MARGIN).withDistance(distance)),
                new Kind("triplet", Rows.TRIPLES, Triplet.withMargin(MARGIN).withDistance(distance)));
    }

    private void run(Kind kind, String what, Size size, DType dtype, boolean variants) {
        String text = kind.name() + ", " + what + ", " + dtype + ", " + size.n() + "x" + size.m() + "x" + size.dim();
        PlanOptions options = PlanOptions.defaults();
        ContrastiveLoss loss = kind.loss();
        Inputs plain = inputs(kind, size, dtype, Content.USUAL);
        int rows = kind.rows() == Rows.SQUARE && !(loss instanceof InfoNce) ? 2 * size.n() : Math.toIntExact(plain.queries().rows());
        passes(text + ", mean", loss, size, plain, options);
        if (!variants) {
            return;
        }
        Inputs weighed = plain.withWeights(numbers(rows, 5, 0.37f, 0f));
        passes(
                text + ", sum,weights,upstream,no-budget",
                loss.withReduction(Reduction.SUM),
                size,
                weighed.withUpstream(-1.75f),
                options.withWorkspaceBudget(0));
        Inputs special = inputs(kind, size, dtype, Content.ZERO_AND_EQUAL_ROWS)
                .withWeights(numbers(rows, 5, 0.37f, 0f))
                .withUpstream(numbers(rows, 7, 0.31f, -0.5f));
        passes(text + ", none,weights,upstream,zero-and-equal-rows", loss.withReduction(Reduction.NONE), size, special, options);
        passes(text + ", fast", loss, size, plain, options.withPrecision(Precision.FAST));
        passes(text + ", wide", loss, size, inputs(kind, size, dtype, Content.WIDE), options);
        passes(text + ", no-metrics,weights", loss, size, weighed, options.withoutMetrics());
        parts(text + ", weights", loss, size, weighed, options);
    }

    private void passes(String text, ContrastiveLoss loss, Size size, Inputs in, PlanOptions options) {
        if (!text.contains(cases)) {
            return;
        }
        try (Plan plan = device.plan(loss, shape(loss, size, in), in.queries().dtype(), options)) {
            try {
                LossResult forward = plan.forward(in);
                line(text + ", forward", loss(forward.loss(), forward.rowLosses(), forward.metrics()));
                line(text + ", backward", gradients(plan.backward(in)));
                GradientResult result = plan.forwardBackward(in);
                line(text + ", together", loss(result.loss(), result.rowLosses(), result.metrics()) + gradients(result));
            } catch (InfoNceException e) {
                line(text, e.status().toString());
            }
        }
    }

    /** Calls that ask for some gradients only. */
    private void parts(String text, ContrastiveLoss loss, Size size, Inputs in, PlanOptions options) {
        if (!text.contains(cases)) {
            return;
        }
        try (Plan plan = device.plan(loss, shape(loss, size, in), in.queries().dtype(), options)) {
            line(text + ", d_queries alone", gradients(plan.forwardBackward(in, new Gradients(like(in.queries()), null, null))));
            line(text + ", no d_queries", gradients(plan.forwardBackward(in, new Gradients(null, like(in.keys()), like(in.negatives())))));
            line(text + ", d_temperature alone", gradients(plan.forwardBackward(in, new Gradients(null, null, null))));
        }
    }

    private static Matrix like(Matrix matrix) {
        return matrix == null ? null : Matrix.zeros(matrix.dtype(), matrix.rows(), matrix.dim());
    }

    private void line(String text, String digests) {
        out.println(name + ": " + text + ": " + digests);
    }

    private static Shape shape(ContrastiveLoss loss, Size size, Inputs in) {
        long n = in.queries().rows();
        if (in.keys() == null) {
            return Shape.tower(n, size.dim());
        }
        if (in.negatives() == null || in.negatives().rows() == n && !(loss instanceof InfoNce)) {
            return Shape.of(n, in.keys().rows(), size.dim());
        }
        boolean own = in.negatives().rows() != size.m();
        return Shape.of(n, own ? in.negatives().rows() / n : size.m(), size.dim());
    }

    private enum Content { USUAL, ZERO_AND_EQUAL_ROWS, WIDE }

    private static Inputs inputs(Kind kind, Size size, DType dtype, Content content) {
        int n = size.n();
        int dim = size.dim();
        int keyRows = kind.rows() == Rows.TWO_TOWERS ? size.m() : n;
        Matrix queries = matrix(dtype, n, dim, 0, 1);
        Matrix keys = matrix(dtype, keyRows, dim, 0, 2);
        Matrix negatives = switch (kind.rows()) {
            case SHARED -> matrix(dtype, size.m(), dim, 3, 3);
            case OWN -> matrix(dtype, n * own(size), dim, 3, 3);
            case TRIPLES -> matrix(dtype, n, dim, 3, 3);
            case TWO_TOWERS, SQUARE, ONE_TOWER, PAIRS -> null;
        };
        for (Matrix matrix : negatives == null ? List.of(queries, keys) : List.of(queries, keys, negatives)) {
            change(matrix, matrix == queries ? null : queries, content);
        }
        Inputs in;
        if (kind.rows() == Rows.ONE_TOWER) {
            Matrix both = Matrix.zeros(dtype, 2 * n, dim);
            for (int i = 0; i < 2 * n; i++) {
                for (int d = 0; d < dim; d++) {
                    both.set(i, d, i < n ? queries.get(i, d) : keys.get(i - n, d));
                }
            }
            in = Inputs.of(both);
        } else {
            in = Inputs.of(queries, keys);
        }
        if (negatives != null) {
            in = in.withNegatives(negatives);
        }
        if (kind.rows() == Rows.PAIRS) {
            int[] labels = new int[n];
            for (int i = 0; i < n; i += 3) {
                labels[i] = 1;
            }
            in = in.withLabels(labels);
        }
        return in;
    }

    private static int own(Size size) {
        return size.m() % 20 + 1;
    }

    private static void change(Matrix matrix, Matrix queries, Content content) {
        for (int d = 0; d < matrix.dim(); d++) {
            switch (content) {
                case USUAL -> {}
                case ZERO_AND_EQUAL_ROWS -> {
                    if (matrix.rows() > 3) {
                        matrix.set(queries == null ? 1 : 2, d, 0.0);
                    }
                    if (matrix.rows() > 3 && queries != null) {
                        matrix.set(3, d, queries.get(3, d));
                    }
                }
                case WIDE -> {
                    int exponent = matrix.dtype() == DType.FLOAT64 ? 520 : 70;
                    for (int i = 0; i < matrix.rows(); i++) {
                        matrix.set(i, d, Math.scalb(matrix.get(i, d), queries == null ? exponent : -exponent));
                    }
                }
            }
        }
    }

    /** Rows of two seeds added, so that matrices that share a seed are alike. */
    private static Matrix matrix(DType dtype, int rows, int dim, long seed, long other) {
        Matrix matrix = Matrix.zeros(dtype, rows, dim);
        double size = 1.0 / Math.sqrt(dim);
        for (int i = 0; i < rows; i++) {
            for (int d = 0; d < dim; d++) {
                long index = (long) i * dim + d;
                matrix.set(i, d, size * (uniform(seed, index) + uniform(other, index)));
            }
        }
        return matrix;
    }

    /** Of -2 to 2. */
    private static double uniform(long seed, long index) {
        return mixed(mixed(seed) + index) * 0x1p-61;
    }

    private static long mixed(long z) {
        z += 0x9E3779B97F4A7C15L;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }

    private static float[] numbers(int count, int period, float step, float first) {
        float[] numbers = new float[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = i % period * step + first;
        }
        return numbers;
    }

    private static String loss(double loss, double[] rowLosses, Metrics metrics) {
        List<Double> numbers = new ArrayList<>();
        numbers.add(loss);
        for (double each : rowLosses) {
            numbers.add(each);
        }
        String text = "loss " + digest(numbers);
        if (metrics == null) {
            return text;
        }
        return text + " metrics "
                + digest(List.of(
                        metrics.top1Accuracy(),
                        metrics.topKAccuracy(),
                        metrics.positiveSimilarity(),
                        metrics.negativeSimilarity(),
                        metrics.alignment(),
                        metrics.uniformity(),
                        metrics.effectiveNegatives(),
                        (double) metrics.rows(),
                        (double) metrics.zeroRows(),
                        (double) metrics.nonFiniteRows()));
    }

    private static String gradients(GradientResult result) {
        return " d_queries " + digest(result.dQueries()) + " d_keys " + digest(result.dKeys()) + " d_negatives "
                + digest(result.dNegatives()) + " d_temperature " + digest(List.of(result.dTemperature()));
    }

    private static String digest(Matrix matrix) {
        if (matrix == null) {
            return "-";
        }
        List<Double> numbers = new ArrayList<>();
        for (double each : matrix.toDoubleArray()) {
            numbers.add(each);
        }
        return digest(numbers);
    }

    private static String digest(List<Double> numbers) {
        long state = 0;
        for (double number : numbers) {
            state = mixed(state ^ mixed(Double.doubleToLongBits(number))); // every NaN has the same bits
        }
        return String.format("%016x", state);
    }
}
