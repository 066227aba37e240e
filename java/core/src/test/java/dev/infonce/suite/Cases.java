package dev.infonce.suite;

import dev.infonce.Aggregation;
import dev.infonce.Block;
import dev.infonce.Circle;
import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Denominator;
import dev.infonce.Distance;
import dev.infonce.Exclude;
import dev.infonce.InfoNce;
import dev.infonce.KlDistillation;
import dev.infonce.MarginMse;
import dev.infonce.Mining;
import dev.infonce.MultiSimilarity;
import dev.infonce.Negatives;
import dev.infonce.NtXent;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.SupCon;
import dev.infonce.Threshold;
import dev.infonce.Triplet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.LongFunction;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Losses and random inputs for them. */
public final class Cases {
    static final double[] TEMPERATURES = {1, 0.5, 0.07, 0.01};
    private static final int LABELS = 3;

    /** Negatives of a row's own beside those of the batch. */
    static final int OWN = 3;

    private Cases() {}

    /** Every loss that has a temperature. */
    static List<ContrastiveLoss> withTemperature(Similarity s, double tau) {
        return forms(ContrastiveLoss::hasTemperature, Map.of("temperature", tau, "similarity", s));
    }

    /** Every loss that compares distances with a margin. */
    static List<ContrastiveLoss> withMargin(double margin, Distance d) {
        return forms(loss -> loss.components().containsKey("distance"), Map.of("margin", margin, "distance", d));
    }

    /** Every loss that learns a teacher's scores. */
    static List<ContrastiveLoss> distilled(Similarity s, double tau) {
        return List.of(KlDistillation.withTemperature(tau).withSimilarity(s), MarginMse.ofSimilarity(s));
    }

    /** Every loss of triplets that are mined; easy ones cost nothing without a margin beyond most distances. */
    static List<ContrastiveLoss> mined(double margin, Distance d) {
        ContrastiveLoss given = Triplet.withMargin(margin).withDistance(d);
        return each(given, "mining", List.of(Mining.values()))
                .filter(ContrastiveLoss::isMined)
                .map(loss -> loss.components().containsValue(Mining.BATCH_EASY)
                        ? loss.with(Map.of("margin", 25 * margin))
                        : loss)
                .flatMap(loss -> each(loss, "softMargin", List.of(false, true)))
                .toList();
    }

    /** Every loss of all pairs that labels find, weighed by scales, at the ends of what may be of a margin; none of DOT. */
    static List<ContrastiveLoss> pairs(double scale, Similarity s) {
        double base = switch (s) {
            case COSINE -> 0.4;
            case DOT -> Double.NaN;
            case NEGATIVE_SQUARED_EUCLIDEAN, NEGATIVE_EUCLIDEAN -> -0.7;
        };
        return s == Similarity.DOT
                ? List.of()
                : List.of(
                        MultiSimilarity.withScales(scale / 2, scale)
                                .withBase(base)
                                .withSimilarity(s),
                        MultiSimilarity.withScales(0.3, 2).withBase(-base).withSimilarity(s),
                        Circle.withMarginAndScale(0.25, scale).withSimilarity(s),
                        Circle.withMarginAndScale(0, 3).withSimilarity(s));
    }

    /** Those of the kinds that there are, with all that they can have of negatives, biases, symmetry and reductions of negatives. */
    private static List<ContrastiveLoss> forms(Predicate<ContrastiveLoss> wanted, Map<String, ?> components) {
        return ContrastiveLoss.kinds().stream()
                .filter(wanted)
                .map(kind -> kind.with(components))
                .flatMap(loss -> each(loss, "negatives", List.of(Negatives.values())))
                .flatMap(loss -> each(loss, "bias", List.of(0.0, -2.5)))
                .flatMap(loss -> each(loss, "isSymmetric", List.of(false, true)))
                .flatMap(loss -> each(loss, "negativeReduction", List.of(Reduction.MEAN, Reduction.SUM)))
                .flatMap(loss -> each(loss, "softMargin", List.of(false, true)))
                .flatMap(loss -> each(loss, "twoTowers", List.of(false, true)))
                .flatMap(loss -> each(loss, "aggregation", List.of(Aggregation.values())))
                .flatMap(Cases::withItsDenominators)
                .flatMap(Cases::withGroups)
                .flatMap(Cases::debiased)
                .toList();
    }

