package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.GradientResult;
import dev.infonce.Gradients;
import dev.infonce.InfoNceException;
import dev.infonce.Inputs;
import dev.infonce.Matryoshka;
import dev.infonce.Outputs;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Status;
import dev.infonce.fuzz.FuzzInput;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

/**
 * A fuzz target: a call of a plan, its loss, sizes, element type, options, memory and numbers made of bytes, on every device.
 * Each gives what the oracle gives, or refuses what it documents, with all outputs and all memory between rows untouched.
 */
public final class PlanFuzz {
    private static final int MOST_ROWS = 9;
    private static final int MOST_COLUMNS = 12;
    private static final int MOST_DIM = 20;
    private static final int LARGE_DIM = 300;
    private static final double ROUNDINGS_OF_BOUND = 0.05;
    private static final double ROUNDINGS_OF_FLOAT64 = 1e-13;
    /** Bounds of gradients beyond this are of kernels that round weights to 16 bits. */
    private static final double ROUNDS_TERMS = 4.9e-3;

    /** More than a similarity is off by, in any arithmetic. */
    private static final double NEAR_A_LIMIT = 0.02;

    private static final double LEAST_BFLOAT16 = 0x1p-133;
    private static final double HALF_ULP_OF_BFLOAT16 = 0x1p-9;
    private static final double SQUARED_ROUNDINGS = 0x1p-96;

    private static final List<ContrastiveLoss> LOSSES = DoubleStream.of(1, 0.5, 0.07, 0.01)
            .boxed()
            .flatMap(tau -> Stream.concat(
                    Cases.all(tau).stream(),
                    Stream.of(Similarity.values())
                            .flatMap(s -> Stream.of(
                                    Cases.withThresholds(s, tau),
                                    Cases.withBlocks(s, tau),
                                    Cases.withOwnNegativesToo(s, tau),
                                    Cases.withKeyOffsets(s, tau),
                                    Cases.ofQueues(s, tau)))
                            .flatMap(List::stream)))
            .distinct()
            .toList();
    private static final Map<String, Device> DEVICES = new LinkedHashMap<>();
    private static final AtomicLong CALLS = new AtomicLong();

    static {
        for (String name : Devices.list()) {
            DEVICES.put(name, Devices.open(name, 2));
        }
    }

    private PlanFuzz() {}

    /** Jazzer's entry. */
    public static void fuzzerTestOneInput(byte[] bytes) {
        FuzzInput in = new FuzzInput(bytes);
        Case c = randomCase(in);
        boolean finite = !in.oneIn(8);
        if (!finite) {
            poison(in, c);
        }
        boolean sixteenBits = c.dtype() == DType.FLOAT16 || c.dtype() == DType.BFLOAT16;
        int topK = 1 + in.below(6);
        PlanOptions options = PlanOptions.defaults()
                .withTopK(topK)
                .withWorkspaceBudget(in.of(-1L, 0L, 1000L, 1L << 20))
                .withGradientDType(sixteenBits && in.flag() ? DType.FLOAT32 : null);
        boolean metrics = !in.oneIn(4);
        if (!metrics) {
            options = options.withoutMetrics();
        }
        int entry = in.below(4);
        int seed = in.below(1 << 16);
        Result expected = finite ? Oracle.evaluate(c, topK) : null;
        for (Map.Entry<String, Device> device : DEVICES.entrySet()) {
            String what = device.getKey() + ", " + c + ", " + options + ", finite " + finite;
            try (Plan plan = device.getValue().plan(c.loss(), c.shape(), c.dtype(), options)) {
                check(!sixteenBits || !device.getKey().startsWith("java"), what + ": a type that it has not");
                FuzzMemory memory = new FuzzMemory(seed, c, options.gradientDType(c.dtype()));
                GradientResult result;
                try {
                    result = call(plan, memory, entry);
                } catch (InfoNceException e) {
                    check(!finite && e.status() == Status.NON_FINITE, what + ": " + e);
                    memory.checkUntouched(what);
                    continue;
                }
                check(finite, what + ": took numbers that are not finite");
                memory.checkGaps(what);
                if (parts(c).stream().anyMatch(PlanFuzz::isDecidedByRoundings)) {
                    continue;
                }
                DType gradients = options.gradientDType(c.dtype());
                Tolerances ofOne =
                        sixteenBits ? Tolerances.of(device.getKey(), c, gradients) : Tolerances.of(device.getKey(), c);
                Tolerances tolerances = c.loss() instanceof Matryoshka ? ofOne.twice() : ofOne;
                Compare.assertClose(
                        withoutSquaredRoundings(c, Result.of(result)),
                        withoutSquaredRoundings(c, withTermsOfRows(expected)),
                        withRoundings(tolerances, c, expected, gradients),
                        what);
                if (metrics) {
                    boolean ranked =
                            !roundsTerms(tolerances) && parts(c).stream().noneMatch(PlanFuzz::hasParallelRows);
                    Compare.assertClose(
                            ranked ? result.metrics() : Compare.unranked(result.metrics()),
                            ranked ? expected.metrics() : Compare.unranked(expected.metrics()),
                            tolerances.metric(),
                            what);
                } else {
                    check(result.metrics() == null, what + ": metrics that nobody asked for");
                }
            } catch (InfoNceException e) {
                check(
                        sixteenBits && device.getKey().startsWith("java") && e.status() == Status.UNSUPPORTED,
                        what + ": " + e);
            }
        }
    }

