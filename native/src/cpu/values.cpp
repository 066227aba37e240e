#include "cpu/values.h"

#include <cmath>

#include "api/refusals.h"

namespace nce::cpu {

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
  if (in.upstream == nullptr) return;
  const int64_t count = in.upstream_per_row != 0 ? rows : 1;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(in.upstream[i])) {
      refuse_element("upstream", i, static_cast<double>(in.upstream[i]), "finite");
    }
  }
}

void check_offsets(const nce_inputs& in, int64_t columns) {
  if (in.key_offsets == nullptr) return;
  for (int64_t j = 0; j < columns; ++j) {
    const auto offset = static_cast<double>(in.key_offsets[j]);
    if (!loss::offset_allowed(offset)) refuse_element("key_offsets", j, offset, loss::kOffsetsAllowed);
  }
}

void check_teacher_scores(const nce_inputs& in, int64_t count) {
  if (in.teacher_scores == nullptr) return;
  for (int64_t i = 0; i < count; ++i) {
    const auto score = static_cast<double>(in.teacher_scores[i]);
    if (!loss::score_allowed(score)) refuse_element("teacher_scores", i, score, loss::kScoresAllowed);
  }
}

}  // namespace nce::cpu