    /** Those that go to columns, towers and own negatives are decoupled too, and have a margin then. */
    private static Stream<ContrastiveLoss> withItsDenominators(ContrastiveLoss loss) {
        boolean telling = loss.isSymmetric() || loss.isOneTower() || hasOwn(loss) || Terms.hasPositivesByLabels(loss);
        if (!telling || !loss.components().containsKey("denominator")) {
            return Stream.of(loss);
        }
        return Stream.of(loss, loss.with(Map.of("denominator", Denominator.NEGATIVES, "positiveMargin", 0.2)));
    }

    /** Those that can, at their plainest, exclude rows of the same group too. */
    private static Stream<ContrastiveLoss> withGroups(ContrastiveLoss loss) {
        boolean plain = loss.components().getOrDefault("denominator", Denominator.ALL) == Denominator.ALL;
        return plain && loss.components().containsKey("excluded") && canHaveGroups(loss)
                ? Stream.of(loss, loss.with(Map.of("excluded", Exclude.sameGroup())))
                : Stream.of(loss);
    }

    private static boolean hasOwn(ContrastiveLoss loss) {
        return switch (loss.negatives()) {
            case OWN, IN_BATCH_AND_OWN -> true;
            case IN_BATCH, SHARED, PAIRED -> false;
        };
    }

    private static boolean canHaveGroups(ContrastiveLoss loss) {
        return switch (loss.negatives()) {
            case IN_BATCH, IN_BATCH_AND_OWN -> true;
            case SHARED, OWN, PAIRED -> false;
        };
    }

    /** Every loss that can have a threshold, alone and with all that goes with one, at thresholds that many negatives exceed. */
    public static List<ContrastiveLoss> withThresholds(Similarity s, double tau) {
        boolean bounded = switch (s) {
            case COSINE, DOT -> true;
            case NEGATIVE_SQUARED_EUCLIDEAN, NEGATIVE_EUCLIDEAN -> false;
        };
        List<Threshold> thresholds =
                List.of(Threshold.absolute(bounded ? 0.5 : 0.7), Threshold.relative(bounded ? 0.6 : 1.5));
        InfoNce infoNce = InfoNce.withTemperature(tau).withSimilarity(s);
        NtXent ntXent = NtXent.withTemperature(tau).withSimilarity(s);
        List<ContrastiveLoss> losses = new ArrayList<>();
        for (Threshold threshold : thresholds) {
            Exclude above = Exclude.aboveThreshold(threshold);
            Exclude both = Exclude.sameGroup().and(above);
            losses.addAll(List.of(
                    infoNce.excluding(above),
                    infoNce.excluding(both),
                    infoNce.withSharedNegatives().excluding(above),
                    infoNce.symmetric().excluding(above),
                    infoNce.symmetric().decoupled().withPositiveMargin(0.2).excluding(both),
                    ntXent.excluding(above),
                    ntXent.decoupled().withPositiveMargin(0.2).excluding(both)));
        }
        return losses;
    }

    /** All that a loss may have of blocks. */
    static List<Set<Block>> blocks() {
        return IntStream.range(1, 1 << Block.values().length)
                .mapToObj(bits -> Arrays.stream(Block.values())
                        .filter(block -> (bits >> block.ordinal() & 1) == 1)
                        .collect(Collectors.toSet()))
                .toList();
    }

    /** Every set of blocks, alone and with all that goes with them. */
    public static List<ContrastiveLoss> withBlocks(Similarity s, double tau) {
        List<Exclude> above = withThresholds(s, tau).stream()
                .map(loss -> (Exclude) loss.components().get("excluded"))
                .distinct()
                .toList();
        List<ContrastiveLoss> losses = new ArrayList<>();
        int turn = 0;
        for (Set<Block> blocks : blocks()) {
            InfoNce loss = InfoNce.withTemperature(tau).withSimilarity(s).across(blocks.toArray(Block[]::new));
            InfoNce decoupled = loss.decoupled().withPositiveMargin(0.2);
            losses.add(loss);
            losses.add(decoupled.excluding(Exclude.sameGroup()));
            losses.add(loss.excluding(above.get(turn % above.size())));
            losses.add(decoupled.excluding(above.get(++turn % above.size())));
        }
        return losses;
    }

