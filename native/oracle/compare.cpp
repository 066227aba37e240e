#include "oracle/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "oracle/rows.h"

namespace nce::oracle {
namespace {

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

/// Of what belongs to the loss or to the rows' losses, that which belongs to what a call writes.
std::vector<double> written(const Problem& problem, double reduced, const std::vector<double>& of_rows) {
  switch (static_cast<nce_reduction>(problem.desc.reduction)) {
    case NCE_REDUCTION_MEAN:
    case NCE_REDUCTION_SUM:
      return {reduced};
    case NCE_REDUCTION_NONE:
      return of_rows;
  }
  unknown("no such reduction");
}

}  // namespace

std::string Result::difference(const Result& other) const {
  if (!same_bits(loss, other.loss)) return "the loss";
  if (!same_bits(d_queries, other.d_queries)) return "the gradient of queries";
  if (!same_bits(d_keys, other.d_keys)) return "the gradient of keys";
  if (!same_bits(d_negatives, other.d_negatives)) return "the gradient of negatives";
  if (!same_bits({d_temperature}, {other.d_temperature})) return "d_temperature";
  if (!same_bits({d_bias}, {other.d_bias})) return "d_bias";
  if (std::memcmp(&metrics, &other.metrics, sizeof metrics) != 0) return "the metrics";
  return "";
}

void compare(const Problem& problem, const Result& result, const Answer& answer, const Bounds& bounds,
             const std::function<void(const char*, double, double)>& expect) {
  constexpr double kWrong = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> losses = written(problem, answer.loss, answer.losses);
  const std::vector<double> sizes = written(problem, answer.loss_size, answer.loss_sizes);
  if (result.loss.size() != losses.size()) return expect("the number of losses", kWrong, 0);
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const double size = sizes[i];
    expect("loss", std::fabs(result.loss[i] - losses[i]),
           bounds.loss * size + bounds.loss_square * size * size + bounds.loss_floor);
  }

  const auto gradient = [&](const char* what, const std::vector<double>& actual, const GradientRows& expected,
                            double more) {
    const auto dim = static_cast<std::size_t>(problem.desc.dim);
    double error = 0, norm = 0;
    for (std::size_t k = 0; k < expected.rows.size(); ++k) {
      const std::size_t first = static_cast<std::size_t>(expected.rows[k]) * dim;
      if (first + dim > actual.size()) return expect(what, kWrong, 0);
      for (std::size_t d = 0; d < dim; ++d) {
        const double should = expected.values[k * dim + d];
        error += (actual[first + d] - should) * (actual[first + d] - should);
        norm += should * should;
      }
    }
    const double allowed = std::max(bounds.gradient * std::sqrt(norm), bounds.terms * expected.terms) +
                           std::sqrt(static_cast<double>(expected.values.size())) * bounds.smallest + more;
    expect(what, std::sqrt(error), allowed);
  };
  gradient("d_queries", result.d_queries, answer.d_queries, 0);
  gradient("d_keys", result.d_keys, answer.d_keys, 0);
  gradient("d_negatives", result.d_negatives, answer.d_negatives, bounds.beside * norm(answer.d_queries.values));
  expect("d_temperature", std::fabs(result.d_temperature - answer.d_temperature),
         bounds.temperature * answer.d_temperature_terms + bounds.similarity * answer.d_temperature_slopes);
  // Losses without a bias have no terms, and exactly 0.
  expect("d_bias", std::fabs(result.d_bias - answer.d_bias), bounds.temperature * answer.d_bias_terms);

  if (problem.desc.metrics == 0) return;
  const auto near = [&](const char* what, double actual, double expected, double allowed) {
    if (std::isnan(expected)) {
      expect(what, std::isnan(actual) ? 0 : kWrong, 0);  // a metric without meaning for the loss
    } else {
      expect(what, std::fabs(actual - expected), allowed);
    }
  };
  const nce_metrics& actual = result.metrics;
  const nce_metrics& expected = answer.metrics;
  near("top1_accuracy", actual.top1_accuracy, expected.top1_accuracy, bounds.accuracy);
  near("topk_accuracy", actual.topk_accuracy, expected.topk_accuracy, bounds.accuracy);
  // Of several positives, whose sum is rounded, the mean is as large as they are.
  near("positive_similarity", actual.positive_similarity, expected.positive_similarity,
       bounds.metrics + 1e-12 * std::fabs(expected.positive_similarity));
  near("negative_similarity", actual.negative_similarity, expected.negative_similarity, bounds.metrics);
  near("alignment", actual.alignment, expected.alignment, bounds.metrics);
  near("uniformity", actual.uniformity, expected.uniformity, bounds.metrics);
  near("effective_negatives", actual.effective_negatives, expected.effective_negatives,
       bounds.effective * expected.effective_negatives);
  const auto equal = [&](const char* what, int64_t a, int64_t b) { expect(what, a == b ? 0 : kWrong, 0); };
  equal("metrics' struct_size", actual.struct_size, expected.struct_size);
  equal("rows", actual.rows, expected.rows);
  equal("rows_without_positives", actual.rows_without_positives, expected.rows_without_positives);
  equal("rows_without_negatives", actual.rows_without_negatives, expected.rows_without_negatives);
  equal("zero_rows", actual.zero_rows, expected.zero_rows);
  equal("non_finite_rows", actual.non_finite_rows, expected.non_finite_rows);
}

}  // namespace nce::oracle
