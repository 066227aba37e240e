package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.infonce.bindings.infonce_h;
import dev.infonce.internal.LossSpec;
import java.lang.reflect.Method;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What can be asked of any loss without knowing which it is. */
class LossKindsTest {
    static List<ContrastiveLoss> kinds() {
        return ContrastiveLoss.kinds();
    }

    @Test
    void thereIsOneLossOfEveryPermittedKindWithAWordOfItsOwn() {
        assertThat(kinds())
                .extracting(ContrastiveLoss::getClass)
                .containsExactlyElementsOf(List.of(ContrastiveLoss.class.getPermittedSubclasses()).stream()
                        .filter(kind -> kind != Matryoshka.class)
                        .<Class<? extends ContrastiveLoss>>map(kind -> kind.asSubclass(ContrastiveLoss.class))
                        .toList());
        assertThat(kinds())
                .extracting(ContrastiveLoss::word)
                .startsWith(
                        "infonce",
                        "ntxent",
                        "nt-logistic",
                        "contrastive",
                        "triplet",
                        "siglip",
                        "supcon",
                        "kl-distillation",
                        "margin-mse",
                        "multi-similarity",
                        "circle")
                .doesNotHaveDuplicates();
    }

    @Test
    void defaultsAreTheSameAsThoseOfTheFactories() {
        assertThat(kinds())
                .startsWith(
                        InfoNce.withTemperature(1),
                        NtXent.withTemperature(1),
                        NtLogistic.withTemperature(1),
                        PairwiseContrastive.withMargin(1),
                        Triplet.withMargin(1),
                        SigLip.withTemperatureAndBias(1, 0),
                        SupCon.withTemperature(1),
                        KlDistillation.withTemperature(1),
                        MarginMse.ofDots(),
                        MultiSimilarity.withScales(1, 1),
                        Circle.withMarginAndScale(1, 1));
    }

    /** But for SupCon, which is another's code with several positives. */
    @Test
    void codesAreThoseOfTheHeaderAndAllOfThem() throws ReflectiveOperationException {
        Map<String, Integer> header = new HashMap<>();
        for (Method constant : infonce_h.class.getMethods()) {
            if (constant.getName().startsWith("NCE_LOSS_")) {
                header.put(plain(constant.getName().substring("NCE_LOSS_".length())), (int) constant.invoke(null));
            }
        }
        Map<String, Integer> ours = new HashMap<>();
        kinds().stream()
                .filter(kind -> !(kind instanceof SupCon))
                .forEach(kind -> ours.put(plain(kind.word()), LossSpec.of(kind).code()));
        assertThat(ours).isEqualTo(header);
        SupCon several = SupCon.withTemperature(1);
        assertThat(LossSpec.of(several).code()).isEqualTo(infonce_h.NCE_LOSS_NT_XENT());
        assertThat(LossSpec.of(several.ofTwoTowers()).code()).isEqualTo(infonce_h.NCE_LOSS_INFONCE());
    }

    private static String plain(String name) {
        return name.toLowerCase(Locale.ROOT).replaceAll("[-_]", "");
    }

    @Test
    void everyPropertyIsTold() {
        InfoNce infoNce = InfoNce.withTemperature(1);
        NtLogistic logistic = NtLogistic.withTemperature(1);
        told(infoNce, Negatives.IN_BATCH, "temperature queue");
        told(infoNce.withKeyOffsets(), Negatives.IN_BATCH, "temperature queue offsets");
        told(infoNce.symmetric(), Negatives.IN_BATCH, "temperature symmetric");
        told(infoNce.withSharedNegatives(), Negatives.SHARED, "temperature matrix");
        told(infoNce.withOwnNegatives(), Negatives.OWN, "temperature matrix");
        told(infoNce.withOwnNegativesToo(), Negatives.IN_BATCH_AND_OWN, "temperature matrix queue");
        told(NtXent.withTemperature(1), Negatives.IN_BATCH, "temperature tower");
        told(logistic, Negatives.IN_BATCH, "temperature tower");
        told(logistic.withPairedNegatives(), Negatives.PAIRED, "temperature matrix");
        told(PairwiseContrastive.withMargin(1), Negatives.PAIRED, "margin labels");
        told(Triplet.withMargin(1), Negatives.PAIRED, "margin matrix");
        told(Triplet.withMargin(1).withSoftMargin(), Negatives.PAIRED, "margin matrix");
        for (Mining mining : Mining.values()) {
            if (mining != Mining.NONE) {
                told(Triplet.withMargin(1).mining(mining), Negatives.IN_BATCH, "margin labels classes tower mined");
            }
        }
        told(KlDistillation.withTemperature(1), Negatives.OWN, "temperature matrix scores");
        told(MarginMse.ofDots(), Negatives.OWN, "matrix scores");
        told(MultiSimilarity.withScales(2, 50), Negatives.IN_BATCH, "labels classes tower mined");
        told(Circle.withMarginAndScale(0.25, 80), Negatives.IN_BATCH, "margin labels classes tower mined");
        told(SigLip.learned(), Negatives.IN_BATCH, "temperature bias");
        told(SupCon.withTemperature(1), Negatives.IN_BATCH, "temperature tower labels classes");
        told(SupCon.withTemperature(1).ofTwoTowers(), Negatives.IN_BATCH, "temperature labels classes queue");
    }