    /** With negatives of a row's own beside those of the batch, alone and with all that goes with them. */
    public static List<ContrastiveLoss> withOwnNegativesToo(Similarity s, double tau) {
        InfoNce loss = InfoNce.withTemperature(tau).withSimilarity(s).withOwnNegativesToo();
        List<ContrastiveLoss> losses = new ArrayList<>(
                List.of(loss, loss.decoupled().withPositiveMargin(0.2), loss.excluding(Exclude.sameGroup())));
        if (s == Similarity.COSINE) {
            losses.add(loss.debiased(0.03));
        }
        Stream.concat(withThresholds(s, tau).stream(), withBlocks(s, tau).stream())
                .map(other -> other instanceof InfoNce infoNce
                                && infoNce.negatives() == Negatives.IN_BATCH
                                && !infoNce.isSymmetric()
                        ? infoNce.withOwnNegativesToo()
                        : loss)
                .forEach(losses::add);
        return losses.stream().distinct().toList();
    }

    /** More than similarities of norms of about 1 err by. */
    static double farFromLimits(DType dtype) {
        return switch (dtype) {
            case FLOAT64 -> 1e-9;
            case FLOAT32, FLOAT16, BFLOAT16 -> 2e-6;
        };
    }

    /**
     * The case of the first seed from one on in which no negative is nearer to its limit than a distance, so that roundings leave it
     * on its side, and some are above and some below; or that has no limits.
     */
    public static Case awayFromLimits(double distance, long seed, LongFunction<Case> cases) {
        for (long other = seed; other < seed + 1000; other++) {
            Case c = cases.apply(other);
            double nearest = Oracle.distanceFromLimits(c);
            double left = Oracle.shareWithinLimits(c);
            if (nearest == Double.POSITIVE_INFINITY || left > 0 && left < 1 && nearest > distance) {
                return c;
            }
        }
        throw new AssertionError("no case is so far from its limits: " + cases.apply(seed));
    }

    /** Those that go to columns, towers and own negatives are debiased too, of cosines. */
    private static Stream<ContrastiveLoss> debiased(ContrastiveLoss loss) {
        boolean plain = loss.components().get("denominator") == Denominator.ALL
                && !loss.takesGroups()
                && loss.components().containsKey("classPrior");
        boolean telling = loss.isSymmetric() || loss.isOneTower() || hasOwn(loss);
        return plain && telling && loss.components().get("similarity") == Similarity.COSINE
                ? Stream.of(loss, loss.with(Map.of("classPrior", 0.03)))
                : Stream.of(loss);
    }

    /** The loss with each of the values that it can have of a component; as it is if it has no such component. */
    private static Stream<ContrastiveLoss> each(ContrastiveLoss loss, String component, List<?> values) {
        if (!loss.components().containsKey(component)) {
            return Stream.of(loss);
        }
        return values.stream().flatMap(value -> {
            try {
                return Stream.of(loss.with(Map.of(component, value)));
            } catch (IllegalArgumentException _) {
                return Stream.empty();
            }
        });
    }

    /** Every loss with every similarity or distance, at a temperature. */
    public static List<ContrastiveLoss> all(double tau) {
        List<ContrastiveLoss> losses = new ArrayList<>();
        for (Similarity s : Similarity.values()) {
            losses.addAll(withTemperature(s, tau));
        }
        for (Distance d : Distance.values()) {
            losses.addAll(withMargin(0.8, d));
        }
        for (Similarity s : Similarity.values()) {
            losses.add(MarginMse.ofSimilarity(s));
        }
        for (Distance d : Distance.values()) {
            losses.addAll(mined(0.3, d));
        }
        for (Similarity s : Similarity.values()) {
            losses.addAll(pairs(1 / tau, s));
        }
        return losses;
    }

