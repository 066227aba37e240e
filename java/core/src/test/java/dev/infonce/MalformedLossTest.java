package dev.infonce;

import static dev.infonce.Malformed.argument;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Losses, shapes and options that cannot be. */
class MalformedLossTest {
    @ParameterizedTest
    @MethodSource("calls")
    void isRefusedWithTheArgumentInTheMessage(Malformed call) {
        call.check();
    }

    @Test
    void theEndsOfRangesAreAllowed() {
        assertThat(Shape.of(1, 0, 1).m()).isZero();
        assertThat(Shape.pairs(1, 1 << 20).dim()).isEqualTo(1 << 20);
        assertThat(Shape.tower((1L << 60) - 1, 1).n()).isEqualTo((1L << 60) - 1);
        assertThat(new CpuOptions(1024, Isa.BEST).threads()).isEqualTo(1024);
        assertThat(CpuOptions.defaults()).isEqualTo(new CpuOptions(0, Isa.BEST));
        assertThat(PlanOptions.defaults().withTopK(1).withWorkspaceBudget(-1).workspaceBudgetBytes())
                .isEqualTo(-1);
        assertThat(Shape.of(1, 1, 1).withQueue((1L << 60) - 2).queue()).isEqualTo((1L << 60) - 2);
        assertThat(Threshold.absolute(-1e100).margin()).isEqualTo(-1e100);
        assertThat(Threshold.relative(1e100).margin()).isEqualTo(1e100);
        Exclude above = Exclude.aboveThreshold(Threshold.relative(0));
        assertThat(Exclude.sameGroup().and(above)).isEqualTo(new Exclude(true, Threshold.relative(0)));
        assertThat(above.and(Exclude.sameGroup())).isEqualTo(above.and(above).and(Exclude.sameGroup()));
        InfoNce blocks = InfoNce.withTemperature(1).across(Block.KEY_KEY, Block.QUERY_QUERY, Block.KEY_KEY);
        assertThat(blocks.blocks()).containsExactly(Block.QUERY_QUERY, Block.KEY_KEY);
        assertThat(blocks.across()).isEqualTo(InfoNce.withTemperature(1));
        assertThatThrownBy(() -> blocks.blocks().clear()).isInstanceOf(UnsupportedOperationException.class);
        assertThat(Triplet.withMargin(0).margin()).isZero();
        assertThat(Triplet.withMargin(0)
                        .mining(Mining.SEMI_HARD)
                        .withSoftMargin()
                        .softMargin())
                .isTrue();
        assertThat(PairwiseContrastive.withMargin(Double.MIN_VALUE).margin()).isPositive();
    }

