#include "cuda/check_call.h"

#include <cmath>

#include "cuda/launch.h"
#include "cuda/reduce.cuh"

namespace nce::cuda {
namespace {

constexpr double kSmallestTemperature = 1e-9;
constexpr double kLargestTemperature = 1e9;
constexpr double kLargestLogarithm = 20.723265836946411;  // ln 1e9, and -ln 1e-9
constexpr int64_t kNone = int64_t{1} << 62;

/// What one block saw of its rows.
struct Seen {
  double weight_sum;
  int64_t bad_weight;  ///< the first row, or kNone
  int64_t bad_label;
  int64_t bad_upstream;
};
static_assert(kMostParts * sizeof(Seen) == kCheckCallBytes);

struct CheckParams {
  CallState* call;
  Seen* seen;
  int64_t parts;
  uint64_t plan;
  int32_t backward;
  int32_t logarithm;
  const double* temperature;
  const float* weights;
  const int32_t* labels;
  const float* upstream;
  int64_t rows;
  int64_t upstream_count;
};

__global__ void check_rows(const CheckParams p) {
  const Range range = part_of(p.rows, blockIdx.x, p.parts);
  double weight_sum = 0.0;
  int64_t bad_weight = kNone, bad_label = kNone, bad_upstream = kNone;
  for (int64_t i = range.begin + threadIdx.x; i < range.end; i += kBlockThreads) {
    if (p.weights != nullptr) {
      const auto weight = static_cast<double>(p.weights[i]);
      if (!(is_finite(weight) && weight >= 0.0) && bad_weight == kNone) bad_weight = i;
      weight_sum += weight;
    }
    if (p.labels != nullptr && p.labels[i] != 0 && p.labels[i] != 1 && bad_label == kNone) bad_label = i;
    if (i < p.upstream_count && !is_finite(static_cast<double>(p.upstream[i])) && bad_upstream == kNone) {
      bad_upstream = i;
    }
  }
  Seen seen;
  seen.weight_sum = combine_block<Sum>(weight_sum);
  seen.bad_weight = combine_block<Smallest>(bad_weight);
  seen.bad_label = combine_block<Smallest>(bad_label);
  seen.bad_upstream = combine_block<Smallest>(bad_upstream);
  if (threadIdx.x == 0) p.seen[blockIdx.x] = seen;
}

NCE_DEVICE void offend(CallState& call, int32_t status, Argument argument, int64_t row, double value) {
  call.status = status;
  call.argument = argument;
  call.row = row;
  call.value = value;
}

NCE_DEVICE bool temperature_allowed(double given, bool logarithm) {
  if (logarithm) return given >= -kLargestLogarithm && given <= kLargestLogarithm;
  return given >= kSmallestTemperature && given <= kLargestTemperature;
}

__global__ void begin_call(const CheckParams p) {
  const int64_t part = threadIdx.x;
  const bool mine = part < p.parts;
  const double weight_sum = combine_block<Sum>(mine ? p.seen[part].weight_sum : 0.0);
  const int64_t bad_weight = combine_block<Smallest>(mine ? p.seen[part].bad_weight : kNone);
  const int64_t bad_label = combine_block<Smallest>(mine ? p.seen[part].bad_label : kNone);
  const int64_t bad_upstream = combine_block<Smallest>(mine ? p.seen[part].bad_upstream : kNone);
  if (part != 0) return;
  CallState& call = *p.call;
  if (p.backward != 0 && call.plan != p.plan) {
    offend(call, NCE_STATUS_INVALID_STATE, Argument::kNone, 0, 0.0);
    return;
  }
  const double given = p.temperature == nullptr ? 1.0 : *p.temperature;
  const double tau = p.logarithm != 0 ? std::exp(given) : given;
  if (p.backward == 0) {
    call = CallState{};
    call.tau = tau;
    call.inverse_temperature = 1.0 / tau;
  }
  if (!temperature_allowed(given, p.logarithm != 0)) {
    offend(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kTemperature, p.logarithm, given);
  } else if (bad_weight != kNone) {
    offend(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kWeights, bad_weight,
           static_cast<double>(p.weights[bad_weight]));
  } else if (bad_label != kNone) {
    offend(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kLabels, bad_label, p.labels[bad_label]);
  } else if (bad_upstream != kNone) {
    offend(call, NCE_STATUS_INVALID_ARGUMENT, Argument::kUpstream, bad_upstream,
           static_cast<double>(p.upstream[bad_upstream]));
  } else if (tau != call.tau) {
    offend(call, NCE_STATUS_INVALID_STATE, Argument::kTemperature, 0, tau);
  } else {
    offend(call, NCE_STATUS_OK, Argument::kNone, 0, 0.0);
    call.temperature_factor = p.logarithm != 0 ? tau : 1.0;
    call.weight_sum = p.weights == nullptr ? static_cast<double>(p.rows) : weight_sum;
  }
}

}  // namespace

void launch_check_call(const CheckCall& check, cudaStream_t stream) {
  const nce_inputs& in = *check.in;
  CheckParams params{};
  params.call = check.call;
  params.seen = static_cast<Seen*>(check.scratch);
  params.parts = parts_of(check.rows);
  params.plan = check.plan;
  params.backward = check.backward ? 1 : 0;
  params.logarithm = in.temperature_form == NCE_TEMPERATURE_LOGARITHM && in.temperature != nullptr ? 1 : 0;
  params.temperature = in.temperature;
  params.weights = in.weights;
  params.labels = in.labels;
  params.upstream = in.upstream;
  params.rows = check.rows;
  if (check.with_upstream && in.upstream != nullptr) params.upstream_count = in.upstream_per_row != 0 ? check.rows : 1;
  launch({"check_rows", dim3(static_cast<unsigned>(params.parts)), kBlockThreads, kReduceBytes, stream}, check_rows,
         params);
  launch({"begin_call", dim3(1), kBlockThreads, kReduceBytes, stream}, begin_call, params);
}

}  // namespace nce::cuda