    /**
     * Random inputs: rows of norm about 1, keys like their queries. m counts the keys of two towers in-batch (at least n, unless
     * they have labels) or negatives, and rows with some of their own beside have OWN; other losses have none of it. An odd n puts
     * the views of a one-tower loss into two matrices.
     * Where triplets are mined, or pairs found by labels, n rows have three labels, or none, and those of one label are alike; so it is, with a few more labels
     * that have few rows, where labels say which the positives are.
     */
    public static Case random(ContrastiveLoss loss, int n, int m, int dim, DType dtype, long seed) {
        Random random = new Random(seed);
        return withTeacherScores(
                withKeyOffsets(withGroups(random(loss, n, m, dim, dtype, random), random), random), random);
    }

    /** The case with random scores of its candidates, some of them the same, if its loss takes some. */
    static Case withTeacherScores(Case c, Random random) {
        if (!c.loss().takesTeacherScores()) {
            return c;
        }
        float[] scores = new float[c.rows() * (int) (c.shape().m() + 1)];
        for (int k = 0; k < scores.length; k++) {
            scores[k] = k > 0 && random.nextInt(8) == 0 ? scores[k - 1] : (float) (2 * random.nextGaussian());
        }
        return c.withTeacherScores(scores);
    }

    /** The case with random offsets of its keys, of a few natural units, if its loss takes some. */
    private static Case withKeyOffsets(Case c, Random random) {
        return c.loss().takesKeyOffsets() ? c.withKeyOffsets(offsets(random, c.keyColumns())) : c;
    }

    private static float[] offsets(Random random, int count) {
        float[] offsets = new float[count];
        for (int j = 0; j < count; j++) {
            offsets[j] = random.nextFloat(-3, 6);
        }
        return offsets;
    }

    /** The case with a queue of so many random rows, and as many more groups, labels and offsets of keys as there are of keys. */
    public static Case withQueue(Case c, int rows, long seed) {
        Random random = new Random(~seed);
        Case queued = c.withQueue(gaussian(random, rows, (int) c.shape().dim()));
        if (c.keyGroups() != null) {
            queued = queued.withGroups(c.groups(), joined(c.keyGroups(), groups(random, rows, c.rows())));
        }
        if (c.keyLabels() != null) {
            queued = queued.withLabels(
                    c.labels(),
                    joined(c.keyLabels(), random.ints(rows, -1, LABELS).toArray()));
        }
        return c.keyOffsets() == null ? queued : withKeyOffsets(queued, random);
    }

    private static int[] joined(int[] first, int... second) {
        return IntStream.concat(Arrays.stream(first), Arrays.stream(second)).toArray();
    }

    /** With offsets of keys, alone and with all that goes with them. */
    public static List<ContrastiveLoss> withKeyOffsets(Similarity s, double tau) {
        InfoNce loss = InfoNce.withTemperature(tau).withSimilarity(s);
        Stream<InfoNce> own = Stream.of(loss, loss.decoupled().withPositiveMargin(0.2))
                .flatMap(of -> Stream.of(of, of.withOwnNegativesToo()));
        Stream<InfoNce> excluding = withThresholds(s, tau).stream()
                .map(other -> (Exclude) other.components().get("excluded"))
                .distinct()
                .flatMap(excluded -> Stream.of(
                        loss.excluding(excluded), loss.withOwnNegativesToo().excluding(excluded)));
        return Stream.concat(own, excluding)
                .<ContrastiveLoss>map(InfoNce::withKeyOffsets)
                .toList();
    }

    /** Every kind of loss whose hard negatives can count more. */
    public static List<ContrastiveLoss> withHardness(Similarity s, double tau) {
        InfoNce loss = InfoNce.withTemperature(tau).withSimilarity(s).withHardness(5);
        NtXent tower = NtXent.withTemperature(tau).withSimilarity(s).withHardness(2);
        Exclude both = (Exclude) withThresholds(s, tau).get(1).components().get("excluded");
        return List.of(
                loss,
                loss.symmetric().excluding(Exclude.sameGroup()),
                loss.decoupled().withPositiveMargin(0.2).excluding(both),
                loss.withSharedNegatives(),
                loss.withOwnNegatives(),
                loss.withOwnNegativesToo().withKeyOffsets(),
                loss.withOwnNegativesToo().across(Block.values()),
                tower,
                tower.decoupled());
    }

