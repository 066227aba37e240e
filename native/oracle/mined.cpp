// Triplets mined in the batch, by the definition: every anchor looks at every row, or at every pair of rows.

#include "oracle/rows.h"

namespace nce::oracle {
namespace {

/// Minus the distance, or one more than it.
nce_similarity similarity_for(const nce_plan_desc& desc) {
  switch (static_cast<nce_distance>(desc.distance)) {
    case NCE_DISTANCE_EUCLIDEAN:
      return NCE_SIMILARITY_NEG_EUCLIDEAN;
    case NCE_DISTANCE_SQUARED_EUCLIDEAN:
      return NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN;
    case NCE_DISTANCE_COSINE:
      return NCE_SIMILARITY_COSINE;
  }
  unknown("no such distance");
}

template <typename Number>
class Mined {
 public:
  Mined(const Problem& problem, int64_t samples)
      : problem_(problem),
        desc_(problem.desc),
        n_(problem.desc.n),
        dim_(problem.desc.dim),
        samples_(samples),
        x_(as<Number>(problem.queries)),
        similarities_(similarity_for(problem.desc), x_, x_, problem.desc.dim),
        by_distance_(static_cast<std::size_t>(n_ * n_), Number{0}) {}

  Answer run() {
    for (int64_t a = 0; a < n_; ++a) {
      loss_ = count_ = size_ = 0;
      if (label(a) >= 0) mine(a);
      const Number w = weight(a);
      answer_.losses.push_back(static_cast<double>(w * loss_));
      answer_.loss_sizes.push_back(static_cast<double>(w * size_));
      loss_sum_ += w * loss_;
      size_sum_ += w * size_;
      counted_ += w * count_;
    }
    reduce();
    answer_.d_queries = gradient();
    measure();
    return answer_;
  }

 private:
  int32_t label(int64_t row) const { return problem_.labels.data()[row]; }
  const Number* x(int64_t row) const { return x_.data() + row * dim_; }
  bool cosine() const { return desc_.distance == NCE_DISTANCE_COSINE; }
  Number distance(int64_t a, int64_t b) const { return (cosine() ? 1 : 0) - similarities_.s(a, b); }
  bool positive(int64_t a, int64_t p) const { return p != a && label(p) == label(a); }
  bool negative(int64_t a, int64_t n) const { return label(n) != label(a); }
  Number weight(int64_t a) const {
    return problem_.weights.empty() ? 1 : static_cast<Number>(problem_.weights.data()[a]);
  }

  /// Two numbers of sums of distances as large as `size` are compared.
  void compared(Number difference, Number size) {
    if (difference == 0) return;
    const Number relative = std::fabs(difference) / std::max<Number>(size, cosine() ? 1 : 0);
    answer_.nearest_choice = std::min(answer_.nearest_choice, static_cast<double>(relative));
  }
  void compared(int64_t a, int64_t i, int64_t j) {
    compared(distance(a, i) - distance(a, j), distance(a, i) + distance(a, j));
  }

  /// The candidate for which no other is nearer, or farther; the first of equals. -1: none.
  template <typename Candidate>
  int64_t extreme(int64_t a, bool nearest, const Candidate& candidate) {
    int64_t best = -1;
    for (int64_t i = 0; i < n_; ++i) {
      if (!candidate(i)) continue;
      if (best < 0 || (nearest ? distance(a, i) < distance(a, best) : distance(a, i) > distance(a, best))) best = i;
    }
    for (int64_t i = 0; i < n_; ++i) {
      if (candidate(i)) compared(a, i, best);
    }
    return best;
  }
  int64_t extreme_positive(int64_t a, bool nearest) {
    return extreme(a, nearest, [&](int64_t p) { return positive(a, p); });
  }
  int64_t extreme_negative(int64_t a, bool nearest) {
    return extreme(a, nearest, [&](int64_t n) { return negative(a, n); });
  }

