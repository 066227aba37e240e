#include "dense_oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nce::test {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

/// Rows with places for their gradients.
struct Row {
  const double* x;
  Wide* dx;
};

struct Pairing {
  Wide s;
  Wide unit_distance_squared;
};

class Oracle {
 public:
  explicit Oracle(const DenseCase& problem)
      : problem_(problem), dim_(problem.desc.dim), rows_(problem.rows()), tower_(problem.tower()) {
    answer_.d_queries.assign(problem.queries.size(), 0);
    answer_.d_keys.assign(problem.keys.size(), 0);
    answer_.d_negatives.assign(problem.negatives.size(), 0);
    answer_.losses.assign(at(rows_), 0);
  }

  DenseAnswer run() {
    Wide weight_sum = 0;
    for (int64_t i = 0; i < rows_; ++i) weight_sum += weight(i);
    const bool mean = problem_.desc.reduction == NCE_REDUCTION_MEAN;
    const Wide scale = mean ? (weight_sum > 0 ? 1 / weight_sum : 0) : 1;
    for (int64_t i = 0; i < rows_; ++i) {
      const Wide half = problem_.desc.symmetric != 0 ? 0.5L : 1.0L;
      row(i, false, half * weight(i), scale * upstream(i), true);
      if (problem_.desc.symmetric != 0) row(i, true, half * weight(i), scale * upstream(i), false);
    }
    for (const Wide loss : answer_.losses) answer_.loss += loss * scale;
    const Wide count = static_cast<Wide>(rows_);
    answer_.top1 /= count;
    answer_.topk /= count;
    answer_.positive_similarity /= count;
    answer_.alignment /= count;
    answer_.effective_negatives /= count;
    const Wide pairs = static_cast<Wide>(negative_pairs_);
    answer_.negative_similarity /= pairs;
    answer_.uniformity = std::log(answer_.uniformity / pairs);
    return std::move(answer_);
  }

 private:
  Wide weight(int64_t i) const { return problem_.weights.empty() ? 1 : static_cast<Wide>(problem_.weights[at(i)]); }
  Wide upstream(int64_t i) const {
    if (problem_.upstream.empty()) return 1;
    return static_cast<Wide>(problem_.upstream.size() == 1 ? problem_.upstream[0] : problem_.upstream[at(i)]);
  }

  Row query(int64_t i) { return of(problem_.queries, answer_.d_queries, i); }
  Row key(int64_t i) { return of(problem_.keys, answer_.d_keys, i); }
  Row of(const std::vector<double>& values, std::vector<Wide>& gradients, int64_t i) const {
    return {values.data() + i * dim_, gradients.data() + i * dim_};
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
        result.push_back(of(problem_.negatives, answer_.d_negatives, j));
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
    Wide dot = 0, aa = 0, bb = 0, difference = 0;
    for (int64_t d = 0; d < dim_; ++d) {
      const Wide x = static_cast<Wide>(a.x[d]);
      const Wide y = static_cast<Wide>(b.x[d]);
      dot += x * y;
      aa += x * x;
      bb += y * y;
      difference += (x - y) * (x - y);
    }
    const Wide cosine = aa > 0 && bb > 0 ? dot / std::sqrt(aa) / std::sqrt(bb) : 0;
    const Wide unit = (aa > 0 ? 1 : 0) + (bb > 0 ? 1 : 0) - 2 * cosine;
    switch (problem_.desc.similarity) {
      case NCE_SIMILARITY_COSINE:
        return {cosine, unit};
      case NCE_SIMILARITY_DOT:
        return {dot, unit};
      case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
        return {-difference, unit};
      default:
        return {-std::sqrt(difference), unit};
    }
  }

  /// Adds g ds(a, b) to both rows' gradients.
  void push(const Row& a, const Row& b, Wide g) {
    Wide dot = 0, aa = 0, bb = 0, difference = 0;
    for (int64_t d = 0; d < dim_; ++d) {
      const Wide x = static_cast<Wide>(a.x[d]);
      const Wide y = static_cast<Wide>(b.x[d]);
      dot += x * y;
      aa += x * x;
      bb += y * y;
      difference += (x - y) * (x - y);
    }
    const bool unit = problem_.desc.similarity == NCE_SIMILARITY_COSINE;
    const Wide size = std::sqrt(aa) + std::sqrt(bb);
    if (aa > 0 && bb > 0) answer_.gradient_terms += std::fabs(g) * (unit ? size / std::sqrt(aa * bb) : size);
    for (int64_t d = 0; d < dim_; ++d) {
      const Wide x = static_cast<Wide>(a.x[d]);
      const Wide y = static_cast<Wide>(b.x[d]);
      Wide by_x = 0;
      Wide by_y = 0;
      switch (problem_.desc.similarity) {
        case NCE_SIMILARITY_COSINE:
          if (aa > 0 && bb > 0) {
            const Wide norms = std::sqrt(aa) * std::sqrt(bb);
            by_x = (y - dot / aa * x) / norms;
            by_y = (x - dot / bb * y) / norms;
          }
          break;
        case NCE_SIMILARITY_DOT:
          by_x = y;
          by_y = x;
          break;
        case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
          by_x = -2 * (x - y);
          by_y = -by_x;
          break;
        default:
          by_x = difference > 0 ? -(x - y) / std::sqrt(difference) : 0;
          by_y = -by_x;
          break;
      }
      a.dx[d] += g * by_x;
      b.dx[d] += g * by_y;
    }
  }

