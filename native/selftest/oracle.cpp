#include "selftest/oracle.h"

#include <limits>

namespace nce::selftest {

Answer oracle(const Problem& problem, int64_t samples) {
  return problem.rowwise() ? rowwise_oracle(problem, samples) : dense_oracle(problem, samples);
}

std::vector<int64_t> sample_rows(int64_t rows, int64_t samples) {
  std::vector<int64_t> result;
  if (rows <= samples || samples < 2) {
    for (int64_t i = 0; i < rows; ++i) result.push_back(i);
  } else {
    for (int64_t i = 0; i < samples; ++i) result.push_back(i * (rows - 1) / (samples - 1));
  }
  return result;
}

void prepare(const Problem& problem, Answer& answer) {
  answer.losses.assign(static_cast<std::size_t>(problem.rows()), 0.0);
  const double unknown = std::numeric_limits<double>::quiet_NaN();
  nce_metrics& metrics = answer.metrics;
  metrics.top1_accuracy = metrics.topk_accuracy = metrics.positive_similarity = metrics.negative_similarity = unknown;
  metrics.alignment = metrics.uniformity = metrics.effective_negatives = unknown;
  metrics.rows = problem.rows();
}

double weight_of(const Problem& problem, int64_t row) {
  return problem.weights.empty() ? 1.0 : static_cast<double>(problem.weights[static_cast<std::size_t>(row)]);
}

double upstream_of(const Problem& problem, int64_t row) {
  if (problem.upstream.empty()) return 1.0;
  return static_cast<double>(problem.upstream[problem.upstream.size() == 1 ? 0 : static_cast<std::size_t>(row)]);
}

std::vector<double> loss_shares(const Problem& problem) {
  double sum = 0;
  for (int64_t i = 0; i < problem.rows(); ++i) sum += weight_of(problem, i);
  const double share = problem.desc.reduction != NCE_REDUCTION_MEAN ? 1.0 : sum > 0 ? 1.0 / sum : 0.0;
  return std::vector<double>(static_cast<std::size_t>(problem.rows()), share);
}

}  // namespace nce::selftest