    /** Every kind of loss that can have a queue. */
    public static List<ContrastiveLoss> ofQueues(Similarity s, double tau) {
        InfoNce loss = InfoNce.withTemperature(tau).withSimilarity(s);
        Exclude both = (Exclude) withThresholds(s, tau).get(1).components().get("excluded");
        SupCon several = SupCon.withTemperature(tau).withSimilarity(s).ofTwoTowers();
        List<ContrastiveLoss> losses = new ArrayList<>(List.of(
                loss,
                loss.decoupled().withPositiveMargin(0.2).excluding(Exclude.sameGroup()),
                loss.excluding(both),
                loss.withOwnNegativesToo(),
                loss.across(Block.values()).excluding(Exclude.sameGroup()),
                loss.withKeyOffsets(),
                loss.withKeyOffsets().withOwnNegativesToo().excluding(both),
                several,
                several.aggregating(Aggregation.INSIDE).decoupled(),
                several.aggregating(Aggregation.SUM).withPositiveMargin(0.2)));
        if (s == Similarity.COSINE) {
            losses.add(loss.debiased(0.03));
        }
        return losses;
    }

    /** The case with random groups, if its loss takes some. */
    static Case withGroups(Case c, Random random) {
        if (!c.loss().takesGroups()) {
            return c;
        }
        int[] groups = groups(random, c.rows(), c.rows());
        return c.withGroups(groups, c.loss().isOneTower() ? null : groups(random, c.keyColumns(), c.rows()));
    }

    /** Some three of so many rows in each group, and some in none. */
    private static int[] groups(Random random, int count, int rows) {
        return random.ints(count, -1, rows / 3 + 1).toArray();
    }

    /** The case with labels that give row i the positive of two views, or query i key i, if its loss finds positives by labels. */
    static Case withPairs(Case c) {
        if (!Terms.hasPositivesByLabels(c.loss())) {
            return c;
        }
        int half = c.rows() / 2;
        int[] labels = IntStream.range(0, c.rows())
                .map(i -> c.loss().isOneTower() ? i % half : i)
                .toArray();
        return c.withLabels(
                labels,
                c.loss().isOneTower()
                        ? null
                        : IntStream.range(0, c.keys().length).toArray());
    }

    private static Case random(ContrastiveLoss loss, int n, int m, int dim, DType dtype, Random random) {
        double tau = (double) loss.components().getOrDefault("temperature", Double.NaN);
        double[][] queries = gaussian(random, n, dim);
        return switch (loss.negatives()) {
            case IN_BATCH -> {
                if (Terms.hasPositivesByLabels(loss)) {
                    yield labelled(loss, tau, n, m, queries, dtype, random);
                }
                if (loss.isMined()) {
                    int[] labels = random.ints(n, -1, LABELS).toArray();
                    yield Case.of(loss, tau, dtype, clustered(random, queries, labels), null)
                            .withLabels(labels);
                }
                if (!loss.isOneTower()) {
                    int keys = loss.isSymmetric() ? n : Math.max(n, m);
                    yield Case.of(loss, tau, dtype, queries, alike(random, queries, keys));
                }
                if (n % 2 == 1) {
                    yield Case.of(loss, tau, dtype, queries, alike(random, queries, n));
                }
                double[][] second = alike(random, Arrays.copyOf(queries, n / 2), n / 2);
                System.arraycopy(second, 0, queries, n / 2, n / 2);
                yield Case.of(loss, tau, dtype, queries, null);
            }
            case IN_BATCH_AND_OWN -> {
                double[][] keys = alike(random, queries, Math.max(n, m));
                yield Case.of(loss, tau, dtype, queries, keys).withOwnNegatives(gaussian(random, n * OWN, dim), OWN);
            }
            case SHARED, OWN -> {
                int count = loss.negatives() == Negatives.OWN ? n * m : m;
                double[][] negatives = count == 0 ? null : gaussian(random, count, dim);
                yield Case.of(loss, tau, dtype, queries, alike(random, queries, n))
                        .withNegatives(negatives, m);
            }
            case PAIRED -> {
                int[] labels = loss.takesLabels() ? random.ints(n, 0, 2).toArray() : null;
                Case c = Case.of(loss, tau, dtype, queries, alike(random, queries, n))
                        .withLabels(labels);
                if (!loss.takesNegatives()) {
                    yield c;
                }
                // near enough for a margin to matter
                double[][] negatives = loss.hasMargin() ? alike(random, queries, n) : gaussian(random, n, dim);
                yield c.withNegatives(negatives, n);
            }
        };
    }