    private static void told(ContrastiveLoss loss, Negatives negatives, String properties) {
        assertThat(loss.negatives()).as("%s", loss).isEqualTo(negatives);
        List<String> all = List.of(properties.split(" "));
        assertThat(loss.hasTemperature()).as("%s", loss).isEqualTo(all.contains("temperature"));
        assertThat(loss.hasMargin()).as("%s", loss).isEqualTo(all.contains("margin"));
        assertThat(loss.hasBias()).as("%s", loss).isEqualTo(all.contains("bias"));
        assertThat(loss.isSymmetric()).as("%s", loss).isEqualTo(all.contains("symmetric"));
        assertThat(loss.isOneTower()).as("%s", loss).isEqualTo(all.contains("tower"));
        assertThat(loss.takesNegatives()).as("%s", loss).isEqualTo(all.contains("matrix"));
        assertThat(loss.takesLabels()).as("%s", loss).isEqualTo(all.contains("labels"));
        assertThat(loss.takesClassLabels()).as("%s", loss).isEqualTo(all.contains("classes"));
        assertThat(loss.isMined()).as("%s", loss).isEqualTo(all.contains("mined"));
        assertThat(loss.takesQueue()).as("%s", loss).isEqualTo(all.contains("queue"));
        assertThat(loss.takesKeyOffsets()).as("%s", loss).isEqualTo(all.contains("offsets"));
        assertThat(loss.takesTeacherScores()).as("%s", loss).isEqualTo(all.contains("scores"));
    }

