// Losses whose rows have nothing to do with each other.

#include "oracle/distilled.h"
#include "oracle/parallel.h"
#include "oracle/rows.h"

namespace nce::oracle {
namespace {

/// What pairs are measured by: a similarity, less a constant. Minus the distance of cosines is s - 1.
struct Measure {
  nce_similarity similarity;
  int less = 0;
};

Measure measure_of(const nce_plan_desc& desc, bool margin) {
  if (!margin) return {static_cast<nce_similarity>(desc.similarity)};
  switch (static_cast<nce_distance>(desc.distance)) {
    case NCE_DISTANCE_EUCLIDEAN:
      return {NCE_SIMILARITY_NEG_EUCLIDEAN};
    case NCE_DISTANCE_SQUARED_EUCLIDEAN:
      return {NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN};
    case NCE_DISTANCE_COSINE:
      return {NCE_SIMILARITY_COSINE, 1};
  }
  unknown("no such distance");
}

/// A matrix whose rows belong to one row's loss each.
template <typename Number>
struct Matrix {
  std::vector<Number> values;
  GradientRows gradient;
  std::vector<Number> terms;

  Matrix(const std::vector<double>& rows, int64_t dim, int64_t samples) : values(as<Number>(rows)) {
    gradient.rows = sample_rows(static_cast<int64_t>(rows.size()) / dim, samples);
    gradient.values.resize(gradient.rows.size() * static_cast<std::size_t>(dim));
    terms.resize(gradient.rows.size());
  }

  /// Where the gradient's row is kept, or -1.
  int64_t place(int64_t row) const {
    const auto found = std::lower_bound(gradient.rows.begin(), gradient.rows.end(), row);
    return found != gradient.rows.end() && *found == row ? found - gradient.rows.begin() : -1;
  }
  void set(int64_t row, GradientRow<Number>& value, int64_t dim) {
    const int64_t at = place(row);
    if (at < 0) return;
    value.write(gradient.values.data() + at * dim);
    terms.data()[at] = value.terms();
  }
  GradientRows sampled() {
    gradient.terms = norm(terms);
    return std::move(gradient);
  }
};

}  // namespace

template <typename Number>
Answer rowwise_oracle(const Problem& problem, int64_t samples) {
  const nce_plan_desc& desc = problem.desc;
  const Shape shape = problem.shape();
  const int64_t dim = desc.dim;
  const Measure measure = measure_of(desc, shape.margin);
  const Shares<Number> shares(problem);
  Matrix<Number> queries(problem.queries, dim, samples), keys(problem.keys, dim, samples),
      negatives(problem.negatives, dim, samples);
  std::vector<RowSums<Number>> sums(static_cast<std::size_t>(shape.rows));

  parallel_for(shape.rows, [&](int64_t i) {
    const Number* const x = queries.values.data() + i * dim;
    const auto other = [&](int64_t k) {
      return k == 0 ? keys.values.data() + i * dim : negatives.values.data() + (i * shape.own + k - 1) * dim;
    };
    std::vector<RowPair<Number>> pairs;
    for (int64_t k = 0; k <= shape.own; ++k) {
      pairs.push_back(pair_of(measure.similarity, x, other(k), dim));
      pairs.back().similarity.s -= static_cast<Number>(measure.less);
    }
    const bool positive = !shape.labelled || problem.labels.data()[i] == 1;
    const std::size_t first_negative = positive ? 1 : 0;
    const auto each_negative = [&](const auto& visit) {
      for (std::size_t k = first_negative; k < pairs.size(); ++k) visit(pairs[k].similarity.s, pairs[k].unit_distance);
    };
    const Number weight = shares.weight(i);
    RowSums<Number>& sum = sums.data()[i];
    std::vector<Number> slopes;
    if (shape.distilled) {
      std::vector<Number> similarities;
      for (const auto& pair : pairs) similarities.push_back(pair.similarity.s);
      const float* const scores = problem.teacher_scores.data() + i * (shape.own + 1);
      const DistilledLoss<Number> loss(static_cast<nce_loss>(desc.loss), problem.tau, similarities, scores);
      sum.add_loss(problem, loss, weight, shares.slope(i));
      for (std::size_t k = 0; k < pairs.size(); ++k) slopes.push_back(loss.by_candidate(k));
    } else {
      const RowLoss<Number> loss(desc, problem.tau, problem.bias, positive ? &pairs[0].similarity.s : nullptr,
                                 [&](const auto& visit) { each_negative([&](Number s, Number) { visit(s); }); });
      sum.add_loss(problem, loss, weight, shares.slope(i));
      for (std::size_t k = 0; k < pairs.size(); ++k) {
        slopes.push_back(k < first_negative ? loss.by_positive : loss.by_negative(pairs[k].similarity.s));
      }
    }
    if (positive) sum.add_positive(pairs[0].similarity.s, pairs[0].unit_distance);
    sum.add_negatives(shape, problem.negative_tau(), measure.similarity == NCE_SIMILARITY_COSINE, each_negative);

    const Number slope = weight * shares.slope(i);
    GradientRow<Number> d_query(x, dim);
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      const Similarity<Number>& s = pairs[k].similarity;
      const Number g = slope * slopes[k];
      const auto column = static_cast<int64_t>(k);
      d_query.add(g, s, other(column));
      GradientRow<Number> d_other(other(column), dim);
      d_other.add(g, s.turned(), x);
      if (column == 0) {
        keys.set(i, d_other, dim);
      } else {
        negatives.set(i * shape.own + column - 1, d_other, dim);
      }
    }
    queries.set(i, d_query, dim);
  });

  Answer answer = answer_of(problem, sums);
  answer.d_queries = queries.sampled();
  answer.d_keys = keys.sampled();
  answer.d_negatives = negatives.sampled();
  return answer;
}

template Answer rowwise_oracle<double>(const Problem&, int64_t);
template Answer rowwise_oracle<long double>(const Problem&, int64_t);

}  // namespace nce::oracle
