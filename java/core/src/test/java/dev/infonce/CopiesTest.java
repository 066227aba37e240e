package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

/** Records like another one but for a component. */
class CopiesTest {
    private final InfoNce infoNce = InfoNce.withTemperature(0.5);
    private final NtXent ntXent = NtXent.withTemperature(0.5);
    private final NtLogistic logistic = NtLogistic.withTemperature(0.5);
    private final PairwiseContrastive contrastive = PairwiseContrastive.withMargin(2);
    private final KlDistillation distilled = KlDistillation.withTemperature(0.5);
    private final MarginMse marginMse = MarginMse.ofDots();
    private final Triplet triplet = Triplet.withMargin(2);

    @Test
    void ofLossesDifferInThatComponentAlone() {
        differ(infoNce, infoNce.symmetric(), "isSymmetric", true);
        differ(infoNce, infoNce.withSharedNegatives(), "negatives", Negatives.SHARED);
        differ(infoNce, infoNce.withOwnNegatives(), "negatives", Negatives.OWN);
        differ(infoNce, infoNce.withOwnNegativesToo(), "negatives", Negatives.IN_BATCH_AND_OWN);
        differ(infoNce, infoNce.withKeyOffsets(), "hasKeyOffsets", true);
        differ(infoNce, infoNce.withSimilarity(Similarity.DOT), "similarity", Similarity.DOT);
        differ(infoNce, infoNce.decoupled(), "denominator", Denominator.NEGATIVES);
        differ(infoNce, infoNce.withPositiveMargin(0.25), "positiveMargin", 0.25);
        differ(infoNce, infoNce.withReduction(Reduction.SUM), "reduction", Reduction.SUM);
        differ(ntXent, ntXent.withSimilarity(Similarity.DOT), "similarity", Similarity.DOT);
        differ(ntXent, ntXent.decoupled(), "denominator", Denominator.NEGATIVES);
        differ(ntXent, ntXent.withPositiveMargin(0.25), "positiveMargin", 0.25);
        differ(ntXent, ntXent.withReduction(Reduction.SUM), "reduction", Reduction.SUM);
        differ(logistic, logistic.withPairedNegatives(), "negatives", Negatives.PAIRED);
        differ(logistic, logistic.withNegativeReduction(Reduction.SUM), "negativeReduction", Reduction.SUM);
        differ(logistic, logistic.withSimilarity(Similarity.DOT), "similarity", Similarity.DOT);
        differ(logistic, logistic.withReduction(Reduction.SUM), "reduction", Reduction.SUM);
        differ(contrastive, contrastive.withDistance(Distance.COSINE), "distance", Distance.COSINE);
        differ(contrastive, contrastive.withReduction(Reduction.SUM), "reduction", Reduction.SUM);
        differ(distilled, distilled.withSimilarity(Similarity.DOT), "similarity", Similarity.DOT);
        differ(distilled, distilled.withReduction(Reduction.SUM), "reduction", Reduction.SUM);
        differ(marginMse, marginMse.withSimilarity(Similarity.COSINE), "similarity", Similarity.COSINE);
        differ(marginMse, marginMse.withReduction(Reduction.SUM), "reduction", Reduction.SUM);
        differ(triplet, triplet.withDistance(Distance.COSINE), "distance", Distance.COSINE);
        differ(triplet, triplet.withReduction(Reduction.SUM), "reduction", Reduction.SUM);
    }

    @Test
    void ofOptionsDifferInThatComponentAlone() {
        PlanOptions plan = PlanOptions.defaults();
        differ(plan, plan.withoutMetrics(), "metrics", false);
        differ(plan, plan.withPrecision(Precision.FAST), "precision", Precision.FAST);
        differ(plan, plan.withTopK(7), "topK", 7);
        differ(plan, plan.withWorkspaceBudget(9), "workspaceBudgetBytes", 9L);
        differ(plan, plan.withGradientDType(DType.FLOAT32), "gradientDType", DType.FLOAT32);
        assertThat(plan.withGradientDType(DType.FLOAT32).withGradientDType(null))
                .isEqualTo(plan);
        CudaOptions cuda = CudaOptions.defaults();
        differ(cuda, cuda.withIndex(1), "index", 1);
        differ(cuda, cuda.withMaxComputeCapability(80), "maxComputeCapability", 80);
    }