    /** Jazzer's end. */
    public static void fuzzerTearDown() {
        System.out.println("calls of plans: " + CALLS.get());
    }

    /** By one of the ways into a plan, which all give the same. */
    private static GradientResult call(Plan plan, FuzzMemory memory, int entry) {
        CALLS.addAndGet(2);
        Inputs in = memory.inputs();
        Gradients out = memory.gradients();
        GradientResult result = plan.forwardBackward(in, out);
        switch (entry) {
            case 0 -> check(same(plan.forward(in).loss(), result.loss()), plan + ": forward gives another loss");
            case 1 ->
                check(
                        same(plan.backward(in).dTemperature(), result.dTemperature())
                                && same(plan.backward(in).dBias(), result.dBias()),
                        plan + ": backward gives another dTemperature, or dBias");
            case 2 -> {
                Outputs outputs = new Outputs(out);
                plan.forwardBackward(in, outputs);
                check(
                        same(outputs.loss(), result.loss())
                                && same(outputs.dTemperature(), result.dTemperature())
                                && same(outputs.dBias(), result.dBias())
                                && Arrays.equals(outputs.rowLosses(), result.rowLosses()),
                        plan + ": Outputs have another result");
            }
            default -> {
                GradientResult other = plan.forwardBackward(in);
                check(
                        Arrays.equals(
                                other.dQueries().toDoubleArray(), out.dQueries().toDoubleArray()),
                        plan + ": new arrays have another dQueries");
            }
        }
        return result;
    }

    private static boolean same(double a, double b) {
        return Double.compare(a, b) == 0;
    }

    /** The prefixes that a case is of, each by itself; or the case. */
    private static List<Case> parts(Case c) {
        return c.loss() instanceof Matryoshka of
                ? of.prefixes().stream()
                        .map(prefix -> c.prefix(of.loss(), prefix.dim()))
                        .toList()
                : List.of(c);
    }

    private static boolean isDecidedByRoundings(Case c) {
        return c.loss().isMined() && TowerOracle.isAmbiguous(c) || Oracle.distanceFromLimits(c) < NEAR_A_LIMIT;
    }

    private static Case randomCase(FuzzInput in) {
        ContrastiveLoss whole = LOSSES.get(in.below(LOSSES.size())).withReduction(in.of(Reduction.values()));
        DType dtype = in.of(DType.values());
        int n = 1 + in.below(MOST_ROWS);
        int m = in.below(MOST_COLUMNS + 1);
        int dim = 2 + in.below(in.oneIn(16) ? LARGE_DIM : MOST_DIM);
        long seed = in.below(1 << 16);
        ContrastiveLoss loss = in.oneIn(6) ? prefixes(in, whole, dim) : whole;
        Case c = Cases.random(loss, n, m, dim, dtype, seed);
        if (loss.takesQueue() && in.flag()) {
            c = Cases.withQueue(c, 1 + in.below(MOST_COLUMNS), seed);
        }
        SplittableRandom random = new SplittableRandom(seed);
        if (in.flag()) {
            c = c.withWeights(Cases.weights(c.rows(), seed));
        }
        if (in.flag()) {
            float[] upstream = new float[loss.reduction() == Reduction.NONE && in.flag() ? c.rows() : 1];
            for (int i = 0; i < upstream.length; i++) {
                upstream[i] = (float) (random.nextDouble() * 4 - 2);
            }
            c = c.withUpstream(upstream);
        }
        if (loss.hasTemperature() && in.flag()) {
            c = c.withTemperature(0.01 * Math.pow(1000, in.next() / 255.0));
        }
        for (int changes = in.below(4); changes > 0; changes--) {
            change(in, c);
        }
        return c;
    }

