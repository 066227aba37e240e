#include "cuda/begin_call.h"

#include <algorithm>
#include <cmath>

#include "api/struct_size.h"
#include "cuda/launch.h"
#include "cuda/reduce.cuh"
#include "loss/reduction.h"

namespace nce::cuda {
namespace {

/// What one block saw of its rows.
struct Seen {
  double weight_sum;
  int64_t bad_weight;  ///< the first row, or kNoRow
  int64_t bad_label;
  int64_t bad_upstream;
  int64_t bad_offset;
  int64_t bad_score;
};
static_assert(kMostParts * sizeof(Seen) == kBeginCallBytes);

struct BeginParams {
  CallState* call;
  Seen* seen;
  int64_t parts;
  uint64_t plan;
  bool backward;
  bool logarithm;
  const double* temperature;
  const double* bias;
  const float* weights;
  const int32_t* labels;
  const float* upstream;
  const nce_metrics* metrics;
  double hardness;
  int64_t rows;
  int64_t upstream_count;
  const float* offsets;
  int64_t columns;
  double* column_weights;
  int64_t columns_allocated;
  const float* scores;
  int64_t score_count;
};

/// The first of a block's part of the columns whose offset is not allowed, or kNoRow.
NCE_DEVICE int64_t weigh_columns(const BeginParams& p) {
  int64_t bad = kNoRow;
  if (p.offsets == nullptr) return bad;
  const Range range = part_of(p.columns_allocated, blockIdx.x, p.parts);
  for (int64_t j = range.begin + threadIdx.x; j < range.end; j += kBlockThreads) {
    const double offset = j < p.columns ? static_cast<double>(p.offsets[j]) : 0.0;
    if (!loss::offset_allowed(offset) && bad == kNoRow) bad = j;
    if (p.column_weights != nullptr) p.column_weights[j] = std::exp(offset);
  }
  return bad;
}

/// Likewise of a teacher's scores.
NCE_DEVICE int64_t first_bad_score(const BeginParams& p) {
  const Range range = part_of(p.score_count, blockIdx.x, p.parts);
  for (int64_t i = range.begin + threadIdx.x; i < range.end; i += kBlockThreads) {
    if (!loss::score_allowed(static_cast<double>(p.scores[i]))) return i;
  }
  return kNoRow;
}

__global__ void check_rows(const BeginParams p) {
  const Range range = part_of(p.rows, blockIdx.x, p.parts);
  double weight_sum = 0.0;
  int64_t bad_weight = kNoRow, bad_label = kNoRow, bad_upstream = kNoRow;
  for (int64_t i = range.begin + threadIdx.x; i < range.end; i += kBlockThreads) {
    if (p.weights != nullptr) {
      const auto weight = static_cast<double>(p.weights[i]);
      if (!(is_finite(weight) && weight >= 0.0) && bad_weight == kNoRow) bad_weight = i;
      weight_sum += weight;
    }
    if (p.labels != nullptr && p.labels[i] != 0 && p.labels[i] != 1 && bad_label == kNoRow) bad_label = i;
    if (i < p.upstream_count && !is_finite(static_cast<double>(p.upstream[i])) && bad_upstream == kNoRow) {
      bad_upstream = i;
    }
  }
  const int64_t bad_offset = weigh_columns(p);
  const int64_t bad_score = first_bad_score(p);
  Seen seen;
  seen.weight_sum = combine_block<Sum>(weight_sum);
  seen.bad_weight = combine_block<Smallest>(bad_weight);
  seen.bad_label = combine_block<Smallest>(bad_label);
  seen.bad_upstream = combine_block<Smallest>(bad_upstream);
  seen.bad_offset = combine_block<Smallest>(bad_offset);
  seen.bad_score = combine_block<Smallest>(bad_score);
  if (threadIdx.x == 0) p.seen[blockIdx.x] = seen;
}

/// Not kNoRow if the struct is of a size that it cannot have, or sets fields that are not known; all threads look.
NCE_DEVICE int64_t wrong_metrics(const nce_metrics* metrics) {
  if (metrics == nullptr) return kNoRow;
  constexpr uint32_t kKnown = sizeof *metrics;
  const uint32_t size = metrics->struct_size;
  if (size < kKnown || size > kLargestStruct) return 0;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(metrics);
  for (uint32_t i = kKnown + threadIdx.x; i < size; i += kBlockThreads) {
    if (bytes[i] != 0) return i;
  }
  return kNoRow;
}

NCE_DEVICE void set_status(CallState& call, int32_t status, Argument argument, int64_t row, double value) {
  call.status = status;
  call.argument = argument;
  call.row = row;
  call.value = value;
}

__global__ void begin_call(const BeginParams p) {
  const int64_t part = threadIdx.x;
  const bool mine = part < p.parts;
  const double weight_sum = combine_block<Sum>(mine ? p.seen[part].weight_sum : 0.0);
  const int64_t bad_weight = combine_block<Smallest>(mine ? p.seen[part].bad_weight : kNoRow);
  const int64_t bad_label = combine_block<Smallest>(mine ? p.seen[part].bad_label : kNoRow);
  const int64_t bad_upstream = combine_block<Smallest>(mine ? p.seen[part].bad_upstream : kNoRow);
  const int64_t bad_offset = combine_block<Smallest>(mine ? p.seen[part].bad_offset : kNoRow);
  const int64_t bad_score = combine_block<Smallest>(mine ? p.seen[part].bad_score : kNoRow);
  const int64_t bad_metrics = combine_block<Smallest>(wrong_metrics(p.metrics));
  if (part != 0) return;
  CallState& call = *p.call;
  if (p.backward && call.plan != p.plan) {
    set_status(call, NCE_STATUS_INVALID_STATE, Argument::kNone, 0, 0.0);
    return;
  }
  const double given = p.temperature == nullptr ? 1.0 : *p.temperature;
  const double tau = p.logarithm ? std::exp(given) : given;
  const double bias = p.bias == nullptr ? 0.0 : *p.bias;
  if (!p.backward) {
    call = CallState{};
    call.bias = bias;
    call.tau = tau;
    call.inverse_temperature = 1.0 / tau + p.hardness;
  }
  if (bad_metrics != kNoRow) {
    set_status(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kMetrics, 0, p.metrics->struct_size);
  } else if (!loss::temperature_allowed(given, p.logarithm)) {
    set_status(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kTemperature, p.logarithm ? 1 : 0, given);
  } else if (!loss::bias_allowed(bias)) {
    set_status(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kBias, 0, bias);
  } else if (bad_weight != kNoRow) {
    set_status(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kWeights, bad_weight,
               static_cast<double>(p.weights[bad_weight]));
  } else if (bad_label != kNoRow) {
    set_status(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kLabels, bad_label, p.labels[bad_label]);
  } else if (bad_upstream != kNoRow) {
    set_status(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kUpstream, bad_upstream,
               static_cast<double>(p.upstream[bad_upstream]));
  } else if (bad_offset != kNoRow) {
    set_status(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kKeyOffsets, bad_offset,
               static_cast<double>(p.offsets[bad_offset]));
  } else if (bad_score != kNoRow) {
    set_status(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kTeacherScores, bad_score,
               static_cast<double>(p.scores[bad_score]));
  } else if (tau != call.tau) {
    set_status(call, NCE_STATUS_INVALID_STATE, Argument::kTemperature, 0, tau);
  } else if (bias != call.bias) {
    set_status(call, NCE_STATUS_INVALID_STATE, Argument::kBias, 0, bias);
  } else {
    set_status(call, NCE_STATUS_OK, Argument::kNone, 0, 0.0);
    call.overflow = 0;
    call.temperature_factor = p.logarithm ? tau : 1.0;
    call.weight_sum = p.weights == nullptr ? static_cast<double>(p.rows) : weight_sum;
  }
}

}  // namespace

void launch_begin_call(const BeginCall& begin, cudaStream_t stream) {
  const nce_inputs& in = *begin.in;
  const int64_t upstream_count = in.upstream_per_row != 0 ? begin.rows : 1;
  const int64_t columns = in.key_offsets == nullptr ? 0 : begin.columns;
  const int64_t scores = in.teacher_scores == nullptr ? 0 : begin.scores;
  const BeginParams params{
      .call = begin.call,
      .seen = static_cast<Seen*>(begin.scratch),
      .parts = parts_of(std::max({begin.rows, columns, scores})),
      .plan = begin.plan,
      .backward = begin.backward,
      .logarithm = in.temperature_form == NCE_TEMPERATURE_LOGARITHM && in.temperature != nullptr,
      .temperature = in.temperature,
      .bias = in.bias,
      .weights = in.weights,
      .labels = in.labels,
      .upstream = in.upstream,
      .metrics = begin.metrics,
      .hardness = begin.hardness,
      .rows = begin.rows,
      .upstream_count = begin.with_upstream && in.upstream != nullptr ? upstream_count : 0,
      .offsets = in.key_offsets,
      .columns = columns,
      .column_weights = begin.column_weights,
      .columns_allocated = begin.columns_allocated,
      .scores = in.teacher_scores,
      .score_count = scores,
  };
  launch({"check_rows", dim3(static_cast<unsigned>(params.parts)), kBlockThreads, kReduceBytes, stream}, check_rows,
         params);
  launch({"begin_call", dim3(1), kBlockThreads, kReduceBytes, stream}, begin_call, params);
}

}  // namespace nce::cuda