    @Test
    void ofInputsDifferInThatComponentAlone() {
        Matrix matrix = Samples.heap(DType.FLOAT32, 2, 3, 1);
        Inputs in = new Inputs(
                matrix,
                matrix,
                matrix,
                matrix,
                new int[1],
                new int[1],
                new int[1],
                new int[1],
                new float[1],
                new float[1],
                new float[1],
                new float[1],
                OptionalDouble.of(0.5),
                OptionalDouble.of(-3));
        Matrix other = Samples.heap(DType.FLOAT32, 2, 3, 2);
        int[] labels = {1};
        float[] numbers = {1};
        differ(in, in.withNegatives(other), "negatives", other);
        differ(in, in.withQueue(other), "queue", other);
        differ(in, in.withKeyOffsets(numbers), "keyOffsets", numbers);
        differ(in, in.withTeacherScores(numbers), "teacherScores", numbers);
        differ(in, in.withLabels(labels), "labels", labels);
        differ(in, in.withLabels(in.labels(), labels), "keyLabels", labels);
        differ(in, in.withGroups(labels), "groups", labels);
        differ(in, in.withGroups(in.groups(), labels), "keyGroups", labels);
        differ(in, in.withWeights(numbers), "weights", numbers);
        differ(in, in.withUpstream(numbers), "upstream", numbers);
        differ(in, in.withTemperature(2), "temperature", OptionalDouble.of(2));
        differ(in, in.withLogTemperature(0), "temperature", OptionalDouble.of(1));
        differ(in, in.withBias(-4), "bias", OptionalDouble.of(-4));
    }

    @Test
    void ofInputsOfADeviceDifferInThatComponentAlone() {
        try (Device device = Device.java(1)) {
            Matrix matrix = Samples.heap(DType.FLOAT32, 2, 3, 1);
            DeviceBuffer buffer = new DeviceBuffer(device, MemorySegment.NULL, 0);
            DeviceInputs in = new DeviceInputs(
                    matrix, matrix, matrix, matrix, buffer, true, buffer, buffer, buffer, buffer, buffer, buffer,
                    buffer, buffer, buffer);
            Matrix other = Samples.heap(DType.FLOAT32, 2, 3, 2);
            DeviceBuffer another = new DeviceBuffer(device, MemorySegment.NULL, 0);
            differ(in, in.withNegatives(other), "negatives", other);
            differ(in, in.withQueue(other), "queue", other);
            differ(in, in.withKeyOffsets(another), "keyOffsets", another);
            differ(in, in.withTeacherScores(another), "teacherScores", another);
            differ(in, in.withLogTemperature(another), "temperature", another);
            differ(in, in.withWeights(another), "weights", another);
            differ(in, in.withLabels(another), "labels", another);
            differ(in, in.withLabels(another, in.keyLabels()), "labels", another);
            differ(in, in.withLabels(in.labels(), another), "keyLabels", another);
            differ(in, in.withGroups(another, in.keyGroups()), "groups", another);
            differ(in, in.withGroups(in.groups(), another), "keyGroups", another);
            differ(in, in.withUpstream(another), "upstream", another);
            differ(in, in.withBias(another), "bias", another);
            DeviceInputs value = in.withTemperature(buffer);
            differ(in, value, "logTemperature", false);
            differ(value, value.withTemperature(another), "temperature", another);
            differ(value, value.withLogTemperature(buffer), "logTemperature", true);
        }
    }

    private static void differ(Record before, Record after, String name, Object value) {
        assertThat(after).hasSameClassAs(before);
        var old = Components.of(before);
        var now = Components.of(after);
        List<String> changed = new ArrayList<>();
        old.forEach((component, was) -> {
            if (!Objects.equals(now.get(component), was)) {
                changed.add(component);
            }
        });
        assertThat(changed).as("%s", after).containsExactly(name);
        assertThat(now.get(name)).isEqualTo(value);
    }
}