  /// Whether the hinge is open, or there is none.
  bool add(int64_t a, int64_t p, int64_t n) {
    const Number gap = distance(a, p) - distance(a, n) + static_cast<Number>(desc_.margin);
    const Number size = distance(a, p) + distance(a, n) + static_cast<Number>(desc_.margin);
    const bool soft = desc_.soft_margin != 0;
    if (!soft) compared(gap, size);
    if (!soft && !(gap > 0)) return false;
    const Number value = soft ? softplus(gap) : gap;
    const Number slope = soft ? sigmoid(gap) : 1;
    loss_ += value;
    size_ += soft ? value + slope * size : size;
    by_distance_.data()[a * n_ + p] += slope;
    by_distance_.data()[a * n_ + n] -= slope;
    return true;
  }

  void add_one(int64_t a, int64_t p, int64_t n) {
    if (p < 0 || n < 0) return;
    add(a, p, n);
    count_ = 1;
  }

  void mine(int64_t a) {
    switch (static_cast<nce_mining>(desc_.mining)) {
      case NCE_MINING_BATCH_ALL:
        for (int64_t p = 0; p < n_; ++p) {
          if (!positive(a, p)) continue;
          for (int64_t n = 0; n < n_; ++n) {
            if (negative(a, n) && add(a, p, n)) count_ += 1;
          }
        }
        return;
      case NCE_MINING_BATCH_HARD:
        return add_one(a, extreme_positive(a, false), extreme_negative(a, true));
      case NCE_MINING_SEMI_HARD:
        for (int64_t p = 0; p < n_; ++p) {
          if (positive(a, p)) semi_hard(a, p);
        }
        return;
      case NCE_MINING_EASY_POSITIVE:
        return add_one(a, extreme_positive(a, true), extreme_negative(a, true));
      case NCE_MINING_BATCH_EASY:
        return add_one(a, extreme_positive(a, true), extreme_negative(a, false));
      case NCE_MINING_NONE:
        break;
    }
    unknown("no such mining");
  }

  void semi_hard(int64_t a, int64_t p) {
    for (int64_t n = 0; n < n_; ++n) {
      if (negative(a, n)) compared(a, p, n);
    }
    int64_t n = extreme(a, true, [&](int64_t i) { return negative(a, i) && distance(a, i) > distance(a, p); });
    if (n < 0) n = extreme_negative(a, false);
    if (n < 0) return;
    add(a, p, n);
    count_ += 1;
  }

  void reduce() {
    switch (static_cast<nce_reduction>(desc_.reduction)) {
      case NCE_REDUCTION_MEAN:
        share_ = counted_ > 0 ? 1 / counted_ : 0;
        break;
      case NCE_REDUCTION_SUM:
      case NCE_REDUCTION_NONE:
        share_ = 1;
        break;
    }
    answer_.loss = static_cast<double>(loss_sum_ * share_);
    answer_.loss_size = static_cast<double>(size_sum_ * share_);
  }

  /// d objective / d l_a.
  Number factor(int64_t a) const {
    const Number up = problem_.upstream.empty()
                          ? 1
                          : static_cast<Number>(problem_.upstream.data()[problem_.upstream.size() == 1 ? 0 : a]);
    return weight(a) * up * share_;
  }

  GradientRows gradient() const {
    GradientRows result;
    result.rows = sample_rows(n_, samples_);
    result.values.resize(result.rows.size() * static_cast<std::size_t>(dim_));
    std::vector<Number> terms;
    for (std::size_t k = 0; k < result.rows.size(); ++k) {
      const int64_t i = result.rows[k];
      GradientRow<Number> row(x(i), dim_);
      for (int64_t j = 0; j < n_; ++j) {
        // As an anchor, and as what anchor j meets. A similarity falls as its distance grows.
        const Number as_anchor = factor(i) * by_distance_.data()[i * n_ + j];
        const Number as_met = factor(j) * by_distance_.data()[j * n_ + i];
        if (as_anchor != 0) row.add(-as_anchor, similarities_.at(i, j), x(j));
        if (as_met != 0) row.add(-as_met, similarities_.at(i, j), x(j));
      }
      row.write(result.values.data() + static_cast<std::ptrdiff_t>(k) * dim_);
      terms.push_back(row.terms());
    }
    result.terms = norm(terms);
    return result;
  }

