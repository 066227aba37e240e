#include "oracle/problem.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "oracle/elements.h"
#include "oracle/parallel.h"

namespace nce::oracle {
namespace {

/// Numbers that depend on seed and index alone, so that threads may fill a matrix in any order.
double gaussian(uint64_t seed, uint64_t index) {
  const auto mixed = [](uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  };
  const uint64_t a = mixed(mixed(seed + 0x9E3779B97F4A7C15ULL) + 2 * index + 1);
  const uint64_t b = mixed(mixed(seed + 0x9E3779B97F4A7C15ULL) + 2 * index + 2);
  const double u = (static_cast<double>(a >> 11) + 0.5) * 0x1p-53;
  const double v = static_cast<double>(b >> 11) * 0x1p-53;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
}

const char* name_of(nce_similarity similarity) {
  switch (similarity) {
    case NCE_SIMILARITY_COSINE:
      return "cosine";
    case NCE_SIMILARITY_DOT:
      return "dot";
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return "-euclidean^2";
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      return "-euclidean";
  }
  unknown("no such similarity");
}

const char* name_of(nce_distance distance) {
  switch (distance) {
    case NCE_DISTANCE_EUCLIDEAN:
      return "euclidean";
    case NCE_DISTANCE_SQUARED_EUCLIDEAN:
      return "euclidean^2";
    case NCE_DISTANCE_COSINE:
      return "cosine distance";
  }
  unknown("no such distance");
}

const char* name_of(nce_precision precision) {
  switch (precision) {
    case NCE_PRECISION_PRECISE:
      return ", ";
    case NCE_PRECISION_FAST:
      return " fast, ";
  }
  unknown("no such precision");
}

const char* name_of_loss(const nce_plan_desc& desc) {
  const auto is = [&](const Kind& kind) {
    return kind.loss == desc.loss && kind.negatives == desc.negatives && kind.symmetric == (desc.symmetric != 0) &&
           kind.one_matrix == (shape_of(desc).tower && desc.m == 0) && kind.denominator == desc.denominator &&
           kind.grouped == (desc.groups != 0) && kind.class_prior == desc.class_prior && kind.mining == desc.mining &&
           kind.soft_margin == (desc.soft_margin != 0) && kind.by_labels == (desc.positives == NCE_POSITIVES_LABELS) &&
           kind.aggregation == desc.aggregation && kind.threshold == desc.threshold &&
           kind.threshold_margin == desc.threshold_margin && kind.blocks == desc.blocks &&
           kind.own_negatives == desc.own_negatives && kind.offsets == (desc.offsets != 0) &&
           kind.queue == desc.queue && kind.hardness == desc.hardness &&
           (kind.margin == desc.margin || shape_of(desc).margin || shape_of(desc).weighed);
  };
  for (const std::span<const Kind> kinds :
       {std::span<const Kind>(kDenseKinds), std::span<const Kind>(kRowwiseKinds), std::span<const Kind>(kMinedKinds),
        std::span<const Kind>(kDebiasedKinds), std::span<const Kind>(kLabelledKinds),
        std::span<const Kind>(kThresholdKinds), std::span<const Kind>(kBlockKinds),
        std::span<const Kind>(kBlockThresholdKinds), std::span<const Kind>(kOwnTooKinds),
        std::span<const Kind>(&kQwen3, 1), std::span<const Kind>(&kOwnTooDebiased, 1),
        std::span<const Kind>(kQueueKinds), std::span<const Kind>(&kQueueDebiased, 1),
        std::span<const Kind>(kHardKinds), std::span<const Kind>(&kHardOwn, 1), std::span<const Kind>(kOffsetKinds),
        std::span<const Kind>(&kOffsetsQueue, 1), std::span<const Kind>(kWeighedKinds)}) {
    const auto found = std::find_if(kinds.begin(), kinds.end(), is);
    if (found != kinds.end()) return found->name;
  }
  return "?";
}

}  // namespace

double Problem::temperature() const {
  switch (temperature_form) {
    case NCE_TEMPERATURE_VALUE:
      return tau;
    case NCE_TEMPERATURE_LOGARITHM:
      return ln_tau != 0.0 ? ln_tau : std::log(tau);
  }
  unknown("no such form of a temperature");
}

double Problem::temperature_slope() const {
  switch (temperature_form) {
    case NCE_TEMPERATURE_VALUE:
      return 1.0;
    case NCE_TEMPERATURE_LOGARITHM:
      return tau;
  }
  unknown("no such form of a temperature");
}

int64_t Problem::losses() const {
  switch (static_cast<nce_reduction>(desc.reduction)) {
    case NCE_REDUCTION_MEAN:
    case NCE_REDUCTION_SUM:
      return 1;
    case NCE_REDUCTION_NONE:
      return shape().rows;
  }
  unknown("no such reduction");
}

std::string Problem::label() const {
  std::string result = name_of_loss(desc) + std::string(", ") +
                       (shape().margin ? name_of(static_cast<nce_distance>(desc.distance))
                                       : name_of(static_cast<nce_similarity>(desc.similarity))) +
                       ", " + name_of(dtype()) + name_of(static_cast<nce_precision>(desc.precision)) +
                       std::to_string(desc.n) + "x" + std::to_string(desc.m) + "x" + std::to_string(desc.dim);
  if (!shape().has_temperature()) return result;
  char number[32];
  std::snprintf(number, sizeof number, ", tau %g", tau);
  result += number;
  if (!shape().biased) return result;
  std::snprintf(number, sizeof number, ", bias %g", bias);
  return result + number;
}

bool is_margin(const Kind& kind) { return empty_problem_of({.kind = kind}).shape().margin; }
bool has_temperature(const Kind& kind) { return empty_problem_of({.kind = kind}).shape().has_temperature(); }
bool is_softmax(const Kind& kind) { return empty_problem_of({.kind = kind}).shape().softmax; }

std::vector<int32_t> measures_of(const Kind& kind) {
  if (is_margin(kind)) return {NCE_DISTANCE_EUCLIDEAN, NCE_DISTANCE_SQUARED_EUCLIDEAN, NCE_DISTANCE_COSINE};
  if (kind.class_prior > 0.0) return {NCE_SIMILARITY_COSINE};
  if (shape_of(empty_problem_of({.kind = kind}).desc).weighed) {
    return {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN};
  }
  return {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN,
          NCE_SIMILARITY_NEG_EUCLIDEAN};
}

Problem empty_problem_of(const Case& of) {
  Problem problem;
  nce_plan_desc& desc = problem.desc;
  desc.struct_size = sizeof desc;
  desc.loss = of.kind.loss;
  desc.negatives = of.kind.negatives;
  desc.symmetric = of.kind.symmetric ? 1 : 0;
  desc.denominator = of.kind.denominator;
  desc.margin = of.kind.margin;
  desc.groups = of.kind.grouped ? 1 : 0;
  desc.class_prior = of.kind.class_prior;
  desc.mining = of.kind.mining;
  desc.soft_margin = of.kind.soft_margin ? 1 : 0;
  desc.positives = of.kind.by_labels ? NCE_POSITIVES_LABELS : NCE_POSITIVES_PAIRED;
  desc.aggregation = of.kind.aggregation;
  desc.threshold = of.kind.threshold;
  desc.threshold_margin = of.kind.threshold_margin;
  desc.blocks = of.kind.blocks;
  desc.own_negatives = of.kind.own_negatives;
  desc.offsets = of.kind.offsets ? 1 : 0;
  desc.queue = of.kind.queue;
  desc.hardness = of.kind.hardness;
  desc.positive_scale = of.kind.positive_scale;
  desc.negative_scale = of.kind.negative_scale;
  desc.base = of.kind.base;
  desc.negative_reduction = of.kind.sum ? NCE_REDUCTION_SUM : NCE_REDUCTION_MEAN;
  desc.dtype = of.dtype;
  desc.gradient_dtype = bytes_of(of.dtype) == 2 && !of.narrow_gradients ? NCE_DTYPE_FLOAT32 : of.dtype;
  desc.metrics = 1;
  desc.top_k = 5;
  desc.n = of.size.n;
  desc.m = of.size.m;
  desc.dim = of.size.dim;
  desc.workspace_budget_bytes = -1;
  problem.tau = of.tau;
  problem.bias = of.kind.bias;
  const Shape shape = shape_of(desc);
  if (shape.mined) desc.m = 0;
  if (of.kind.one_matrix) {
    desc.n = 2 * of.size.n;
    desc.m = 0;
  } else if (shape.square || of.kind.symmetric) {
    desc.m = of.size.n;
  }
  if (shape.margin) {
    desc.distance = of.measure;
    desc.margin = 0.75;
  } else {
    desc.similarity = of.measure;
  }
  return problem;
}

Problem problem_of(const Case& of) {
  Problem problem = empty_problem_of(of);
  fill(problem, of.noise, of.seed);
  return problem;
}

void fill(Problem& problem, double noise, uint64_t seed) {
  const nce_plan_desc& desc = problem.desc;
  const Shape shape = problem.shape();
  const double size = 1.0 / std::sqrt(static_cast<double>(desc.dim));
  const int64_t dim = desc.dim;
  const auto resized = [&](std::vector<double>& matrix, int64_t rows) {
    matrix.resize(static_cast<std::size_t>(rows * dim));
    return matrix.data();
  };
  double* const q = resized(problem.queries, desc.n);
  double* const k = resized(problem.keys, shape.keys);
  double* const z = resized(problem.negatives, shape.negatives);
  double* const queue = resized(problem.queue, desc.queue);
  const auto number = [&](uint64_t matrix, int64_t i) {
    return size * gaussian(4 * seed + matrix, static_cast<uint64_t>(i));
  };
  const auto set = [&](double* matrix, int64_t rows, const auto& value) {
    parallel_for(rows, [&](int64_t row) {
      for (int64_t i = row * dim; i < (row + 1) * dim; ++i) matrix[i] = rounded(value(i), problem.dtype());
    });
  };
  const int64_t first_view = (shape.tower && desc.m == 0 ? desc.n / 2 : desc.n) * dim;
  set(q, desc.n,
      [&](int64_t i) { return i < first_view ? number(0, i) : number(0, i - first_view) + noise * number(1, i); });
  set(k, shape.keys, [&](int64_t i) { return i < desc.n * dim ? number(0, i) + noise * number(1, i) : number(1, i); });
  set(z, shape.negatives, [&](int64_t i) { return number(2, i); });
  set(queue, desc.queue, [&](int64_t i) { return number(3, i); });
  problem.key_offsets.clear();
  for (int64_t j = 0; desc.offsets != 0 && j < shape.keys + desc.queue; ++j) {
    problem.key_offsets.push_back(static_cast<float>(2.0 * gaussian(4 * seed + 3, static_cast<uint64_t>(-1 - j))));
  }
  problem.teacher_scores.clear();
  for (int64_t i = 0; shape.distilled && i < shape.rows * (shape.own + 1); ++i) {
    problem.teacher_scores.push_back(static_cast<float>(gaussian(4 * seed + 3, static_cast<uint64_t>(i))));
  }
  problem.labels.clear();
  if (shape.mined) {
    // Five rows of a label, and some of none.
    for (int64_t i = 0; i < desc.n; ++i)
      problem.labels.push_back(i % 11 == 7 ? -1 : static_cast<int32_t>(i % (desc.n / 5 + 1)));
  }
  if (shape.labelled) {
    for (int64_t i = 0; i < desc.n; ++i) problem.labels.push_back(i % 3 == 0 ? 1 : 0);
  }
  problem.key_labels.clear();
  if (shape.by_labels) {
    // The views of a thing are alike, and a few things, wherever they lie; some rows are like no other.
    const auto set_labels = [&](std::vector<int32_t>& labels, int64_t rows) {
      const int64_t things = shape.tower ? shape.rows / 2 : desc.n;
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t thing = i % std::max<int64_t>(things, 1);
        labels.push_back(i % 13 == 9 ? -1 : static_cast<int32_t>(thing * 7 % (things / 3 + 1)));
      }
    };
    set_labels(problem.labels, shape.rows);
    if (!shape.tower) set_labels(problem.key_labels, shape.keys + desc.queue);
  }
  problem.groups.clear();
  problem.key_groups.clear();
  if (desc.groups == 0) return;
  // A few rows in each group, wherever they lie, and some in none.
  const auto set_groups = [&](std::vector<int32_t>& groups, int64_t rows, uint64_t matrix) {
    const auto count = static_cast<double>(shape.rows / 3 + 1);
    for (int64_t i = 0; i < rows; ++i) {
      const double place = std::fabs(gaussian(4 * seed + matrix, static_cast<uint64_t>(i + desc.n * dim))) * count;
      groups.push_back(static_cast<int32_t>(place) - 1);
    }
  };
  set_groups(problem.groups, shape.rows, 2);
  if (!shape.tower) set_groups(problem.key_groups, shape.keys + desc.queue, 3);
}

void to_unit_rows(Problem& problem) {
  const int64_t dim = problem.desc.dim;
  for (auto* matrix : {&problem.queries, &problem.keys, &problem.negatives, &problem.queue}) {
    for (int64_t begin = 0; begin < static_cast<int64_t>(matrix->size()); begin += dim) {
      double* const row = matrix->data() + begin;
      double sum = 0;
      for (int64_t d = 0; d < dim; ++d) sum += row[d] * row[d];
      for (int64_t d = 0; d < dim && sum > 0; ++d) row[d] = rounded(row[d] / std::sqrt(sum), problem.dtype());
    }
  }
}

void weigh(Problem& problem) {
  problem.weights.clear();
  for (int64_t i = 0; i < problem.shape().rows; ++i) problem.weights.push_back(static_cast<float>(i % 5) * 0.25F);
}

void set_upstream_by_row(Problem& problem) {
  problem.upstream.clear();
  for (int64_t i = 0; i < problem.shape().rows; ++i) problem.upstream.push_back(static_cast<float>(i % 7) - 3.0F);
}

}  // namespace nce::oracle
