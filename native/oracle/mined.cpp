// Triplets mined in the batch, and pairs that are weighed, by the definition: every anchor looks at every row, or at
// every pair of rows.

#include "oracle/rows.h"

namespace nce::oracle {
namespace {

/// Minus the distance, or one less it.
nce_similarity similarity_for(const nce_plan_desc& desc) {
  if (shape_of(desc).weighed) return static_cast<nce_similarity>(desc.similarity);
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
        weighed_(problem.shape().weighed),
        similarities_(similarity_for(problem.desc), x_, x_, problem.desc.dim),
        by_distance_(static_cast<std::size_t>(n_ * n_), Number{0}),
        slope_sizes_(weighed_ ? by_distance_.size() : 0, Number{0}) {}

  Answer run() {
    for (int64_t a = 0; a < n_; ++a) {
      loss_ = count_ = size_ = 0;
      if (weighed_) {
        weigh(a);
      } else if (label(a) >= 0) {
        mine(a);
      }
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
  bool cosine() const { return similarity_for(desc_) == NCE_SIMILARITY_COSINE; }
  Number distance(int64_t a, int64_t b) const { return (cosine() ? 1 : 0) - similarities_.s(a, b); }
  bool positive(int64_t a, int64_t p) const { return p != a && label(p) == label(a); }
  bool negative(int64_t a, int64_t n) const { return label(n) != label(a); }
  /// What metrics are means of: a similarity, or of losses of distances minus one of these.
  Number measured(int64_t a, int64_t b) const { return weighed_ ? similarities_.s(a, b) : -distance(a, b); }
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

  /// z of a pair, dz/ds, what dz/ds is added up from, and the size of the similarity's part of z.
  struct Weighed {
    int64_t row;
    Number z, slope, slope_size, size;
  };

  Weighed weighed_pair(int64_t a, int64_t b, bool is_positive) {
    const Number s = similarities_.s(a, b);
    const Number roundings = std::max<Number>(distance(a, b), cosine() ? 1 : 0);
    const auto scale =
        static_cast<Number>(is_positive || desc_.loss == NCE_LOSS_CIRCLE ? desc_.positive_scale : desc_.negative_scale);
    if (desc_.loss == NCE_LOSS_MULTI_SIMILARITY) {
      const Number slope = is_positive ? -scale : scale;
      const Number z = slope * (s - static_cast<Number>(desc_.base));
      return {b, z, slope, scale, scale * roundings + std::fabs(z)};
    }
    const auto m = static_cast<Number>(desc_.margin);
    // The first factor and its derivative, and the second and its.
    const Number first = std::max<Number>(0, is_positive ? 1 + m - s : s + m);
    const Number of_first = first > 0 ? (is_positive ? -1 : 1) : 0;
    const Number second = is_positive ? s - 1 + m : s - m;
    const Number sign = is_positive ? -scale : scale;
    if (!is_positive && m > 0) {
      answer_.limit_gap = std::min(answer_.limit_gap, static_cast<double>(std::fabs(s + m) / (roundings + m)));
    }
    const Number slope = sign * (of_first * second + first);
    const Number slope_size = first > 0 ? 2 * scale * (1 + std::fabs(s)) : 0;
    return {b, sign * first * second, slope, slope_size, slope_size * (roundings + 1)};
  }

  /// ln of the sum of e^z over pairs, and what each is of the sum.
  static Number log_sum(const std::vector<Weighed>& pairs) {
    Number top = -std::numeric_limits<Number>::infinity(), sum = 0;
    for (const Weighed& pair : pairs) top = std::max(top, pair.z);
    for (const Weighed& pair : pairs) sum += std::exp(pair.z - top);
    return top + std::log(sum);
  }

  /// The pairs' part of the loss has the slope `by_sum` by the logarithm of their sum.
  void add_weighed(int64_t a, const std::vector<Weighed>& pairs, Number log, Number by_sum) {
    // Errors of a sum are means of those of exponents, and a slope has those of its own exponent beside them.
    Number of_sum = 0, slopes = 0, of_slopes = 0;
    for (const Weighed& pair : pairs) {
      const Number share = std::exp(pair.z - log);
      by_distance_.data()[a * n_ + pair.row] = -by_sum * share * pair.slope;
      slope_sizes_.data()[a * n_ + pair.row] = by_sum * share * pair.slope_size;
      of_sum += share * pair.size;
      slopes += share * pair.slope_size;
      of_slopes += share * pair.slope_size * pair.size;
    }
    if (slopes > 0) of_sum += of_slopes / slopes;
    answer_.condition = std::max(answer_.condition, static_cast<double>(1 + of_sum));
  }

  void weigh(int64_t a) {
    std::vector<Weighed> positives, negatives;
    for (int64_t b = 0; b < n_ && label(a) >= 0; ++b) {
      if (positive(a, b)) positives.push_back(weighed_pair(a, b, true));
      if (negative(a, b)) negatives.push_back(weighed_pair(a, b, false));
    }
    const Number of_positives = log_sum(positives), of_negatives = log_sum(negatives);
    if (desc_.loss == NCE_LOSS_CIRCLE) {
      if (positives.empty() || negatives.empty()) return;
      const Number gap = of_negatives + of_positives;
      loss_ = size_ = softplus(gap);
      count_ = 1;
      add_weighed(a, positives, of_positives, sigmoid(gap));
      add_weighed(a, negatives, of_negatives, sigmoid(gap));
      return;
    }
    count_ = 1;
    const auto add_kind = [&](const std::vector<Weighed>& pairs, Number log, double scale) {
      if (pairs.empty()) return;
      loss_ += softplus(log) / static_cast<Number>(scale);
      add_weighed(a, pairs, log, sigmoid(log) / static_cast<Number>(scale));
    };
    add_kind(positives, of_positives, desc_.positive_scale);
    add_kind(negatives, of_negatives, desc_.negative_scale);
    size_ = loss_;
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

  /// What the slope of an anchor's pair is added up from.
  Number slope_size(int64_t a, int64_t b, Number slope) const {
    return weighed_ ? std::fabs(factor(a)) * slope_sizes_.data()[a * n_ + b] : std::fabs(slope);
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
        if (as_anchor != 0) row.add(-as_anchor, similarities_.at(i, j), x(j), slope_size(i, j, as_anchor));
        if (as_met != 0) row.add(-as_met, similarities_.at(i, j), x(j), slope_size(j, i, as_met));
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
        positive_sum += measured(a, p);
        alignment += similarities_.unit_distance(a, p);
        ++positives;
        if (nearest < 0 || distance(a, p) < distance(a, nearest)) nearest = p;
      }
      for (int64_t n = 0; n < n_; ++n) {
        if (!negative(a, n)) continue;
        negative_sum += measured(a, n);
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
  const bool weighed_;
  const SimilarityMatrix<Number> similarities_;
  std::vector<Number> by_distance_;  ///< [anchor][other row]: dl_a / d(distance)
  std::vector<Number> slope_sizes_;  ///< likewise: what it is added up from, where pairs are weighed
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
