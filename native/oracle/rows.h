#pragma once
// What the oracle's two halves share: shares of rows, sums over rows, gradients as they are added up.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "oracle/oracle.h"
#include "oracle/parallel.h"
#include "oracle/similarity_matrix.h"

namespace nce::oracle {

/// Problems with a matrix of similarities, and those without.
template <typename Number>
Answer dense_oracle(const Problem& problem, int64_t samples);
template <typename Number>
Answer rowwise_oracle(const Problem& problem, int64_t samples);
/// And those whose triplets are mined.
template <typename Number>
Answer mined_oracle(const Problem& problem, int64_t samples);
/// And those whose rows have several positives by labels.
template <typename Number>
Answer labelled_oracle(const Problem& problem, int64_t samples);
/// And those whose rows have negatives among other pairs than of a query and a key.
template <typename Number>
Answer blocks_oracle(const Problem& problem, int64_t samples);

std::vector<int64_t> sample_rows(int64_t rows, int64_t samples);

template <typename Number>
double norm(const std::vector<Number>& values) {
  Number sum = 0;
  for (const Number value : values) sum += value * value;
  return static_cast<double>(std::sqrt(sum));
}

template <typename Number>
std::vector<Number> as(const std::vector<double>& values) {
  return std::vector<Number>(values.begin(), values.end());
}

/// What the rows' losses, and what callers make of them, are multiplied by.
template <typename Number>
class Shares {
 public:
  explicit Shares(const Problem& problem) : problem_(problem) {
    Number sum = 0;
    for (int64_t i = 0; i < problem.shape().rows; ++i) sum += weight(i);
    switch (static_cast<nce_reduction>(problem.desc.reduction)) {
      case NCE_REDUCTION_MEAN:
        share_ = sum > 0 ? 1 / sum : 0;
        return;
      case NCE_REDUCTION_SUM:
      case NCE_REDUCTION_NONE:
        share_ = 1;
        return;
    }
    unknown("no such reduction");
  }

  Number weight(int64_t row) const {
    return problem_.weights.empty() ? 1 : static_cast<Number>(problem_.weights.data()[row]);
  }
  /// What w_i l_i counts for in the loss.
  Number share() const { return share_; }
  /// d objective / d (w_i l_i).
  Number slope(int64_t row) const {
    if (problem_.upstream.empty()) return share_;
    return share_ * static_cast<Number>(problem_.upstream.data()[problem_.upstream.size() == 1 ? 0 : row]);
  }

 private:
  const Problem& problem_;
  Number share_ = 1;
};

/// What a row adds to the answer: its loss, and the sums that metrics are made of.
template <typename Number>
struct RowSums {
  Number loss = 0, size = 0, d_temperature = 0, d_temperature_terms = 0, d_temperature_slopes = 0, condition = 1;
  Number d_bias = 0, d_bias_terms = 0;
  Number positive = 0, alignment = 0, negative = 0, uniformity = 0, effective = 0;
  int64_t positives = 0, negatives = 0, above = 0, tied = 0;

  void add_loss(const Problem& problem, const LossNumbers<Number>& row, Number weight, Number slope) {
    const Number factor = weight * slope * static_cast<Number>(problem.temperature_slope());
    loss += weight * row.value;
    size += weight * (row.size < 0 ? std::fabs(row.value) : row.size);
    d_temperature += factor * row.by_temperature;
    d_temperature_terms += std::fabs(factor) * row.by_temperature_terms;
    d_temperature_slopes += std::fabs(factor) * row.by_temperature_slopes;
    if (problem.shape().biased) {
      d_bias += weight * slope * row.by_bias;
      d_bias_terms += std::fabs(weight * slope) * row.by_bias_terms;
    }
    condition = std::max(condition, row.condition);
  }
  void add_positive(Number s, Number unit_distance) {
    positive += s;
    alignment += unit_distance;
    ++positives;
  }
  /// How likely the positive is among the first k if those as similar come in random order.
  Number credit(int64_t k) const {
    return std::clamp<Number>(static_cast<Number>(k - above) / static_cast<Number>(1 + tied), 0, 1);
  }
  /// each(visit) calls visit(s, unit_distance) for the row's negatives.
  template <typename Each>
  void add_negatives(const Shape& shape, double tau, bool cosines, const Each& each) {
    // Of cosines, which are sums of products of unit vectors even where they are small.
    const Number least = cosines ? 1 : 0;
    Number top = -std::numeric_limits<Number>::infinity();
    each([&](Number s, Number unit_distance) {
      negative += s;
      uniformity += std::exp(-2 * unit_distance);
      ++negatives;
      // What is equal by definition may differ by roundings, which sums of other order have.
      const Number roundings = 1024 * std::numeric_limits<Number>::epsilon() * std::max<Number>(std::fabs(s), least);
      if (std::fabs(s - positive) <= roundings) {
        ++tied;
      } else if (s > positive) {
        ++above;
      }
      top = std::max(top, s);
    });
    if (!shape.softmax || negatives == 0) return;
    // exp of the entropy of a softmax: ln of its sum, less its mean exponent.
    Number sum = 0, weighted = 0;
    each([&](Number s, Number) {
      const Number z = (s - top) / static_cast<Number>(tau);
      sum += std::exp(z);
      weighted += z * std::exp(z);
    });
    effective = std::exp(std::log(sum) - weighted / sum);
  }
};

/// All of an answer but its gradients.
template <typename Number>
Answer answer_of(const Problem& problem, const std::vector<RowSums<Number>>& rows);

/// Rows of a gradient while they are summed: slopes by similarities, from one side of each.
template <typename Number>
class GradientRow {
 public:
  GradientRow(const Number* own, int64_t dim) : own_(own), sum_(static_cast<std::size_t>(dim), Number{0}) {}

  /// `s` is seen from this row; `other` is the other row. `size` is that of what the slope is added up from.
  void add(Number slope, const Similarity<Number>& s, const Number* other) { add(slope, s, other, std::fabs(slope)); }
  void add(Number slope, const Similarity<Number>& s, const Number* other, Number size) {
    const auto dim = static_cast<int64_t>(sum_.size());
    if (s.x_own == -s.cross) {
      // A distance's: far from the origin nothing would be left of two sums that cancel.
      add_difference(slope * s.cross, other, own_, dim, sum_.data());
    } else {
      add_scaled(slope * s.cross, other, dim, sum_.data());
      own_slope_ += slope * s.x_own;
    }
    terms_ += size * s.x_size;
  }
  Number terms() const { return terms_; }
  void write(double* to) {
    add_scaled(own_slope_, own_, static_cast<int64_t>(sum_.size()), sum_.data());
    std::transform(sum_.begin(), sum_.end(), to, [](Number x) { return static_cast<double>(x); });
  }

 private:
  const Number* own_;
  std::vector<Number> sum_;
  Number own_slope_ = 0, terms_ = 0;
};

/// Some of a gradient's rows, of each of which `body` makes a GradientRow.
template <typename Number, typename Body>
GradientRows gradient_rows(int64_t rows, int64_t samples, int64_t dim, const Body& body) {
  GradientRows result;
  result.rows = sample_rows(rows, samples);
  const auto count = static_cast<int64_t>(result.rows.size());
  result.values.resize(static_cast<std::size_t>(count * dim));
  std::vector<Number> terms(result.rows.size());
  parallel_for(count, [&](int64_t k) {
    GradientRow<Number> row = body(result.rows.data()[k]);
    row.write(result.values.data() + k * dim);
    terms.data()[k] = row.terms();
  });
  result.terms = norm(terms);
  return result;
}

}  // namespace nce::oracle
