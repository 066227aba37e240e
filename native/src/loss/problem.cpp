#include "loss/problem.h"

namespace nce::loss {
namespace {

/// What tiles compute where a loss has a distance: minus it, or of cosine distances the cosine.
nce_similarity similarity_of(nce_distance distance) {
  switch (distance) {
    case NCE_DISTANCE_EUCLIDEAN:
      return NCE_SIMILARITY_NEG_EUCLIDEAN;
    case NCE_DISTANCE_SQUARED_EUCLIDEAN:
      return NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN;
    case NCE_DISTANCE_COSINE:
      return NCE_SIMILARITY_COSINE;
  }
  return {};
}

}  // namespace

Problem::Problem(const nce_plan_desc& description)
    : desc(description),
      rule(rule_of(static_cast<nce_loss>(desc.loss))),
      arrangement(arrangement_of(rule, static_cast<nce_negatives>(desc.negatives))),
      engine(engine_of(arrangement)),
      row{.function = row_function_of(rule, static_cast<nce_denominator>(desc.denominator), desc.class_prior,
                                      desc.soft_margin != 0),
          .negative_share = 1.0,
          .margin = desc.margin,
          .class_prior = desc.class_prior,
          .negatives = 0.0,
          .aggregation = static_cast<nce_aggregation>(desc.aggregation),
          .hardness = desc.hardness},
      similarity(static_cast<nce_similarity>(desc.similarity)),
      distance(static_cast<nce_distance>(desc.distance)),
      mining(static_cast<nce_mining>(desc.mining)),
      reduction(static_cast<nce_reduction>(desc.reduction)),
      loss_weight(desc.loss_weight == 0.0 ? 1.0 : desc.loss_weight),
      dtype(static_cast<nce_dtype>(desc.dtype)),
      gradient_dtype(static_cast<nce_dtype>(desc.gradient_dtype)),
      precision(static_cast<nce_precision>(desc.precision)),
      key_rows(desc.n),
      negative_rows(-1),
      loss_rows(desc.n),
      negatives_of_row(0),
      comparisons_of_row(0),
      tower(arrangement == Arrangement::kOneTower),
      shared(arrangement == Arrangement::kShared),
      symmetric(desc.symmetric != 0),
      excluded(Excluded::kNone),
      grouped(desc.groups != 0),
      threshold{static_cast<nce_threshold>(desc.threshold), desc.threshold_margin},
      blocks{(desc.blocks & NCE_BLOCK_QUERY_QUERY) != 0, (desc.blocks & NCE_BLOCK_KEY_QUERY) != 0,
             (desc.blocks & NCE_BLOCK_KEY_KEY) != 0},
      by_labels(desc.positives == NCE_POSITIVES_LABELS),
      own(desc.own_negatives),
      queue(desc.queue),
      offsets(desc.offsets != 0),
      x_rows(desc.n),
      y_rows(0),
      z_rows(0) {
  switch (arrangement) {
    case Arrangement::kTwoTowers:
      key_rows = desc.m;
      y_rows = desc.m + queue;
      negatives_of_row = y_rows - 1 + own;
      excluded = Excluded::kDiagonal;
      if (own > 0) negative_rows = z_rows = desc.n * own;
      break;
    case Arrangement::kOneTower:
      key_rows = desc.m != 0 ? desc.m : -1;
      loss_rows = x_rows = y_rows = desc.n + desc.m;
      negatives_of_row = loss_rows - 2;
      excluded = Excluded::kViews;
      break;
    case Arrangement::kShared:
      negative_rows = y_rows = negatives_of_row = desc.m;
      z_rows = desc.n;
      break;
    case Arrangement::kOwn:
      negative_rows = desc.n * desc.m;
      negatives_of_row = desc.m;
      comparisons_of_row = 1 + desc.m;
      break;
    case Arrangement::kTriples:
      negative_rows = desc.n;
      negatives_of_row = 1;
      comparisons_of_row = 2;
      break;
    case Arrangement::kLabelled:
      comparisons_of_row = 1;
      break;
    case Arrangement::kMined:
      key_rows = -1;
      y_rows = desc.n;
      if (measured_by(row.function) == Measured::kDistance) similarity = similarity_of(distance);
      break;
  }
  if (by_labels) {
    negatives_of_row = 0;
    excluded = tower ? Excluded::kDiagonal : Excluded::kNone;
  }
  row.negatives = static_cast<double>(negatives_of_row);
  if (rule.reduces_negatives && tower && desc.negative_reduction == NCE_REDUCTION_MEAN && negatives_of_row > 0) {
    row.negative_share = 1.0 / static_cast<double>(negatives_of_row);
  }
}

}  // namespace nce::loss
