#include "dense_oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nce::test {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

/// Rows with places for their gradients.
template <typename Number>
struct Row {
  const double* x;
  Number* dx;
  Number square;
};

template <typename Number>
struct Pairing {
  Number dot = 0;
  Number difference = 0;  ///< squared; Euclidean similarities only
  Number s = 0;
  Number unit_distance_squared = 0;
};

template <typename Number>
class Oracle {
 public:
  using Row = test::Row<Number>;
  using Pairing = test::Pairing<Number>;

  explicit Oracle(const DenseCase& problem)
      : problem_(problem), dim_(problem.desc.dim), rows_(problem.rows()), tower_(problem.tower()) {
    answer_.d_queries.assign(problem.queries.size(), 0);
    answer_.d_keys.assign(problem.keys.size(), 0);
    answer_.d_negatives.assign(problem.negatives.size(), 0);
    answer_.losses.assign(at(rows_), 0);
    query_squares_ = squares(problem.queries);
    key_squares_ = squares(problem.keys);
    negative_squares_ = squares(problem.negatives);
  }

  DenseAnswerOf<Number> run() {
    Number weight_sum = 0;
    for (int64_t i = 0; i < rows_; ++i) weight_sum += weight(i);
    const bool mean = problem_.desc.reduction == NCE_REDUCTION_MEAN;
    const Number scale = mean ? (weight_sum > 0 ? 1 / weight_sum : 0) : 1;
    for (int64_t i = 0; i < rows_; ++i) {
      const Number half = problem_.desc.symmetric != 0 ? Number{0.5} : Number{1};
      row(i, false, half * weight(i), scale * upstream(i), true);
      if (problem_.desc.symmetric != 0) row(i, true, half * weight(i), scale * upstream(i), false);
    }
    for (const Number loss : answer_.losses) answer_.loss += loss * scale;
    const Number count = static_cast<Number>(rows_);
    answer_.top1 /= count;
    answer_.topk /= count;
    answer_.positive_similarity /= count;
    answer_.alignment /= count;
    answer_.effective_negatives /= count;
    const Number pairs = static_cast<Number>(negative_pairs_);
    answer_.negative_similarity /= pairs;
    answer_.uniformity = std::log(answer_.uniformity / pairs);
    return std::move(answer_);
  }

 private:
  Number weight(int64_t i) const { return problem_.weights.empty() ? 1 : static_cast<Number>(problem_.weights[at(i)]); }
  Number upstream(int64_t i) const {
    if (problem_.upstream.empty()) return 1;
    return static_cast<Number>(problem_.upstream.size() == 1 ? problem_.upstream[0] : problem_.upstream[at(i)]);
  }

  std::vector<Number> squares(const std::vector<double>& values) const {
    std::vector<Number> result(values.size() / at(dim_), 0);
    for (size_t i = 0; i < result.size() * at(dim_); ++i) {
      result[i / at(dim_)] += static_cast<Number>(values[i]) * static_cast<Number>(values[i]);
    }
    return result;
  }

  Row query(int64_t i) { return of(problem_.queries, answer_.d_queries, query_squares_, i); }
  Row key(int64_t i) { return of(problem_.keys, answer_.d_keys, key_squares_, i); }
  Row negative(int64_t i) { return of(problem_.negatives, answer_.d_negatives, negative_squares_, i); }
  Row of(const std::vector<double>& values, std::vector<Number>& gradients, const std::vector<Number>& squares,
         int64_t i) const {
    return {values.data() + i * dim_, gradients.data() + i * dim_, squares[at(i)]};
  }
  Row tower(int64_t i) { return i < problem_.desc.n ? query(i) : key(i - problem_.desc.n); }

  Row anchor(int64_t i, bool column) { return tower_ ? tower(i) : column ? key(i) : query(i); }

  Row positive(int64_t i, bool column) {
    if (tower_) return tower(i < rows_ / 2 ? i + rows_ / 2 : i - rows_ / 2);
    return column ? query(i) : key(i);
  }

  std::vector<Row> negatives(int64_t i, bool column) {
    std::vector<Row> result;
    if (tower_) {
      const int64_t other = i < rows_ / 2 ? i + rows_ / 2 : i - rows_ / 2;
      for (int64_t j = 0; j < rows_; ++j) {
        if (j != i && j != other) result.push_back(tower(j));
      }
    } else if (problem_.desc.negatives == NCE_NEGATIVES_SHARED) {
      for (int64_t j = 0; j < problem_.desc.m; ++j) {
        result.push_back(negative(j));
      }
    } else if (column) {
      for (int64_t j = 0; j < problem_.desc.n; ++j) {
        if (j != i) result.push_back(query(j));
      }
    } else {
      for (int64_t j = 0; j < problem_.desc.m; ++j) {
        if (j != i) result.push_back(key(j));
      }
    }
    return result;
  }