    /** One or two, of 2 coordinates or more. */
    private static ContrastiveLoss prefixes(FuzzInput in, ContrastiveLoss loss, int dim) {
        int last = 2 + in.below(dim - 1);
        int first = 2 + in.below(last - 1);
        return first == last
                ? loss.matryoshka(last)
                : loss.matryoshka(first, last).withWeights(0.5, in.of(1.0, 2.0));
    }

    /** Rows of zeros, twice the same row, signed zeros. */
    private static void change(FuzzInput in, Case c) {
        double[][] rows = in.of(c.queries(), c.keys(), c.negatives(), c.queue());
        if (rows == null) {
            return;
        }
        double[] row = rows[in.below(rows.length)];
        switch (in.below(3)) {
            case 0 -> Arrays.fill(row, 0);
            case 1 -> System.arraycopy(c.queries()[in.below(c.queries().length)], 0, row, 0, row.length);
            default -> row[in.below(row.length)] = -0.0;
        }
    }

    private static void poison(FuzzInput in, Case c) {
        double[][] rows = in.of(c.queries(), c.keys(), c.negatives(), c.queue());
        double[] row = (rows == null ? c.queries() : rows)[in.below((rows == null ? c.queries() : rows).length)];
        int read = c.loss() instanceof Matryoshka of ? of.prefixes().getLast().dim() : row.length;
        row[in.below(read)] = in.of(Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY);
    }

    /** As documented, the gradient by the temperature is bound by the sizes of its terms, of which those of a row may cancel too. */
    private static Result withTermsOfRows(Result expected) {
        Result.Sizes sizes = expected.sizes();
        double byRow = Math.max(sizes.dTemperatureByRow(), ROUNDINGS_OF_BOUND * sizes.dTemperature());
        return new Result(
                expected.loss(),
                expected.rowLosses(),
                expected.dQueries(),
                expected.dKeys(),
                expected.dNegatives(),
                expected.dTemperature(),
                expected.dBias(),
                expected.metrics(),
                new Result.Sizes(
                        sizes.loss(), sizes.rowLoss(), sizes.gradients(), sizes.dTemperature(), byRow, sizes.dBias()));
    }

    /** The distance of rows that are alike is 0 to a rounding, and the loss of a margin has its square. */
    private static Result withoutSquaredRoundings(Case c, Result result) {
        if (!c.loss().hasMargin()) {
            return result;
        }
        return new Result(
                snapped(result.loss()),
                Arrays.stream(result.rowLosses()).map(PlanFuzz::snapped).toArray(),
                result.dQueries(),
                result.dKeys(),
                result.dNegatives(),
                result.dTemperature(),
                result.dBias(),
                result.metrics(),
                result.sizes());
    }

    private static double snapped(double loss) {
        return Math.abs(loss) < SQUARED_ROUNDINGS ? 0 : loss;
    }

    /**
     * Terms of rows that are alike cancel, to a rounding of each: of the bound of gradients, which is some hundred roundings, or
     * of float64 where the oracle sees no terms at all. 16-bit types round a gradient once more, and have their own least number.
     */
    private static Tolerances withRoundings(Tolerances t, Case c, Result expected, DType gradients) {
        double ofTerms = (roundsTerms(t) ? 1 : ROUNDINGS_OF_BOUND)
                * t.gradient()
                * expected.sizes().gradients();
        double ofFloat64 = ROUNDINGS_OF_FLOAT64 / (Double.isNaN(c.temperature()) ? 1 : Math.min(1, c.temperature()));
        double spacing = Math.max(t.spacing(), gradients == DType.BFLOAT16 ? LEAST_BFLOAT16 : 0);
        return new Tolerances(
                t.loss(),
                t.rowLoss(),
                t.growing(),
                t.dTemperature(),
                t.gradient() + (gradients == DType.BFLOAT16 ? HALF_ULP_OF_BFLOAT16 : 0),
                Math.max(spacing, Math.max(ofTerms, ofFloat64)),
                t.metric());
    }

    /** Ties, as of rows that are the same, are decided by roundings where products are of 16 bits. */
    private static boolean roundsTerms(Tolerances tolerances) {
        return tolerances.gradient() > ROUNDS_TERMS;
    }

    /** Whether rows of other lengths point the same way, so that the order of their cosines is made by roundings. */
    private static boolean hasParallelRows(Case c) {
        return c.shape().dim() == 2
                && c.loss().components().get("similarity") == Similarity.COSINE
                && Stream.of(c.queries(), c.keys(), c.negatives(), c.queue())
                                .filter(Objects::nonNull)
                                .flatMap(Arrays::stream)
                                .filter(row -> (row[0] == 0) != (row[1] == 0))
                                .count()
                        > 1;
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
