// Blocks and rows' own negatives, from their definitions: queries, keys and negatives are numbered as things of one
// list.

#include "oracle/parallel.h"
#include "oracle/rows.h"

namespace nce::oracle {
namespace {

template <typename Number>
class Blocks {
 public:
  Blocks(const Problem& problem, int64_t samples)
      : problem_(problem),
        desc_(problem.desc),
        shape_(problem.shape()),
        kind_(static_cast<nce_similarity>(desc_.similarity)),
        dim_(desc_.dim),
        samples_(samples),
        n_(desc_.n),
        m_(desc_.m),
        own_(desc_.own_negatives),
        shares_(problem),
        things_(as<Number>(problem.queries)),
        negatives_(as<Number>(problem.negatives)) {
    const std::vector<Number> keys = as<Number>(problem.keys);
    things_.insert(things_.end(), keys.begin(), keys.end());
    matrix_ = std::make_unique<SimilarityMatrix<Number>>(kind_, things_, things_, dim_);
    own_matrix_ = std::make_unique<SimilarityMatrix<Number>>(kind_, as<Number>(problem.queries), negatives_, dim_);
  }

  Answer run() {
    for (int64_t i = 0; i < n_; ++i) limits_.push_back(limit_of(positive_pair(i).similarity.s));
    Answer answer = answer_of(problem_, losses());
    answer.limit_gap = limit_gap();
    answer.d_queries = gradient_rows<Number>(n_, samples_, dim_, [&](int64_t i) { return gradient_of(i); });
    answer.d_keys = gradient_rows<Number>(m_, samples_, dim_, [&](int64_t j) { return gradient_of(n_ + j); });
    answer.d_negatives =
        gradient_rows<Number>(n_ * own_, samples_, dim_, [&](int64_t k) { return gradient_of_own(k); });
    return answer;
  }

 private:
  bool has(nce_block block) const { return (desc_.blocks & block) != 0; }
  int64_t own_thing(int64_t i, int64_t k) const { return n_ + m_ + i * own_ + k; }
  const Number* thing(int64_t u) const {
    return u < n_ + m_ ? things_.data() + u * dim_ : negatives_.data() + (u - n_ - m_) * dim_;
  }
  /// Of two queries or keys, or of a query and a negative.
  Similarity<Number> at(int64_t u, int64_t v) const {
    return v < n_ + m_ ? matrix_->at(u, v) : own_matrix_->at(u, v - n_ - m_);
  }
  Number similarity(int64_t u, int64_t v) const {
    return v < n_ + m_ ? matrix_->s(u, v) : own_matrix_->s(u, v - n_ - m_);
  }
  Number unit_distance(int64_t u, int64_t v) const {
    return v < n_ + m_ ? matrix_->unit_distance(u, v) : own_matrix_->unit_distance(u, v - n_ - m_);
  }
  int32_t group(int64_t u) const {
    if (desc_.groups == 0) return -1;
    return u < n_ ? problem_.groups.data()[u] : problem_.key_groups.data()[u - n_];
  }
  Number offset(int64_t v) const {
    return desc_.offsets == 0 || v < n_ || v >= n_ + m_ ? Number{0}
                                                        : static_cast<Number>(problem_.key_offsets.data()[v - n_]);
  }
  RowPair<Number> positive_pair(int64_t i) const { return pair_of(kind_, thing(i), thing(n_ + i), dim_); }

  Number limit_of(Number positive) const {
    const auto margin = static_cast<Number>(desc_.threshold_margin);
    switch (static_cast<nce_threshold>(desc_.threshold)) {
      case NCE_THRESHOLD_NONE:
        return std::numeric_limits<Number>::infinity();
      case NCE_THRESHOLD_ABSOLUTE:
        return positive - margin;
      case NCE_THRESHOLD_RELATIVE:
        return positive - std::abs(positive) * margin;
    }
    unknown("no such threshold");
  }

  /// Calls visit(u, v) for every pair of things that row i may have as a negative, whatever its limit.
  template <typename Visit>
  void candidates(int64_t i, const Visit& visit) const {
    const auto visit_apart = [&](int64_t u, int64_t v) {
      if (group(u) < 0 || group(u) != group(v)) visit(u, v);
    };
    for (int64_t j = 0; j < m_; ++j) {
      if (j == i) continue;
      visit_apart(i, n_ + j);
      if (j >= n_) continue;
      if (has(NCE_BLOCK_QUERY_QUERY)) visit_apart(i, j);
      if (has(NCE_BLOCK_KEY_QUERY)) visit_apart(j, n_ + i);
      if (has(NCE_BLOCK_KEY_KEY)) visit_apart(n_ + i, n_ + j);
    }
    for (int64_t k = 0; k < own_; ++k) visit(i, own_thing(i, k));
  }

  template <typename Visit>
  void negatives(int64_t i, const Visit& visit) const {
    candidates(i, [&](int64_t u, int64_t v) {
      if (!(similarity(u, v) > limits_.data()[i])) visit(u, v);
    });
  }

