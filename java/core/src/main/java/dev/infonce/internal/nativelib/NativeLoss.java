package dev.infonce.internal.nativelib;

import dev.infonce.Aggregation;
import dev.infonce.Block;
import dev.infonce.DType;
import dev.infonce.Distance;
import dev.infonce.Isa;
import dev.infonce.Mining;
import dev.infonce.Negatives;
import dev.infonce.PlanOptions;
import dev.infonce.Precision;
import dev.infonce.Reduction;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.Threshold;
import dev.infonce.bindings.infonce_h;
import dev.infonce.bindings.nce_plan_desc;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.java.row.RowFunction;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/** Losses and options in the words of infonce.h. Fields that a loss does not use stay 0, which for negatives is IN_BATCH. */
final class NativeLoss {
    private NativeLoss() {}

    static MemorySegment describe(
            LossSpec loss, Shape shape, DType dtype, PlanOptions options, SegmentAllocator allocator) {
        MemorySegment desc = nce_plan_desc.allocate(allocator).fill((byte) 0);
        nce_plan_desc.struct_size(desc, (int) nce_plan_desc.sizeof());
        nce_plan_desc.loss(desc, loss.code());
        switch (loss.terms()) {
            case LossSpec.Terms.Logits terms -> {
                nce_plan_desc.similarity(desc, similarity(terms.similarity()));
                nce_plan_desc.denominator(desc, denominator(terms.row()));
                nce_plan_desc.margin(desc, terms.positiveMargin());
                nce_plan_desc.class_prior(desc, terms.classPrior());
                nce_plan_desc.hardness(desc, terms.hardness());
                if (terms.aggregation() != null) {
                    nce_plan_desc.positives(desc, infonce_h.NCE_POSITIVES_LABELS());
                    nce_plan_desc.aggregation(desc, aggregation(terms.aggregation()));
                }
            }
            case LossSpec.Terms.Scores terms -> nce_plan_desc.similarity(desc, similarity(terms.similarity()));
            case LossSpec.Terms.Distances terms -> {
                nce_plan_desc.distance(desc, distance(terms.distance()));
                nce_plan_desc.margin(desc, terms.margin());
                nce_plan_desc.mining(desc, mining(terms.mining()));
                nce_plan_desc.soft_margin(desc, softMargin(terms.row()));
            }
            case LossSpec.Terms.Pairs terms -> {
                nce_plan_desc.similarity(desc, similarity(terms.similarity()));
                nce_plan_desc.margin(desc, terms.rule().margin());
                nce_plan_desc.positive_scale(desc, terms.rule().positiveScale());
                nce_plan_desc.negative_scale(desc, negativeScale(terms));
                nce_plan_desc.base(desc, terms.rule().base());
            }
        }
        if (loss.takesNegatives()) {
            nce_plan_desc.negatives(desc, negatives(loss.negatives()));
        }
        if (loss.negativeReduction() != null) {
            nce_plan_desc.negative_reduction(desc, reduction(loss.negativeReduction()));
        }
        nce_plan_desc.groups(desc, loss.groups() ? 1 : 0);
        nce_plan_desc.threshold(desc, threshold(loss.threshold().kind()));
        nce_plan_desc.threshold_margin(desc, loss.threshold().margin());
        nce_plan_desc.blocks(
                desc, loss.blocks().stream().mapToInt(NativeLoss::block).sum());
        nce_plan_desc.offsets(desc, loss.offsets() ? 1 : 0);
        nce_plan_desc.symmetric(desc, loss.symmetric() ? 1 : 0);
        nce_plan_desc.reduction(desc, reduction(loss.reduction()));
        nce_plan_desc.loss_weight(desc, loss.weight());
        nce_plan_desc.dtype(desc, dtype(dtype));
        nce_plan_desc.gradient_dtype(desc, dtype(options.gradientDType(dtype)));
        nce_plan_desc.precision(desc, precision(options.precision()));
        nce_plan_desc.metrics(desc, options.metrics() ? 1 : 0);
        nce_plan_desc.top_k(desc, options.metrics() ? options.topK() : 0);
        nce_plan_desc.n(desc, shape.n());
        nce_plan_desc.m(desc, shape.m());
        nce_plan_desc.dim(desc, shape.dim());
        nce_plan_desc.own_negatives(desc, shape.ownNegatives());
        nce_plan_desc.queue(desc, shape.queue());
        nce_plan_desc.workspace_budget_bytes(desc, options.workspaceBudgetBytes());
        return desc;
    }

    static int isa(Isa isa) {
        return switch (isa) {
            case BEST -> infonce_h.NCE_ISA_BEST();
            case PORTABLE -> infonce_h.NCE_ISA_PORTABLE();
            case AVX2 -> infonce_h.NCE_ISA_AVX2();
            case AVX512 -> infonce_h.NCE_ISA_AVX512();
        };
    }