    /** Rows with positives by labels: an even n of one tower is of rows in one matrix, an odd one of rows in each of two. */
    private static Case labelled(
            ContrastiveLoss loss, double tau, int n, int m, double[][] queries, DType dtype, Random random) {
        double[][] keys = gaussian(random, loss.isOneTower() ? n : Math.max(1, m), queries[0].length);
        int[] labels = labels(random, n);
        int[] keyLabels = labels(random, keys.length);
        double[][] centres = gaussian(random, LABELS + Math.max(n, keys.length), queries[0].length);
        double[][] rows = clustered(centres, queries, labels);
        if (loss.isOneTower() && n % 2 == 0) {
            return Case.of(loss, tau, dtype, rows, null).withLabels(labels);
        }
        Case c = Case.of(loss, tau, dtype, rows, clustered(centres, keys, keyLabels));
        return loss.isOneTower()
                ? c.withLabels(IntStream.concat(Arrays.stream(labels), Arrays.stream(keyLabels))
                        .toArray())
                : c.withLabels(labels, keyLabels);
    }

    /** None for some rows, one of as many labels as there are rows for some, and one of a few for the others. */
    private static int[] labels(Random random, int rows) {
        return IntStream.generate(() -> switch (random.nextInt(6)) {
                    case 0 -> -1;
                    case 1 -> LABELS + random.nextInt(rows);
                    default -> random.nextInt(LABELS);
                })
                .limit(rows)
                .toArray();
    }

    /** Weights of rows, some of them 0. */
    public static float[] weights(int rows, long seed) {
        Random random = new Random(seed);
        float[] weights = new float[rows];
        for (int i = 0; i < rows; i++) {
            weights[i] = i % 5 == 3 ? 0 : random.nextFloat() * 2;
        }
        return weights;
    }

    /** Rows of expected norm 1. */
    static double[][] gaussian(Random random, int rows, int dim) {
        double[][] x = new double[rows][dim];
        for (double[] row : x) {
            for (int d = 0; d < dim; d++) {
                row[d] = random.nextGaussian() / Math.sqrt(dim);
            }
        }
        return x;
    }

    /** Rows like those of x, as many as asked for; more than x has are unlike any. */
    static double[][] alike(Random random, double[][] x, int rows) {
        double[][] y = gaussian(random, rows, x[0].length);
        for (int i = 0; i < Math.min(rows, x.length); i++) {
            for (int d = 0; d < y[i].length; d++) {
                y[i][d] = x[i][d] + 0.6 * y[i][d];
            }
        }
        return y;
    }

    /** Rows that lie around a point of their label. */
    static double[][] clustered(Random random, double[][] x, int... labels) {
        return clustered(gaussian(random, 1 + Arrays.stream(labels).max().orElse(0), x[0].length), x, labels);
    }

    private static double[][] clustered(double[][] centres, double[][] x, int... labels) {
        double[][] y = x.clone();
        for (int i = 0; i < y.length; i++) {
            y[i] = x[i].clone();
            for (int d = 0; labels[i] >= 0 && d < y[i].length; d++) {
                y[i][d] = 0.6 * y[i][d] + centres[labels[i]][d];
            }
        }
        return y;
    }

    /** Rows uniform on the unit sphere. */
    static double[][] sphere(Random random, int rows, int dim) {
        double[][] x = gaussian(random, rows, dim);
        for (double[] row : x) {
            double norm = Oracle.norm(row);
            for (int d = 0; d < dim; d++) {
                row[d] /= norm;
            }
        }
        return x;
    }

    static double[][] identity(int n) {
        double[][] x = new double[n][n];
        for (int i = 0; i < n; i++) {
            x[i][i] = 1;
        }
        return x;
    }
}