  double limit_gap() const {
    double gap = HUGE_VAL;
    for (int64_t i = 0; i < n_; ++i) {
      candidates(i, [&](int64_t u, int64_t v) {
        gap = std::min(gap, static_cast<double>(std::abs(similarity(u, v) - limits_.data()[i])));
      });
    }
    return gap;
  }

  std::vector<RowSums<Number>> losses() {
    rows_.resize(static_cast<std::size_t>(n_));
    slopes_.resize(rows_.size());
    std::vector<RowSums<Number>> sums(rows_.size());
    parallel_for(n_, [&](int64_t i) {
      const auto k = static_cast<std::size_t>(i);
      const RowPair<Number> positive = positive_pair(i);
      const Number s = positive.similarity.s;
      rows_[k] = RowLoss<Number>(
          desc_, problem_.tau, problem_.bias, &s,
          [&](const auto& visit) { negatives(i, [&](int64_t u, int64_t v) { visit(similarity(u, v), offset(v)); }); },
          static_cast<double>(offset(n_ + i)));
      slopes_[k] = shares_.weight(i) * shares_.slope(i);
      sums[k].add_loss(problem_, rows_[k], shares_.weight(i), shares_.slope(i));
      if (desc_.metrics == 0) return;
      const bool cosines = kind_ == NCE_SIMILARITY_COSINE;
      RowSums<Number> all;
      all.add_negatives(shape_, problem_.negative_tau(), cosines, [&](const auto& visit) {
        negatives(i, [&](int64_t u, int64_t v) { visit(similarity(u, v), Number{0}); });
      });
      sums[k].add_positive(s, positive.unit_distance);
      sums[k].add_negatives(shape_, problem_.negative_tau(), cosines, [&](const auto& visit) {
        negatives(i, [&](int64_t u, int64_t v) {
          if (u == i && v >= n_) visit(similarity(u, v), unit_distance(u, v));
        });
      });
      sums[k].effective = all.effective;
    });
    return sums;
  }

  Number by_negative(int64_t i, int64_t u, int64_t v) const {
    const Number s = similarity(u, v);
    return s > limits_.data()[i] ? 0 : slopes_.data()[i] * rows_.data()[i].by_negative(s, offset(u) + offset(v));
  }

  GradientRow<Number> gradient_of(int64_t u) const {
    const bool is_query = u < n_;
    const int64_t own = is_query ? u : u - n_;  // the row that the thing is the query or the key of
    GradientRow<Number> row(thing(u), dim_);
    for (int64_t v = 0; v < n_ + m_; ++v) {
      const int64_t other = v < n_ ? v : v - n_;
      if (own == other || (group(u) >= 0 && group(u) == group(v))) continue;
      Number slope = 0;
      if (is_query != (v < n_)) {
        const int64_t query = is_query ? own : other;
        const int64_t key = is_query ? other : own;
        slope = by_negative(query, u, v);
        if (has(NCE_BLOCK_KEY_QUERY) && key < n_) slope += by_negative(key, u, v);
      } else if (has(is_query ? NCE_BLOCK_QUERY_QUERY : NCE_BLOCK_KEY_KEY) && own < n_ && other < n_) {
        slope = by_negative(own, u, v) + by_negative(other, u, v);
      } else {
        continue;
      }
      row.add(slope, at(u, v), thing(v));
    }
    for (int64_t k = 0; is_query && k < own_; ++k) {
      const int64_t v = own_thing(u, k);
      row.add(by_negative(u, u, v), at(u, v), thing(v));
    }
    if (own < n_) {
      const Similarity<Number> s = positive_pair(own).similarity;
      const Number slope = slopes_.data()[own] * rows_.data()[own].by_positive;
      row.add(slope, is_query ? s : s.turned(), thing(is_query ? n_ + own : own));
    }
    return row;
  }

  GradientRow<Number> gradient_of_own(int64_t k) const {
    const int64_t query = k / own_;
    const int64_t u = n_ + m_ + k;
    GradientRow<Number> row(thing(u), dim_);
    row.add(by_negative(query, query, u), at(query, u).turned(), thing(query));
    return row;
  }

  const Problem& problem_;
  const nce_plan_desc& desc_;
  const Shape shape_;
  const nce_similarity kind_;
  const int64_t dim_;
  const int64_t samples_;
  const int64_t n_, m_;
  const int64_t own_;  ///< negatives that each row has for itself
  const Shares<Number> shares_;
  std::vector<Number> things_;  ///< queries, then keys
  std::vector<Number> negatives_;
  std::unique_ptr<SimilarityMatrix<Number>> matrix_, own_matrix_;
  std::vector<Number> limits_;
  std::vector<RowLoss<Number>> rows_;
  std::vector<Number> slopes_;  ///< d objective / d l
};

}  // namespace

template <typename Number>
Answer blocks_oracle(const Problem& problem, int64_t samples) {
  return Blocks<Number>(problem, samples).run();
}

template Answer blocks_oracle<double>(const Problem&, int64_t);
template Answer blocks_oracle<long double>(const Problem&, int64_t);

}  // namespace nce::oracle