  void measure() {
    nce_metrics& metrics = answer_.metrics;
    metrics = {};
    metrics.struct_size = sizeof metrics;
    Number top1 = 0, topk = 0, positive_sum = 0, negative_sum = 0, alignment = 0, uniformity = 0;
    int64_t ranked = 0, positives = 0, negatives = 0;
    for (int64_t a = 0; a < n_; ++a) {
      metrics.zero_rows += std::all_of(x(a), x(a) + dim_, [](Number value) { return value == 0; }) ? 1 : 0;
      if (label(a) < 0) {
        ++metrics.rows_without_positives;
        ++metrics.rows_without_negatives;
        continue;
      }
      int64_t nearest = -1, above = 0, tied = 0, others = 0;
      for (int64_t p = 0; p < n_; ++p) {
        if (!positive(a, p)) continue;
        positive_sum -= distance(a, p);
        alignment += similarities_.unit_distance(a, p);
        ++positives;
        if (nearest < 0 || distance(a, p) < distance(a, nearest)) nearest = p;
      }
      for (int64_t n = 0; n < n_; ++n) {
        if (!negative(a, n)) continue;
        negative_sum -= distance(a, n);
        uniformity += std::exp(-2 * similarities_.unit_distance(a, n));
        ++others;
        if (nearest < 0) continue;
        compared(a, nearest, n);
        above += distance(a, n) < distance(a, nearest) ? 1 : 0;
        tied += distance(a, n) == distance(a, nearest) ? 1 : 0;
      }
      negatives += others;
      metrics.rows_without_positives += nearest < 0 ? 1 : 0;
      metrics.rows_without_negatives += others == 0 ? 1 : 0;
      if (nearest < 0 || others == 0) continue;
      ++ranked;
      const auto credit = [&](int64_t k) {
        return std::clamp<Number>(static_cast<Number>(k - above) / static_cast<Number>(1 + tied), 0, 1);
      };
      top1 += credit(1);
      topk += credit(desc_.top_k);
    }
    const auto mean = [](Number sum, int64_t count) {
      return count > 0 ? static_cast<double>(sum / static_cast<Number>(count)) : std::nan("");
    };
    metrics.rows = n_;
    metrics.top1_accuracy = mean(top1, ranked);
    metrics.topk_accuracy = mean(topk, ranked);
    metrics.positive_similarity = mean(positive_sum, positives);
    metrics.negative_similarity = mean(negative_sum, negatives);
    metrics.alignment = mean(alignment, positives);
    metrics.uniformity = std::log(mean(uniformity, negatives));
    metrics.effective_negatives = std::nan("");
  }

  const Problem& problem_;
  const nce_plan_desc& desc_;
  const int64_t n_, dim_, samples_;
  const std::vector<Number> x_;
  const SimilarityMatrix<Number> similarities_;
  std::vector<Number> by_distance_;  ///< [anchor][other row]: dl_a / d(distance)
  Answer answer_;
  Number loss_ = 0, count_ = 0, size_ = 0;  ///< of the anchor that is mined
  Number loss_sum_ = 0, size_sum_ = 0, counted_ = 0, share_ = 1;
};

}  // namespace

template <typename Number>
Answer mined_oracle(const Problem& problem, int64_t samples) {
  return Mined<Number>(problem, samples).run();
}

template Answer mined_oracle<double>(const Problem&, int64_t);
template Answer mined_oracle<long double>(const Problem&, int64_t);

}  // namespace nce::oracle