    @Test
    void possibleNegativesFollowFromTheOtherComponents() {
        InfoNce infoNce = InfoNce.withTemperature(1);
        NtLogistic logistic = NtLogistic.withTemperature(1);
        assertThat(infoNce.possibleNegatives())
                .containsExactly(Negatives.IN_BATCH, Negatives.SHARED, Negatives.OWN, Negatives.IN_BATCH_AND_OWN);
        assertThat(infoNce.symmetric().possibleNegatives()).containsExactly(Negatives.IN_BATCH);
        assertThat(logistic.possibleNegatives()).containsExactly(Negatives.IN_BATCH, Negatives.PAIRED);
        assertThat(logistic.withNegativeReduction(Reduction.SUM).possibleNegatives())
                .containsExactly(Negatives.IN_BATCH);
        assertThat(NtXent.withTemperature(1).possibleNegatives()).containsExactly(Negatives.IN_BATCH);
        assertThat(Triplet.withMargin(1).possibleNegatives()).containsExactly(Negatives.PAIRED);
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void aMatryoshkaIsOfTheKindOfTheLossWithin(ContrastiveLoss kind) {
        Matryoshka loss = kind.matryoshka(2, 4).withWeights(1, 0.5);
        assertThat(loss.word()).isEqualTo(kind.word());
        assertThat(loss.components()).isEqualTo(kind.components());
        assertThat(loss.possibleNegatives()).isEqualTo(kind.possibleNegatives());
        assertThat(loss.reduction()).isEqualTo(kind.reduction());
        told(loss, kind.negatives(), properties(kind));
        for (Reduction reduction : Reduction.values()) {
            Matryoshka expected = new Matryoshka(kind.withReduction(reduction), loss.prefixes());
            assertThat(loss.withReduction(reduction)).isEqualTo(expected);
            assertThat(loss.with(Map.of("reduction", reduction))).isEqualTo(expected);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> loss.with(Map.of("prefixes", loss.prefixes())))
                .withMessageStartingWith("prefixes: " + kind.getClass().getSimpleName() + " has none, only ");
    }

    private static String properties(ContrastiveLoss loss) {
        return String.join(
                " ",
                loss.hasTemperature() ? "temperature" : "",
                loss.hasMargin() ? "margin" : "",
                loss.hasBias() ? "bias" : "",
                loss.isSymmetric() ? "symmetric" : "",
                loss.isOneTower() ? "tower" : "",
                loss.takesNegatives() ? "matrix" : "",
                loss.takesLabels() ? "labels" : "",
                loss.takesClassLabels() ? "classes" : "",
                loss.isMined() ? "mined" : "",
                loss.takesQueue() ? "queue" : "",
                loss.takesKeyOffsets() ? "offsets" : "",
                loss.takesTeacherScores() ? "scores" : "");
    }

    @Test
    void prefixesOfAMatryoshkaAreChecked() {
        InfoNce infoNce = InfoNce.withTemperature(1);
        Matryoshka loss = infoNce.matryoshka(2, 4, 8);
        assertThat(loss.prefixes())
                .containsExactly(new Matryoshka.Prefix(2, 1), new Matryoshka.Prefix(4, 1), new Matryoshka.Prefix(8, 1));
        assertThat(loss.withWeights(1, 2, 0.5).prefixes())
                .containsExactly(
                        new Matryoshka.Prefix(2, 1), new Matryoshka.Prefix(4, 2), new Matryoshka.Prefix(8, 0.5));
        assertRefused(() -> infoNce.matryoshka(), "prefixes: must be one or more, but got none");
        assertRefused(() -> infoNce.matryoshka(0, 2), "dim: must be in [1, 1048576], but got 0");
        assertRefused(() -> infoNce.matryoshka(2, 1 << 21), "dim: must be in [1, 1048576], but got 2097152");
        assertRefused(() -> infoNce.matryoshka(2, 4, 4), "prefixes: must be of rising dimension, but got 4 before 4");
        assertRefused(() -> infoNce.matryoshka(4, 2), "prefixes: must be of rising dimension, but got 4 before 2");
        assertRefused(() -> loss.withWeights(1, 2), "weights: must be 3 numbers, one a prefix, but got 2");
        for (double weight : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertRefused(() -> loss.withWeights(1, weight, 1), "weight: must be finite and > 0, but got " + weight);
        }
        assertRefused(
                () -> loss.matryoshka(2), "loss: a Matryoshka's must not be a Matryoshka itself, but got " + loss);
        try (Device device = Device.java()) {
            assertRefused(
                    () -> device.plan(loss, Shape.of(3, 3, 7), DType.FLOAT32),
                    "shape: prefixes of up to 8 coordinates need dim >= 8, but got dim = 7");
            assertThat(device.plan(loss, Shape.of(3, 3, 8), DType.FLOAT32)).isNotNull();
        }
    }

    private static void assertRefused(ThrowableAssert.ThrowingCallable call, String message) {
        assertThatIllegalArgumentException().isThrownBy(call).withMessage(message);
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void componentsAreChangedByNameAndTheOthersStay(ContrastiveLoss kind) {
        kind.components().forEach((name, value) -> {
            Object another = another(kind, name, value);
            Map<String, Object> expected = new HashMap<>(kind.components());
            expected.put(name, another);
            ContrastiveLoss changed = kind.with(Map.of(name, another));
            assertThat(changed).hasSameClassAs(kind);
            assertThat(changed.components()).containsExactlyInAnyOrderEntriesOf(expected);
            assertThat(changed.with(kind.components())).isEqualTo(kind);
        });
    }

    private static Object another(ContrastiveLoss kind, String name, Object value) {
        return switch (value) {
            case Negatives _ -> kind.possibleNegatives().getLast();
            case Double number -> number / 2;
            case Exclude _ -> Exclude.sameGroup();
            case Set<?> _ -> Set.of(Block.KEY_QUERY);
            case Boolean is -> !is;
            case Similarity _ -> Similarity.NEGATIVE_EUCLIDEAN; // which every kind with one takes
            case Enum<?> constant -> constant.getDeclaringClass().getEnumConstants()[1];
            default -> throw new AssertionError(name);
        };
    }

    @Test
    void severalComponentsAreCheckedTogether() {
        ContrastiveLoss logistic = NtLogistic.withTemperature(1).withNegativeReduction(Reduction.SUM);
        assertThat(logistic.with(Map.of("negatives", Negatives.PAIRED, "negativeReduction", Reduction.MEAN)))
                .isEqualTo(NtLogistic.withTemperature(1).withPairedNegatives());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> logistic.with(Map.of("negatives", Negatives.PAIRED)))
                .withMessageStartingWith("negativeReduction: ");
    }

    @Test
    void componentsThatAKindHasNotAreRefusedByName() {
        ContrastiveLoss loss = NtXent.withTemperature(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> loss.with(Map.of("margin", 2.0)))
                .withMessage(
                        "margin: NtXent has none, only temperature, similarity, denominator, positiveMargin, classPrior, hardness, excluded, reduction");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> loss.with(Map.of("similarity", Distance.COSINE)))
                .withMessage("similarity: must be a Similarity, but got COSINE");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> loss.with(Map.of("temperature", 0.0)))
                .withMessage("temperature: must be in [1e-9, 1e9], but got 0.0");
    }
}
