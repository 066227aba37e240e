#include "cpu/values.h"

#include <cmath>

#include "api/refusals.h"

namespace nce::cpu {
namespace {

/// Throws at the first of so many numbers that is not allowed; null has none.
template <typename Allowed>
void check_all(const float* numbers, int64_t count, const char* name, const Allowed& allowed, const char* what) {
  for (int64_t i = 0; numbers != nullptr && i < count; ++i) {
    const auto number = static_cast<double>(numbers[i]);
    if (!allowed(number)) refuse_element(name, i, number, what);
  }
}

}  // namespace

Temperature read_temperature(const nce_inputs& in) {
  const double given = *in.temperature;
  const bool logarithm = in.temperature_form == NCE_TEMPERATURE_LOGARITHM;
  if (!loss::temperature_allowed(given, logarithm)) refuse_temperature(given, logarithm);
  const double tau = logarithm ? std::exp(given) : given;
  return {.tau = tau, .gradient_factor = logarithm ? tau : 1.0};
}

double read_bias(const nce_inputs& in) {
  if (in.bias == nullptr) return 0.0;
  if (!loss::bias_allowed(*in.bias)) refuse_bias(*in.bias);
  return *in.bias;
}

double check_weights(const nce_inputs& in, int64_t rows) {
  if (in.weights == nullptr) return static_cast<double>(rows);
  double sum = 0.0;
  for (int64_t i = 0; i < rows; ++i) {
    const auto weight = static_cast<double>(in.weights[i]);
    if (!(std::isfinite(weight) && weight >= 0.0)) refuse_element("weights", i, weight, "finite and >= 0");
    sum += weight;
  }
  return sum;
}

void check_labels(const nce_inputs& in, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i) {
    if (in.labels[i] != 0 && in.labels[i] != 1) {
      refuse_element("labels", i, in.labels[i], "0 or 1");
    }
  }
}

void check_upstream(const nce_inputs& in, int64_t rows) {
  check_all(
      in.upstream, in.upstream_per_row != 0 ? rows : 1, "upstream", [](double x) { return std::isfinite(x); },
      "finite");
}

void check_offsets(const nce_inputs& in, int64_t columns) {
  check_all(in.key_offsets, columns, "key_offsets", loss::offset_allowed, loss::kOffsetsAllowed);
}

void check_teacher_scores(const nce_inputs& in, int64_t count) {
  check_all(in.teacher_scores, count, "teacher_scores", loss::score_allowed, loss::kScoresAllowed);
}

}  // namespace nce::cpu