  Pairing pair(const Row& a, const Row& b) const {
    Pairing result;
    for (int64_t d = 0; d < dim_; ++d) result.dot += static_cast<Number>(a.x[d]) * static_cast<Number>(b.x[d]);
    if (euclidean()) {
      for (int64_t d = 0; d < dim_; ++d) {
        const Number difference = static_cast<Number>(a.x[d]) - static_cast<Number>(b.x[d]);
        result.difference += difference * difference;
      }
    }
    const bool zero = a.square == 0 || b.square == 0;
    const Number cosine = zero ? 0 : result.dot / std::sqrt(a.square) / std::sqrt(b.square);
    result.unit_distance_squared = (a.square > 0 ? 1 : 0) + (b.square > 0 ? 1 : 0) - 2 * cosine;
    switch (problem_.desc.similarity) {
      case NCE_SIMILARITY_COSINE:
        result.s = cosine;
        break;
      case NCE_SIMILARITY_DOT:
        result.s = result.dot;
        break;
      case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
        result.s = -result.difference;
        break;
      default:
        result.s = -std::sqrt(result.difference);
        break;
    }
    return result;
  }

  bool euclidean() const {
    return problem_.desc.similarity != NCE_SIMILARITY_COSINE && problem_.desc.similarity != NCE_SIMILARITY_DOT;
  }

  /// Adds g ds(a, b) to both rows' gradients: ds / da = slope (b - a_share a), ds / db = slope (a - b_share b).
  void push(const Row& a, const Row& b, const Pairing& ab, Number g) {
    const bool zero = a.square == 0 || b.square == 0;
    const Number norms = std::sqrt(a.square) * std::sqrt(b.square);
    Number slope = 0;
    Number a_share = 1;
    Number b_share = 1;
    switch (problem_.desc.similarity) {
      case NCE_SIMILARITY_COSINE:
        slope = zero ? 0 : 1 / norms;
        a_share = zero ? 0 : ab.dot / a.square;
        b_share = zero ? 0 : ab.dot / b.square;
        break;
      case NCE_SIMILARITY_DOT:
        slope = 1;
        a_share = b_share = 0;
        break;
      case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
        slope = 2;
        break;
      default:
        slope = ab.difference > 0 ? 1 / std::sqrt(ab.difference) : 0;
        break;
    }
    if (!zero) {
      const Number size = std::sqrt(a.square) + std::sqrt(b.square);
      const bool unit = problem_.desc.similarity == NCE_SIMILARITY_COSINE;
      answer_.gradient_terms += std::fabs(g) * (unit ? size / norms : size);
    }
    slope *= g;
    for (int64_t d = 0; d < dim_; ++d) {
      const Number x = static_cast<Number>(a.x[d]);
      const Number y = static_cast<Number>(b.x[d]);
      a.dx[d] += slope * (y - a_share * x);
      b.dx[d] += slope * (x - b_share * y);
    }
  }

  /// One row's loss; `share` multiplies the loss, `factor` only its gradient.
  void row(int64_t i, bool column, Number share, Number factor, bool metrics) {
    const auto tau = static_cast<Number>(problem_.tau);
    const Row a = anchor(i, column);
    const Row p = positive(i, column);
    const std::vector<Row> others = negatives(i, column);
    const Pairing positive_pair = pair(a, p);
    std::vector<Pairing> pairs;
    for (const Row& other : others) pairs.push_back(pair(a, other));
    const Number u = share * factor;
    if (problem_.desc.loss == NCE_LOSS_NT_LOGISTIC) {
      logistic(i, a, p, others, positive_pair, pairs, share, u);
    } else {
      Number top = 0;
      for (const Pairing& other : pairs) top = std::max(top, (other.s - positive_pair.s) / tau);
      Number sum = 0;
      for (const Pairing& other : pairs) sum += std::exp((other.s - positive_pair.s) / tau - top);
      const Number all = sum + std::exp(-top);
      answer_.losses[at(i)] += share * (top > 0 ? top + std::log(all) : std::log1p(sum));
      for (size_t j = 0; j < pairs.size(); ++j) {
        const Number g = u * std::exp((pairs[j].s - positive_pair.s) / tau - top) / all;
        push(a, others[j], pairs[j], g / tau);
        temperature(-g * (pairs[j].s - positive_pair.s) / (tau * tau));
      }
      push(a, p, positive_pair, -u * sum / all / tau);
    }
    if (metrics) add_metrics(positive_pair, pairs);
  }

