// Which method and form a call takes: from its temperature and the range of its norms.

#include <cmath>

#include "cuda/dense_kernels.h"
#include "cuda/launch.h"
#include "cuda/reduce.cuh"

namespace nce::cuda {
namespace {

/// The first method is trusted while no logit can be larger, and no norm of unnormalised rows is near float's ends.
constexpr double kLargestTrustedLogit = 128.0;
constexpr double kSmallestNorm = 1e-15;
constexpr double kLargestNorm = 1e15;

/// kBounded in float. Exponentials lie in 2^[-123.5, 119], so that a tile's sums of 128 of them, times differences of
/// similarities, stay finite and normal; and the weights, which divide by a sum of up to `most_terms` of them, too.
constexpr double kLargestExponent = 119.0;
constexpr double kSmallestExponent = -123.5;
constexpr double kLargestWeightExponent = 124.0;
constexpr double kLargestDoubleLogit = 340.0;

struct Decision {
  int32_t method;
  Form form;
  double shift;
};

NCE_DEVICE Decision decide(const ChooseParams& p, double tau, double largest, double smallest_norm,
                           double largest_norm) {
  constexpr double kLog2E = 1.4426950408889634;
  const double logit = largest / tau;
  const bool trusted = logit <= kLargestTrustedLogit && smallest_norm >= kSmallestNorm && largest_norm <= kLargestNorm;
  const bool second = p.methods == 2 && !trusted;
  Decision decision{second ? 1 : 0, Form::kLogistic, 0.0};
  if (p.logistic != 0) return decision;
  if (second || p.first_is_double != 0) {
    decision.form = logit <= kLargestDoubleLogit ? Form::kBounded : Form::kOnline;
    return decision;
  }
  decision.form = Form::kOnline;
  if (!(logit <= kLargestTrustedLogit) || !(largest > 0.0)) return decision;
  const double size = std::log2(largest);
  const double top =
      Smallest()(kLargestExponent - (size > 0.0 ? size : 0.0), kLargestWeightExponent - std::log2(p.most_terms));
  const double exponent = logit * kLog2E;
  const double shift = exponent > top ? exponent - top : 0.0;
  const double bottom = -exponent - shift + (size < 0.0 ? size : 0.0);
  if (bottom >= kSmallestExponent) {
    decision.form = Form::kBounded;
    decision.shift = shift;
  }
  return decision;
}

NCE_DEVICE bool refuse(CallState& call, const RowRange& range, Argument argument, int64_t before) {
  if (range.first_non_finite == kNoRow) return false;
  call.status = NCE_STATUS_NON_FINITE;
  call.argument = argument;
  call.row = range.first_non_finite - before;
  return true;
}

__global__ void choose(const ChooseParams p) {
  CallState& call = *p.call;
  if (threadIdx.x != 0 || call.status != NCE_STATUS_OK) return;
  const RowRange& x = p.ranges[0];
  const RowRange& y = p.ranges[p.tower != 0 ? 0 : 1];
  const RowRange& z = p.ranges[p.shared != 0 ? 2 : 0];
  const bool second_view = p.tower != 0 && x.first_non_finite >= p.first_view;
  if (refuse(call, x, second_view ? Argument::kKeys : Argument::kQueries, second_view ? p.first_view : 0)) return;
  if (p.shared != 0 && refuse(call, z, Argument::kKeys, 0)) return;
  if (refuse(call, y, p.shared != 0 ? Argument::kNegatives : Argument::kKeys, 0)) return;

  double largest = 1.0, smallest_norm = 1.0, largest_norm = 1.0;
  if (p.similarity != NCE_SIMILARITY_COSINE) {
    const double other = Largest()(y.largest, p.shared != 0 ? z.largest : 0.0);
    smallest_norm = Smallest()(x.smallest, Smallest()(y.smallest, z.smallest));
    largest_norm = Largest()(x.largest, other);
    largest = p.similarity == NCE_SIMILARITY_DOT ? x.largest * other : x.largest + other;
    if (p.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN) largest *= largest;
  }
  const Decision decision = decide(p, call.tau, largest, smallest_norm, largest_norm);
  call.method = decision.method;
  call.form = decision.form;
  call.shift = decision.shift;
}

}  // namespace

void launch_choose(const ChooseParams& params, cudaStream_t stream) {
  launch({"choose", dim3(1), kWarpThreads, 0, stream}, choose, params);
}

}  // namespace nce::cuda