    static Stream<Malformed> calls() {
        return Stream.of(
                argument(
                        "temperature 0",
                        () -> InfoNce.withTemperature(0),
                        "temperature: must be in [1e-9, 1e9], but got 0.0"),
                argument("temperature negative", () -> NtXent.withTemperature(-0.1), "temperature", "-0.1"),
                argument("temperature NaN", () -> NtLogistic.withTemperature(Double.NaN), "temperature", "NaN"),
                argument("temperature too small", () -> InfoNce.withTemperature(1e-10), "temperature", "1.0E-10"),
                argument("temperature infinite", () -> InfoNce.withTemperature(1.0 / 0), "temperature", "Infinity"),
                argument(
                        "InfoNce with paired negatives",
                        () -> new InfoNce(
                                1,
                                Similarity.DOT,
                                Negatives.PAIRED,
                                false,
                                Set.of(),
                                false,
                                Denominator.ALL,
                                0,
                                0,
                                0,
                                Exclude.nothing(),
                                Reduction.SUM),
                        "negatives: InfoNce takes IN_BATCH, SHARED, OWN or IN_BATCH_AND_OWN, but got PAIRED"),
                argument(
                        "symmetric with shared negatives",
                        () -> InfoNce.withTemperature(1).symmetric().withSharedNegatives(),
                        "isSymmetric",
                        "SHARED"),
                argument(
                        "symmetric with own negatives too",
                        () -> InfoNce.withTemperature(1).symmetric().withOwnNegativesToo(),
                        "isSymmetric: a symmetric InfoNce has IN_BATCH negatives, but got IN_BATCH_AND_OWN"),
                argument(
                        "own negatives of another loss too",
                        () -> NtLogistic.withTemperature(1).with(Map.of("negatives", Negatives.IN_BATCH_AND_OWN)),
                        "negatives: NtLogistic takes IN_BATCH or PAIRED, but got IN_BATCH_AND_OWN"),
                argument(
                        "class prior 1",
                        () -> InfoNce.withTemperature(1).debiased(1),
                        "classPrior: must be in [0, 1), but got 1.0"),
                argument(
                        "hardness negative",
                        () -> InfoNce.withTemperature(1).withHardness(-0.5),
                        "hardness: must be in [0, 1000], but got -0.5"),
                argument("hardness NaN", () -> NtXent.withTemperature(1).withHardness(Double.NaN), "hardness", "NaN"),
                argument(
                        "hardness too large", () -> NtXent.withTemperature(1).withHardness(1001), "hardness", "1001.0"),
                argument(
                        "hardness of a debiased loss",
                        () -> InfoNce.withTemperature(1).debiased(0.1).withHardness(9),
                        "hardness: a debiased loss has none"),
                argument("class prior NaN", () -> NtXent.withTemperature(1).debiased(Double.NaN), "classPrior", "NaN"),
                argument(
                        "debiased and decoupled",
                        () -> NtXent.withTemperature(1).decoupled().debiased(0.1),
                        "classPrior",
                        "NEGATIVES"),
                argument(
                        "debiased dot products",
                        () -> InfoNce.withTemperature(1).debiased(0.1).withSimilarity(Similarity.DOT),
                        "classPrior",
                        "DOT"),
                argument(
                        "debiased with groups",
                        () -> InfoNce.withTemperature(1).debiased(0.1).excluding(Exclude.sameGroup()),
                        "classPrior",
                        "groups"),
                argument(
                        "groups with shared negatives",
                        () -> InfoNce.withTemperature(1)
                                .excluding(Exclude.sameGroup())
                                .withSharedNegatives(),
                        "excluded: an InfoNce that excludes groups has IN_BATCH or IN_BATCH_AND_OWN negatives, but got SHARED"),
                argument(
                        "own negatives with groups",
                        () -> InfoNce.withTemperature(1).withOwnNegatives().excluding(Exclude.sameGroup()),
                        "excluded",
                        "OWN"),
                argument(
                        "own negatives with a threshold",
                        () -> InfoNce.withTemperature(1)
                                .withOwnNegatives()
                                .excluding(Exclude.aboveThreshold(Threshold.relative(0.05))),
                        "excluded: an InfoNce with a threshold has IN_BATCH or SHARED negatives, as OWN ones are chosen for being"
                                + " similar, but got Threshold[kind=RELATIVE, margin=0.05]"),
                argument(
                        "debiased with a threshold",
                        () -> NtXent.withTemperature(1)
                                .debiased(0.1)
                                .excluding(Exclude.aboveThreshold(Threshold.absolute(0.1))),
                        "classPrior: a debiased loss has no threshold",
                        "ABSOLUTE"),
                argument(
                        "SigLip with a threshold",
                        () -> SigLip.learned().excluding(Exclude.aboveThreshold(Threshold.absolute(0))),
                        "excluded: a SigLip has no threshold, as it compares no pair with a positive",
                        "ABSOLUTE"),
                argument(
                        "threshold of another loss",
                        () -> SupCon.withTemperature(1)
                                .with(Map.of("excluded", Exclude.aboveThreshold(Threshold.absolute(0)))),
                        "excluded: SupCon has none"),
                argument(
                        "absolute margin too large",
                        () -> Threshold.absolute(-2e100),
                        "margin: of an absolute threshold must be in [-1e100, 1e100], but got -2.0E100"),
                argument("absolute margin infinite", () -> Threshold.absolute(1.0 / 0), "margin", "Infinity"),
                argument("absolute margin NaN", () -> Threshold.absolute(Double.NaN), "margin", "NaN"),
                argument(
                        "relative margin negative",
                        () -> Threshold.relative(-0.1),
                        "margin: of a relative threshold must be in [0, 1e100], but got -0.1"),
                argument("relative margin too large", () -> Threshold.relative(1e101), "margin", "1.0E101"),
                argument("relative margin NaN", () -> Threshold.relative(Double.NaN), "margin", "NaN"),
                argument(
                        "margin of no threshold",
                        () -> new Threshold(Threshold.Kind.NONE, 0.1),
                        "margin: must be 0 without a threshold, but got 0.1"),
                argument(
                        "two thresholds",
                        () -> Exclude.aboveThreshold(Threshold.absolute(0.1))
                                .and(Exclude.aboveThreshold(Threshold.relative(0.1))),
                        "other: a rule has one threshold, but got Threshold[kind=ABSOLUTE, margin=0.1]",
                        "RELATIVE"),
                new Malformed(
                        "no threshold", NullPointerException.class, () -> Exclude.aboveThreshold(null), "threshold"),
                argument(
                        "blocks with shared negatives",
                        () -> InfoNce.withTemperature(1)
                                .across(Block.KEY_KEY, Block.QUERY_QUERY)
                                .withSharedNegatives(),
                        "blocks: an InfoNce with blocks has IN_BATCH or IN_BATCH_AND_OWN negatives, but got [QUERY_QUERY, KEY_KEY] with"
                                + " SHARED"),
                argument(
                        "blocks with own negatives",
                        () -> InfoNce.withTemperature(1).withOwnNegatives().across(Block.KEY_QUERY),
                        "blocks: an InfoNce with blocks has IN_BATCH or IN_BATCH_AND_OWN negatives, but got [KEY_QUERY] with OWN"),
                argument(
                        "symmetric with blocks",
                        () -> Losses.gte(1).symmetric(),
                        "blocks: a symmetric InfoNce has none, as it has the negatives of a row and of a column apart, but got"
                                + " [QUERY_QUERY, KEY_QUERY, KEY_KEY]"),
                argument(
                        "debiased with blocks",
                        () -> Losses.gte(1).debiased(0.25),
                        "blocks: a debiased InfoNce has none, as its prior is that of other keys, but got",
                        "KEY_KEY] with 0.25"),
                argument(
                        "blocks of another loss",
                        () -> NtXent.withTemperature(1).with(Map.of("blocks", Set.of(Block.KEY_KEY))),
                        "blocks: NtXent has none"),
                argument(
                        "a block that is no set",
                        () -> InfoNce.withTemperature(1).with(Map.of("blocks", Block.KEY_KEY)),
                        "blocks: must be a Set, but got KEY_KEY"),
                argument(
                        "blocks of another kind",
                        () -> InfoNce.withTemperature(1).with(Map.of("blocks", Set.of("key-key"))),
                        "blocks: must be of Block, but got key-key"),
                new Malformed(
                        "no block",
                        NullPointerException.class,
                        () -> InfoNce.withTemperature(1).across(Block.KEY_KEY, null)),
                new Malformed(
                        "no blocks",
                        NullPointerException.class,
                        () -> new InfoNce(
                                1,
                                Similarity.DOT,
                                Negatives.IN_BATCH,
                                false,
                                null,
                                false,
                                Denominator.ALL,
                                0,
                                0,
                                0,
                                Exclude.nothing(),
                                Reduction.SUM),
                        "blocks"),
                argument(
                        "offsets of keys with shared negatives",
                        () -> InfoNce.withTemperature(1).withKeyOffsets().withSharedNegatives(),
                        "hasKeyOffsets: an InfoNce with offsets of keys has IN_BATCH or IN_BATCH_AND_OWN negatives, but got SHARED"),
                argument(
                        "offsets of keys with own negatives",
                        () -> InfoNce.withTemperature(1).withOwnNegatives().withKeyOffsets(),
                        "hasKeyOffsets: an InfoNce with offsets",
                        "but got OWN"),
                argument(
                        "symmetric with offsets of keys",
                        () -> InfoNce.withTemperature(1).symmetric().withKeyOffsets(),
                        "hasKeyOffsets: a symmetric InfoNce has none, as the offset of a column cancels in its softmax"),
                argument(
                        "debiased with offsets of keys",
                        () -> InfoNce.withTemperature(1).withKeyOffsets().debiased(0.25),
                        "hasKeyOffsets: a debiased InfoNce has none, as it needs the smallest logit, which is a cosine's alone, but"
                                + " got 0.25"),
                argument(
                        "blocks with offsets of keys",
                        () -> Losses.gte(1).withKeyOffsets(),
                        "hasKeyOffsets: an InfoNce with blocks has none, as queries have no offsets, but got [QUERY_QUERY,"),
                argument(
                        "offsets of another loss",
                        () -> SigLip.learned().with(Map.of("hasKeyOffsets", true)),
                        "hasKeyOffsets: SigLip has none"),
                argument(
                        "symmetric with own negatives",
                        () -> InfoNce.withTemperature(1).withOwnNegatives().symmetric(),
                        "isSymmetric",
                        "OWN"),
                argument("bias infinite", () -> SigLip.withTemperatureAndBias(1, 1.0 / 0), "bias", "Infinity"),
                argument("bias NaN", () -> SigLip.withTemperatureAndBias(1, Double.NaN), "bias", "NaN"),
                argument("SigLip without warmth", () -> SigLip.withTemperatureAndBias(0, 1), "temperature", "0.0"),
                argument(
                        "NtLogistic with shared negatives",
                        () -> new NtLogistic(1, Similarity.DOT, Negatives.SHARED, Reduction.MEAN, Reduction.MEAN),
                        "negatives: NtLogistic takes IN_BATCH or PAIRED, but got SHARED"),
                argument(
                        "negative terms not reduced",
                        () -> NtLogistic.withTemperature(1).withNegativeReduction(Reduction.NONE),
                        "negativeReduction",
                        "NONE"),
                argument(
                        "paired negative terms summed",
                        () -> NtLogistic.withTemperature(1)
                                .withNegativeReduction(Reduction.SUM)
                                .withPairedNegatives(),
                        "negativeReduction",
                        "SUM with PAIRED"),
                argument(
                        "positive margin negative",
                        () -> InfoNce.withTemperature(1).withPositiveMargin(-0.5),
                        "positiveMargin",
                        "[0, 1e100]",
                        "-0.5"),
                argument(
                        "positive margin not a number",
                        () -> NtXent.withTemperature(1).withPositiveMargin(Double.NaN),
                        "positiveMargin",
                        "NaN"),
                argument("contrastive margin 0", () -> PairwiseContrastive.withMargin(0), "margin", "> 0", "0.0"),
                argument(
                        "contrastive margin infinite",
                        () -> PairwiseContrastive.withMargin(1.0 / 0),
                        "margin: must be finite and > 0, but got Infinity"),
                argument("contrastive margin NaN", () -> PairwiseContrastive.withMargin(0.0 / 0), "margin", "NaN"),
                argument("triplet margin negative", () -> Triplet.withMargin(-1), "margin", ">= 0", "-1.0"),
                argument("triplet margin infinite", () -> Triplet.withMargin(1.0 / 0), "margin", "Infinity"),
                argument("no rows", () -> Shape.of(0, 4, 4), "n: must be in [1", "got 0"),
                argument("negative m", () -> Shape.of(4, -1, 4), "m: must be in [0", "got -1"),
                argument("no columns", () -> Shape.pairs(4, 0), "dim: must be in [1, 1048576], but got 0"),
                argument("too many columns", () -> Shape.tower(4, (1 << 20) + 1), "dim", "1048577"),
                argument("too large", () -> Shape.of(1L << 30, 1L << 30, 1), "shape", "< 2^60", "1073741824"),
                argument(
                        "negative own negatives",
                        () -> Shape.of(4, 4, 4).withOwnNegatives(-1),
                        "ownNegatives: must be in [0",
                        "got -1"),
                argument(
                        "too many own negatives",
                        () -> Shape.of(1L << 30, 1, 2).withOwnNegatives(1L << 29),
                        "shape: n * ownNegatives * dim must be < 2^60, but got n = 1073741824, ownNegatives = 536870912, dim = 2"),
                argument("negative queue", () -> Shape.of(4, 4, 4).withQueue(-1), "queue: must be in [0", "got -1"),
                argument(
                        "too long a queue",
                        () -> Shape.of(1L << 30, 1L << 28, 2).withQueue(1L << 28),
                        "shape: n * (m + queue) * dim must be < 2^60, but got n = 1073741824, m = 268435456, queue = 268435456, dim = 2"),
                argument(
                        "a queue that overflows",
                        () -> Shape.of(2, 2, 1).withQueue(Long.MAX_VALUE),
                        "n * (m + queue) * dim must be < 2^60",
                        "queue = 9223372036854775807"),
                argument("too large by dim", () -> Shape.of(1L << 30, 1L << 29, 2), "shape", "< 2^60", "536870912"),
                argument(
                        "sizes that overflow to small ones",
                        () -> Shape.of((1L << 31) + 1, (1L << 31) + 1, 4),
                        "shape",
                        "< 2^60"),
                argument("sizes that overflow", () -> Shape.of(1L << 62, 1L << 62, 1 << 20), "shape", "< 2^60"),
                argument("top 0", () -> PlanOptions.defaults().withTopK(0), "topK", "got 0"),
                argument(
                        "budget -2",
                        () -> PlanOptions.defaults().withWorkspaceBudget(-2),
                        "workspaceBudgetBytes",
                        "-2"),
                argument("threads -1", () -> new CpuOptions(-1, Isa.BEST), "threads: must be in [0, 1024], but got -1"),
                argument("threads 1025", () -> Device.java(1025), "threads", "1025"),
                argument("index -1", () -> CudaOptions.defaults().withIndex(-1), "index: must be in [0", "got -1"),
                argument(
                        "capability -1",
                        () -> CudaOptions.defaults().withMaxComputeCapability(-1),
                        "maxComputeCapability: must be in [0",
                        "got -1"),
                argument("unknown device", () -> Device.named("gpu"), "java, cpu, cuda or emulated", "'gpu'"),
                new Malformed(
                        "no similarity",
                        NullPointerException.class,
                        () -> InfoNce.withTemperature(1).withSimilarity(null),
                        "similarity"),
                new Malformed(
                        "no mining",
                        NullPointerException.class,
                        () -> Triplet.withMargin(1).mining(null),
                        "mining"),
                argument(
                        "soft margin below 0",
                        () -> Triplet.withMargin(-0.5).withSoftMargin(),
                        "margin: must be finite and >= 0, but got -0.5"),
                argument(
                        "positive scale 0",
                        () -> MultiSimilarity.withScales(0, 50),
                        "positiveScale: must be in (0, 1e4], but got 0.0"),
                argument(
                        "negative scale too large",
                        () -> MultiSimilarity.withScales(2, 10001),
                        "negativeScale: must be in (0, 1e4], but got 10001.0"),
                argument("scale NaN", () -> MultiSimilarity.withScales(Double.NaN, 1), "positiveScale", "NaN"),
                argument(
                        "base too small",
                        () -> MultiSimilarity.withScales(2, 50).withBase(-10001),
                        "base: must be in [-1e4, 1e4], but got -10001.0"),
                argument("base NaN", () -> MultiSimilarity.withScales(2, 50).withBase(Double.NaN), "base", "NaN"),
                argument(
                        "multi-similarity of dot products",
                        () -> MultiSimilarity.withScales(2, 50).withSimilarity(Similarity.DOT),
                        "similarity: MultiSimilarity compares rows by distances, and there is none of DOT; normalise the rows"
                                + " and use COSINE"),
                new Malformed(
                        "multi-similarity of nothing",
                        NullPointerException.class,
                        () -> MultiSimilarity.withScales(2, 50).withSimilarity(null),
                        "similarity"),
                argument(
                        "margin of a circle below 0",
                        () -> Circle.withMarginAndScale(-0.1, 80),
                        "margin: must be in [0, 1], but got -0.1"),
                argument("margin of a circle above 1", () -> Circle.withMarginAndScale(1.01, 80), "margin", "1.01"),
                argument("margin of a circle NaN", () -> Circle.withMarginAndScale(Double.NaN, 80), "margin", "NaN"),
                argument(
                        "scale of a circle infinite",
                        () -> Circle.withMarginAndScale(0.25, 1.0 / 0),
                        "scale: must be in (0, 1e4], but got Infinity"),
                argument(
                        "circle of dot products",
                        () -> Circle.withMarginAndScale(0.25, 80).withSimilarity(Similarity.DOT),
                        "similarity: Circle compares rows by distances"),
                new Malformed(
                        "circle without a reduction",
                        NullPointerException.class,
                        () -> Circle.withMarginAndScale(0.25, 80).withReduction(null),
                        "reduction"),
                argument(
                        "temperature of a circle",
                        () -> Circle.withMarginAndScale(0.25, 80).with(Map.of("temperature", 0.1)),
                        "temperature: Circle has none, only margin, scale, similarity, reduction"),
                argument(
                        "mining of another loss",
                        () -> InfoNce.withTemperature(1).with(Map.of("mining", Mining.BATCH_ALL)),
                        "mining: InfoNce has none"),
                new Malformed("no ids", NullPointerException.class, () -> Labels.of((long[]) null)),
                new Malformed("no names", NullPointerException.class, () -> Labels.of((Object[]) null)),
                new Malformed("no ids of keys", NullPointerException.class, () -> Labels.of(new long[1], null)),
                argument(
                        "positive beyond the keys",
                        () -> Labels.ofPositives(new int[] {0, -1, 3}, 3),
                        "positives: must be in [-1, 2], but number 2 is 3"),
                argument(
                        "positive below -1",
                        () -> Labels.ofPositives(new int[] {-2}, 3),
                        "positives",
                        "number 0 is -2"),
                argument("keys below 0", () -> Labels.ofPositives(new int[0], -1), "keys: must be in [0"),
                new Malformed("no positives", NullPointerException.class, () -> Labels.ofPositives(null, 3)),
                new Malformed(
                        "no probabilities",
                        NullPointerException.class,
                        () -> KeyOffsets.ofProbabilities((double[]) null)),
                new Malformed(
                        "no aggregation",
                        NullPointerException.class,
                        () -> SupCon.withTemperature(1).aggregating(null),
                        "aggregation"),
                argument("SupCon without warmth", () -> SupCon.withTemperature(0), "temperature", "0.0"),
                argument(
                        "positive margin of SupCon",
                        () -> SupCon.withTemperature(1).withPositiveMargin(-1),
                        "positiveMargin",
                        "-1.0"),
                argument(
                        "aggregation of another loss",
                        () -> NtXent.withTemperature(1).with(Map.of("aggregation", Aggregation.SUM)),
                        "aggregation: NtXent has none"),
                new Malformed(
                        "no reduction",
                        NullPointerException.class,
                        () -> Triplet.withMargin(1).withReduction(null),
                        "reduction"),
                new Malformed(
                        "no distance",
                        NullPointerException.class,
                        () -> Triplet.withMargin(1).withDistance(null),
                        "distance"));
    }
}
