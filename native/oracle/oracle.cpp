#include "oracle/oracle.h"

#include "oracle/rows.h"

namespace nce::oracle {
namespace {

template <typename Number>
double mean(Number sum, int64_t count) {
  return count > 0 ? static_cast<double>(sum / static_cast<Number>(count)) : std::numeric_limits<double>::quiet_NaN();
}

int64_t zero_rows(const std::vector<double>& matrix, int64_t dim) {
  int64_t count = 0;
  for (auto row = matrix.begin(); row != matrix.end(); row += dim) {
    if (std::all_of(row, row + dim, [](double x) { return x == 0; })) ++count;
  }
  return count;
}

}  // namespace

std::vector<int64_t> sample_rows(int64_t rows, int64_t samples) {
  std::vector<int64_t> result;
  if (rows <= samples || samples < 2) {
    for (int64_t i = 0; i < rows; ++i) result.push_back(i);
  } else {
    for (int64_t i = 0; i < samples; ++i) result.push_back(i * (rows - 1) / (samples - 1));
  }
  return result;
}

template <typename Number>
Answer answer_of(const Problem& problem, const std::vector<RowSums<Number>>& rows) {
  const Shape shape = problem.shape();
  const Number share = Shares<Number>(problem).share();
  Answer answer;
  RowSums<Number> all;
  Number top1 = 0, topk = 0;
  int64_t mixed = 0;   // rows with a softmax over negatives
  int64_t ranked = 0;  // rows with a positive
  nce_metrics& metrics = answer.metrics;
  for (const RowSums<Number>& row : rows) {
    answer.losses.push_back(static_cast<double>(row.loss));
    answer.loss_sizes.push_back(static_cast<double>(row.size));
    all.loss += row.loss * share;
    all.size += row.size * share;
    all.d_temperature += row.d_temperature;
    all.d_temperature_terms += row.d_temperature_terms;
    all.d_temperature_slopes += row.d_temperature_slopes;
    all.d_bias += row.d_bias;
    all.d_bias_terms += row.d_bias_terms;
    all.condition = std::max(all.condition, row.condition);
    all.positive += row.positive;
    all.alignment += row.alignment;
    all.negative += row.negative;
    all.uniformity += row.uniformity;
    all.effective += row.effective;
    all.positives += row.positives;
    all.negatives += row.negatives;
    mixed += row.effective > 0 ? 1 : 0;
    metrics.rows_without_negatives += row.negatives > 0 ? 0 : 1;
    metrics.rows_without_positives += row.positives > 0 ? 0 : 1;
    if (row.positives == 0) continue;
    ++ranked;
    top1 += row.credit(1);
    topk += row.credit(problem.desc.top_k);
  }
  answer.loss = static_cast<double>(all.loss);
  answer.loss_size = static_cast<double>(all.size);
  answer.d_temperature = static_cast<double>(all.d_temperature);
  answer.d_temperature_terms = static_cast<double>(all.d_temperature_terms);
  answer.d_temperature_slopes = static_cast<double>(all.d_temperature_slopes);
  answer.d_bias = static_cast<double>(all.d_bias);
  answer.d_bias_terms = static_cast<double>(all.d_bias_terms);
  answer.condition = static_cast<double>(all.condition);
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  metrics.struct_size = sizeof metrics;
  metrics.rows = shape.rows;
  metrics.top1_accuracy = shape.labelled ? kNone : mean(top1, ranked);
  metrics.topk_accuracy = shape.labelled ? kNone : mean(topk, ranked);
  metrics.positive_similarity = mean(all.positive, all.positives);
  metrics.alignment = shape.by_labels ? kNone : mean(all.alignment, all.positives);
  metrics.negative_similarity = mean(all.negative, all.negatives);
  metrics.uniformity = std::log(mean(all.uniformity, all.negatives));
  metrics.effective_negatives = shape.softmax && problem.desc.offsets == 0 ? mean(all.effective, mixed) : kNone;
  for (const auto* matrix : {&problem.queries, &problem.keys, &problem.negatives}) {
    metrics.zero_rows += zero_rows(*matrix, problem.desc.dim);
  }
  return answer;
}

namespace {

template <typename Number>
Answer unweighted_oracle(const Problem& problem, int64_t samples);

/// A queue is further keys, of whose gradient nobody asks.
template <typename Number>
Answer queue_oracle(Problem problem, int64_t samples) {
  const int64_t keys = problem.desc.m;
  problem.desc.m += problem.desc.queue;
  problem.desc.queue = 0;
  problem.keys.insert(problem.keys.end(), problem.queue.begin(), problem.queue.end());
  problem.queue.clear();
  Answer answer = unweighted_oracle<Number>(problem, samples);
  GradientRows& gradient = answer.d_keys;
  while (!gradient.rows.empty() && gradient.rows.back() >= keys) {
    gradient.rows.pop_back();
    gradient.values.resize(gradient.values.size() - static_cast<std::size_t>(problem.desc.dim));
  }
  return answer;
}

template <typename Number>
Answer unweighted_oracle(const Problem& problem, int64_t samples) {
  if (problem.desc.queue > 0) return queue_oracle<Number>(problem, samples);
  if (problem.shape().by_labels) return labelled_oracle<Number>(problem, samples);
  if (problem.desc.blocks != 0 || problem.desc.own_negatives != 0) return blocks_oracle<Number>(problem, samples);
  if (problem.shape().mined) return mined_oracle<Number>(problem, samples);
  return problem.shape().rowwise ? rowwise_oracle<Number>(problem, samples) : dense_oracle<Number>(problem, samples);
}

/// Everything but metrics, and with it the sizes of what it is the sum of.
void multiply(Answer& answer, double by) {
  for (double* const number : {&answer.loss, &answer.loss_size, &answer.d_temperature, &answer.d_temperature_terms,
                               &answer.d_temperature_slopes, &answer.d_bias, &answer.d_bias_terms,
                               &answer.d_queries.terms, &answer.d_keys.terms, &answer.d_negatives.terms}) {
    *number *= by;
  }
  for (auto* const numbers : {&answer.losses, &answer.loss_sizes, &answer.d_queries.values, &answer.d_keys.values,
                              &answer.d_negatives.values}) {
    for (double& number : *numbers) number *= by;
  }
}

}  // namespace

template <typename Number>
Answer oracle(const Problem& problem, int64_t samples) {
  Answer answer = unweighted_oracle<Number>(problem, samples);
  if (problem.desc.loss_weight != 0.0) multiply(answer, problem.desc.loss_weight);
  return answer;
}

template Answer answer_of(const Problem&, const std::vector<RowSums<double>>&);
template Answer answer_of(const Problem&, const std::vector<RowSums<long double>>&);
template Answer oracle<double>(const Problem&, int64_t);
template Answer oracle<long double>(const Problem&, int64_t);

}  // namespace nce::oracle