  /// One row's loss; `share` multiplies the loss, `factor` only its gradient.
  void row(int64_t i, bool column, Wide share, Wide factor, bool metrics) {
    const Wide tau = problem_.tau;
    const Row a = anchor(i, column);
    const Row p = positive(i, column);
    const std::vector<Row> others = negatives(i, column);
    const Pairing positive_pair = pair(a, p);
    std::vector<Pairing> pairs;
    for (const Row& other : others) pairs.push_back(pair(a, other));
    const Wide u = share * factor;
    if (problem_.desc.loss == NCE_LOSS_NT_LOGISTIC) {
      logistic(i, a, p, others, positive_pair, pairs, share, u);
    } else {
      Wide top = 0;
      for (const Pairing& other : pairs) top = std::max(top, (other.s - positive_pair.s) / tau);
      Wide sum = 0;
      for (const Pairing& other : pairs) sum += std::exp((other.s - positive_pair.s) / tau - top);
      const Wide all = sum + std::exp(-top);
      answer_.losses[at(i)] += share * (top > 0 ? top + std::log(all) : std::log1p(sum));
      for (size_t j = 0; j < pairs.size(); ++j) {
        const Wide g = u * std::exp((pairs[j].s - positive_pair.s) / tau - top) / all;
        push(a, others[j], g / tau);
        temperature(-g * (pairs[j].s - positive_pair.s) / (tau * tau));
      }
      push(a, p, -u * sum / all / tau);
    }
    if (metrics) add_metrics(positive_pair, pairs);
  }

  void logistic(int64_t i, const Row& a, const Row& p, const std::vector<Row>& others, const Pairing& positive_pair,
                const std::vector<Pairing>& pairs, Wide share, Wide u) {
    const Wide tau = problem_.tau;
    const bool mean = problem_.desc.negative_reduction == NCE_REDUCTION_MEAN;
    const Wide part = mean && !pairs.empty() ? 1 / static_cast<Wide>(pairs.size()) : 1;
    const Wide z = positive_pair.s / tau;
    answer_.losses[at(i)] += share * softplus(-z);
    push(a, p, -u * sigmoid(-z) / tau);
    temperature(u * sigmoid(-z) * z / tau);
    for (size_t j = 0; j < pairs.size(); ++j) {
      const Wide y = pairs[j].s / tau;
      answer_.losses[at(i)] += share * part * softplus(y);
      push(a, others[j], u * part * sigmoid(y) / tau);
      temperature(-u * part * sigmoid(y) * y / tau);
    }
  }

  static Wide softplus(Wide x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
  static Wide sigmoid(Wide x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

  void temperature(Wide term) {
    answer_.d_temperature += term;
    answer_.d_temperature_terms += std::fabs(term);
  }

  void add_metrics(const Pairing& positive_pair, const std::vector<Pairing>& pairs) {
    int64_t above = 0;
    Wide top = -std::numeric_limits<Wide>::infinity();
    for (const Pairing& other : pairs) {
      if (other.s > positive_pair.s) ++above;
      top = std::max(top, other.s / problem_.tau);
      answer_.negative_similarity += other.s;
      answer_.uniformity += std::exp(-2 * other.unit_distance_squared);
    }
    negative_pairs_ += static_cast<int64_t>(pairs.size());
    answer_.top1 += above == 0 ? 1 : 0;
    answer_.topk += above < problem_.desc.top_k ? 1 : 0;
    answer_.positive_similarity += positive_pair.s;
    answer_.alignment += positive_pair.unit_distance_squared;
    Wide sum = 0, mean = 0;
    for (const Pairing& other : pairs) {
      const Wide e = std::exp(other.s / problem_.tau - top);
      sum += e;
      mean += e * other.s / problem_.tau;
    }
    answer_.effective_negatives += std::exp(top + std::log(sum) - mean / sum);
  }

  const DenseCase& problem_;
  const int64_t dim_;
  const int64_t rows_;
  const bool tower_;
  int64_t negative_pairs_ = 0;
  DenseAnswer answer_;
};

}  // namespace

int64_t DenseCase::rows() const { return tower() && desc.m != 0 ? 2 * desc.n : desc.n; }
bool DenseCase::tower() const { return desc.loss != NCE_LOSS_INFONCE; }

DenseAnswer dense_oracle(const DenseCase& problem) { return Oracle(problem).run(); }

}  // namespace nce::test
