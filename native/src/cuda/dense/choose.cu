// Which method and form a call takes: from its temperature and the range of its norms.

#include <cmath>

#include "cuda/dense/row_kernels.h"
#include "cuda/reduce.cuh"

namespace nce::cuda::dense {
namespace {

/// The first method is trusted while no logit can be larger, and no norm of unnormalised rows is near float's ends.
constexpr double kLargestTrustedLogit = 128.0;
constexpr double kSmallestNorm = 1e-15;
constexpr double kLargestNorm = 1e15;

/// kBounded in float. Exponentials lie in 2^[-123.5, 119], so that a tile's sums of 128 of them, times differences of
/// similarities, stay finite and normal; and the coefficients, which divide by a sum of up to `most_terms` of them,
/// too.
constexpr double kLargestExponent = 119.0;
constexpr double kSmallestExponent = -123.5;
constexpr double kLargestCoefficientExponent = 124.0;
constexpr double kLargestDoubleLogit = 340.0;

struct Decision {
  int32_t method;
  Form form;
  double shift;
  int32_t far;
};

/// Whether exponentials of logits up to `logit` stay in float's range with one shift for all, and which.
NCE_DEVICE bool fits_float(double logit, double largest, double most_terms, double& shift) {
  if (!(logit <= kLargestTrustedLogit) || !(largest > 0.0)) return false;
  const double size = std::log2(largest);
  const double top =
      Smallest()(kLargestExponent - (size > 0.0 ? size : 0.0), kLargestCoefficientExponent - std::log2(most_terms));
  const double exponent = logit * kLog2E;
  shift = exponent > top ? exponent - top : 0.0;
  const double bottom = -exponent - shift + (size < 0.0 ? size : 0.0);
  return bottom >= kSmallestExponent;
}

/// The bias in units of s, which tiles add to similarities, or what keeps exponentials in range.
NCE_DEVICE double shift_of(Form form, const CallState& call, double of_exponentials) {
  switch (form) {
    case Form::kBounded:
      return of_exponentials;
    case Form::kLogistic:
      return call.bias * call.tau;
    case Form::kOnline:
      break;
  }
  return 0.0;
}

NCE_DEVICE Decision decide(const ChooseParams& p, const CallState& call, double largest, double smallest_norm,
                           double largest_norm) {
  const double logit = largest * call.inverse_temperature;
  const double bias = std::fabs(call.bias);
  const bool trusted = logit <= kLargestTrustedLogit && bias <= kLargestTrustedLogit &&
                       smallest_norm >= kSmallestNorm && largest_norm <= kLargestNorm;
  const bool second = p.second_method && !trusted;
  double shift = 0.0;
  const double exponent = logit + (p.offsets ? loss::kLargestOffset : 0.0);
  const bool bounded = second || p.first_is_double ? exponent <= kLargestDoubleLogit
                                                   : fits_float(exponent, largest, p.most_terms, shift);
  const Form form = loss::form_of(p.function, bounded);
  const bool single = !second && !p.first_is_double;
  const double safe = loss::reach_of(single).safe;
  // A bias in units of s may overflow where similarities do not.
  const bool far = !(largest <= safe && logit <= safe && bias * call.tau <= safe);
  return {second ? 1 : 0, form, shift_of(form, call, shift), far && single ? 2 : far || p.weighs_much ? 1 : 0};
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
  const RowRange& y = p.ranges[p.tower ? 0 : 1];
  const RowRange& z = p.ranges[p.shared || p.own ? 2 : 0];
  const bool second_view = p.tower && x.first_non_finite >= p.first_view;
  if (refuse(call, x, second_view ? Argument::kKeys : Argument::kQueries, second_view ? p.first_view : 0)) return;
  if (p.shared && refuse(call, z, Argument::kKeys, 0)) return;
  const bool queue = !p.tower && y.first_non_finite >= p.keys;
  const Argument of_y = queue ? Argument::kQueue : p.shared ? Argument::kNegatives : Argument::kKeys;
  if (refuse(call, y, of_y, queue ? p.keys : 0)) return;
  if (p.own && refuse(call, z, Argument::kNegatives, 0)) return;

  const double other = Largest()(y.largest, p.shared || p.own ? z.largest : 0.0);
  double smallest_norm = 1.0, largest_norm = 1.0;
  if (p.similarity != NCE_SIMILARITY_COSINE) {
    smallest_norm = Smallest()(x.smallest, Smallest()(y.smallest, z.smallest));
    largest_norm = Largest()(x.largest, other);
  }
  const double both = Largest()(x.largest, other);
  const double largest =
      loss::largest_similarity(p.similarity, p.blocks.key_key ? both : x.largest, p.blocks.query_query ? both : other);
  if (p.own) p.ranges[1].largest = p.ranges[2].largest = other;
  if (p.blocks.any()) p.ranges[0].largest = p.ranges[1].largest = both;
  if (p.own && p.blocks.any()) p.ranges[2].largest = both;
  const Decision decision = decide(p, call, largest, smallest_norm, largest_norm);
  call.method = decision.method;
  call.form = decision.form;
  call.shift = decision.shift;
  call.far = decision.far;
}

}  // namespace

void launch_choose(const ChooseParams& params, cudaStream_t stream) {
  launch({"choose", dim3(1), kWarpThreads, 0, stream}, choose, params);
}

}  // namespace nce::cuda::dense