    private static int negatives(Negatives negatives) {
        return switch (negatives) {
            case IN_BATCH, IN_BATCH_AND_OWN -> infonce_h.NCE_NEGATIVES_IN_BATCH();
            case SHARED -> infonce_h.NCE_NEGATIVES_SHARED();
            case OWN -> infonce_h.NCE_NEGATIVES_OWN();
            case PAIRED -> infonce_h.NCE_NEGATIVES_PAIRED();
        };
    }

    /** Losses without one have the first. */
    private static int denominator(RowFunction.OfLogits row) {
        return switch (row) {
            case SOFTMAX, DEBIASED, LOGISTIC -> infonce_h.NCE_DENOMINATOR_ALL();
            case DECOUPLED -> infonce_h.NCE_DENOMINATOR_NEGATIVES();
        };
    }

    private static int aggregation(Aggregation aggregation) {
        return switch (aggregation) {
            case OUTSIDE -> infonce_h.NCE_AGGREGATION_OUTSIDE();
            case INSIDE -> infonce_h.NCE_AGGREGATION_INSIDE();
            case SUM -> infonce_h.NCE_AGGREGATION_SUM();
        };
    }

    private static int mining(Mining mining) {
        return switch (mining) {
            case NONE -> infonce_h.NCE_MINING_NONE();
            case BATCH_ALL -> infonce_h.NCE_MINING_BATCH_ALL();
            case BATCH_HARD -> infonce_h.NCE_MINING_BATCH_HARD();
            case SEMI_HARD -> infonce_h.NCE_MINING_SEMI_HARD();
            case EASY_POSITIVE -> infonce_h.NCE_MINING_EASY_POSITIVE();
            case BATCH_EASY -> infonce_h.NCE_MINING_BATCH_EASY();
        };
    }

    private static int threshold(Threshold.Kind kind) {
        return switch (kind) {
            case NONE -> infonce_h.NCE_THRESHOLD_NONE();
            case ABSOLUTE -> infonce_h.NCE_THRESHOLD_ABSOLUTE();
            case RELATIVE -> infonce_h.NCE_THRESHOLD_RELATIVE();
        };
    }

    /** A bit of its own each. */
    private static int block(Block block) {
        return switch (block) {
            case QUERY_QUERY -> infonce_h.NCE_BLOCK_QUERY_QUERY();
            case KEY_QUERY -> infonce_h.NCE_BLOCK_KEY_QUERY();
            case KEY_KEY -> infonce_h.NCE_BLOCK_KEY_KEY();
        };
    }

    /** Where the two scales are one, that of positives says it. */
    private static double negativeScale(LossSpec.Terms.Pairs pairs) {
        return switch (pairs.row()) {
            case MULTI_SIMILARITY -> pairs.rule().negativeScale();
            case CIRCLE -> 0.0;
        };
    }

    private static int softMargin(RowFunction.OfDistances row) {
        return switch (row) {
            case CONTRASTIVE, TRIPLET -> 0;
            case SOFT_TRIPLET -> 1;
        };
    }

    private static int similarity(Similarity similarity) {
        return switch (similarity) {
            case COSINE -> infonce_h.NCE_SIMILARITY_COSINE();
            case DOT -> infonce_h.NCE_SIMILARITY_DOT();
            case NEGATIVE_SQUARED_EUCLIDEAN -> infonce_h.NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN();
            case NEGATIVE_EUCLIDEAN -> infonce_h.NCE_SIMILARITY_NEG_EUCLIDEAN();
        };
    }

    private static int distance(Distance distance) {
        return switch (distance) {
            case EUCLIDEAN -> infonce_h.NCE_DISTANCE_EUCLIDEAN();
            case SQUARED_EUCLIDEAN -> infonce_h.NCE_DISTANCE_SQUARED_EUCLIDEAN();
            case COSINE -> infonce_h.NCE_DISTANCE_COSINE();
        };
    }

    private static int reduction(Reduction reduction) {
        return switch (reduction) {
            case MEAN -> infonce_h.NCE_REDUCTION_MEAN();
            case SUM -> infonce_h.NCE_REDUCTION_SUM();
            case NONE -> infonce_h.NCE_REDUCTION_NONE();
        };
    }

    private static int dtype(DType dtype) {
        return switch (dtype) {
            case FLOAT32 -> infonce_h.NCE_DTYPE_FLOAT32();
            case FLOAT64 -> infonce_h.NCE_DTYPE_FLOAT64();
            case FLOAT16 -> infonce_h.NCE_DTYPE_FLOAT16();
            case BFLOAT16 -> infonce_h.NCE_DTYPE_BFLOAT16();
        };
    }

    private static int precision(Precision precision) {
        return switch (precision) {
            case PRECISE -> infonce_h.NCE_PRECISION_PRECISE();
            case FAST -> infonce_h.NCE_PRECISION_FAST();
        };
    }
}