  void logistic(int64_t i, const Row& a, const Row& p, const std::vector<Row>& others, const Pairing& positive_pair,
                const std::vector<Pairing>& pairs, Number share, Number u) {
    const auto tau = static_cast<Number>(problem_.tau);
    const bool mean = problem_.desc.negative_reduction == NCE_REDUCTION_MEAN;
    const Number part = mean && !pairs.empty() ? 1 / static_cast<Number>(pairs.size()) : 1;
    const Number z = positive_pair.s / tau;
    answer_.losses[at(i)] += share * softplus(-z);
    push(a, p, positive_pair, -u * sigmoid(-z) / tau);
    temperature(u * sigmoid(-z) * z / tau);
    for (size_t j = 0; j < pairs.size(); ++j) {
      const Number y = pairs[j].s / tau;
      answer_.losses[at(i)] += share * part * softplus(y);
      push(a, others[j], pairs[j], u * part * sigmoid(y) / tau);
      temperature(-u * part * sigmoid(y) * y / tau);
    }
  }

  static Number softplus(Number x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
  static Number sigmoid(Number x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

  void temperature(Number term) {
    answer_.d_temperature += term;
    answer_.d_temperature_terms += std::fabs(term);
  }

  void add_metrics(const Pairing& positive_pair, const std::vector<Pairing>& pairs) {
    int64_t above = 0;
    Number top = -std::numeric_limits<Number>::infinity();
    for (const Pairing& other : pairs) {
      if (other.s > positive_pair.s) ++above;
      top = std::max(top, other.s / static_cast<Number>(problem_.tau));
      answer_.negative_similarity += other.s;
      answer_.uniformity += std::exp(-2 * other.unit_distance_squared);
    }
    negative_pairs_ += static_cast<int64_t>(pairs.size());
    answer_.top1 += above == 0 ? 1 : 0;
    answer_.topk += above < problem_.desc.top_k ? 1 : 0;
    answer_.positive_similarity += positive_pair.s;
    answer_.alignment += positive_pair.unit_distance_squared;
    Number sum = 0, mean = 0;
    for (const Pairing& other : pairs) {
      const Number e = std::exp(other.s / static_cast<Number>(problem_.tau) - top);
      sum += e;
      mean += e * other.s / static_cast<Number>(problem_.tau);
    }
    answer_.effective_negatives += std::exp(top + std::log(sum) - mean / sum);
  }

  const DenseCase& problem_;
  const int64_t dim_;
  const int64_t rows_;
  const bool tower_;
  std::vector<Number> query_squares_, key_squares_, negative_squares_;
  int64_t negative_pairs_ = 0;
  DenseAnswerOf<Number> answer_;
};

DenseAnswer widened(const DenseAnswerOf<double>& of) {
  const auto wide = [](const std::vector<double>& values) { return std::vector<Wide>(values.begin(), values.end()); };
  return {wide(of.losses),
          of.loss,
          wide(of.d_queries),
          wide(of.d_keys),
          wide(of.d_negatives),
          of.gradient_terms,
          of.d_temperature,
          of.d_temperature_terms,
          of.top1,
          of.topk,
          of.positive_similarity,
          of.negative_similarity,
          of.alignment,
          of.uniformity,
          of.effective_negatives};
}

/// Where long double is made of integers it takes minutes; double has 9 digits more than results of float keep.
bool double_will_do(const DenseCase& problem) {
  return std::numeric_limits<Wide>::digits > 64 && problem.desc.dtype != NCE_DTYPE_FLOAT64;
}

}  // namespace

int64_t DenseCase::rows() const { return tower() && desc.m != 0 ? 2 * desc.n : desc.n; }
bool DenseCase::tower() const { return desc.loss != NCE_LOSS_INFONCE; }

DenseAnswer dense_oracle(const DenseCase& problem) {
  return double_will_do(problem) ? widened(Oracle<double>(problem).run()) : Oracle<Wide>(problem).run();
}

}  // namespace nce::test
