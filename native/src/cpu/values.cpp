#include "cpu/values.h"

#include <cmath>
#include <cstdio>
#include <string>

namespace nce::cpu {
namespace {

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}

[[noreturn]] void invalid(const std::string& message) { throw Error(NCE_STATUS_INVALID_ARGUMENT, message); }

std::string element(const char* name, int64_t row) { return std::string(name) + "[" + std::to_string(row) + "]"; }

}  // namespace

Temperature read_temperature(const nce_inputs& in) {
  const double given = *in.temperature;
  const bool logarithm = in.temperature_form == NCE_TEMPERATURE_LOGARITHM;
  if (!loss::temperature_allowed(given, logarithm)) {
    invalid("*inputs->temperature is " + text(given) +
            (logarithm ? " as a logarithm; allowed: ln 1e-9 = -20.7232658 to ln 1e9 = 20.7232658"
                       : "; allowed: 1e-9 to 1e9"));
  }
  const double tau = logarithm ? std::exp(given) : given;
  return {.tau = tau, .gradient_factor = logarithm ? tau : 1.0};
}

double check_weights(const nce_inputs& in, int64_t rows) {
  if (in.weights == nullptr) return static_cast<double>(rows);
  double sum = 0.0;
  for (int64_t i = 0; i < rows; ++i) {
    const auto weight = static_cast<double>(in.weights[i]);
    if (!(std::isfinite(weight) && weight >= 0.0)) {
      invalid("inputs->" + element("weights", i) + " is " + text(weight) + "; allowed: finite and >= 0");
    }
    sum += weight;
  }
  return sum;
}

void check_labels(const nce_inputs& in, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i) {
    if (in.labels[i] != 0 && in.labels[i] != 1) {
      invalid("inputs->" + element("labels", i) + " is " + std::to_string(in.labels[i]) + "; allowed: 0 or 1");
    }
  }
}

void check_upstream(const nce_inputs& in, int64_t rows) {
  if (in.upstream == nullptr) return;
  const int64_t count = in.upstream_per_row != 0 ? rows : 1;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(in.upstream[i])) {
      invalid("inputs->" + element("upstream", i) + " is " + text(static_cast<double>(in.upstream[i])) +
              "; allowed: finite");
    }
  }
}

void refuse_workspace(const nce_plan_desc& desc) {
  throw Error(NCE_STATUS_UNSUPPORTED, "desc: n = " + std::to_string(desc.n) + ", m = " + std::to_string(desc.m) +
                                          ", dim = " + std::to_string(desc.dim) +
                                          " would need a workspace of more than 1e18 bytes");
}

}  // namespace nce::cpu
