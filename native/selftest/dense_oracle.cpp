// All pairs: statistics of the rows and columns of a matrix of similarities, then some rows of the gradients.

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "selftest/oracle.h"
#include "selftest/parallel.h"
#include "selftest/similarity_matrix.h"

namespace nce::selftest {
namespace {

double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double sigmoid(double x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

/// One loss: a row of the matrix, or a column, against its positive.
struct Anchor {
  double positive = 0;     ///< s+
  double top = 0;          ///< the largest s, positive included
  double all = 1;          ///< sum of exp((s - top) / tau), positive included
  double slope = 0;        ///< weight, share and upstream: d objective / d l
  double by_positive = 0;  ///< d objective / d s+
};

struct Sums {
  double loss = 0, temperature = 0, temperature_terms = 0, temperature_slopes = 0, similarity = 0, uniformity = 0,
         effective = 0;
  int64_t above = 0, count = 0;
};

class Oracle {
 public:
  Oracle(const Problem& problem, int64_t samples)
      : problem_(problem), desc_(problem.desc), dim_(problem.desc.dim), samples_(samples) {
    x_ = problem.queries;
    if (problem.tower()) x_.insert(x_.end(), problem.keys.begin(), problem.keys.end());
    y_ = problem.tower() ? &x_ : desc_.negatives == NCE_NEGATIVES_SHARED ? &problem.negatives : &problem.keys;
    nx_ = static_cast<int64_t>(x_.size()) / dim_;
    ny_ = static_cast<int64_t>(y_->size()) / dim_;
    half_ = problem.tower() ? nx_ / 2 : 0;
    logistic_ = desc_.loss == NCE_LOSS_NT_LOGISTIC;
    part_ = logistic_ && desc_.negative_reduction == NCE_REDUCTION_MEAN && nx_ > 2 ? 1.0 / static_cast<double>(nx_ - 2)
                                                                                   : 1.0;
    matrix_ = std::make_unique<SimilarityMatrix>(desc_.similarity, x_, *y_, dim_);
  }

  Answer run() {
    prepare(problem_, answer_);
    anchor_losses();
    gradients();
    return std::move(answer_);
  }

 private:
  const double* x(int64_t i) const { return x_.data() + i * dim_; }
  const double* y(int64_t j) const { return y_->data() + j * dim_; }
  bool shared() const { return desc_.negatives == NCE_NEGATIVES_SHARED; }
  bool two_sided() const { return problem_.tower() || desc_.symmetric != 0; }
  int64_t partner(int64_t i) const { return i < half_ ? i + half_ : i - half_; }
  const double* positive_row(int64_t i) const {
    return problem_.tower() ? x(partner(i)) : problem_.keys.data() + i * dim_;
  }
  bool excluded(int64_t i, int64_t j) const {
    if (shared()) return false;
    return i == j || (problem_.tower() && j == partner(i));
  }

  Similarity pair(const double* a, const double* b) const { return similarity_of_rows(desc_.similarity, a, b, dim_); }

  void anchor_losses() {
    const int64_t rows = problem_.rows();
    const std::vector<double> shares = loss_shares(problem_);
    const double half = desc_.symmetric != 0 ? 0.5 : 1.0;
    rows_.resize(static_cast<std::size_t>(rows));
    if (desc_.symmetric != 0) columns_.resize(rows_.size());
    std::vector<Sums> sums(rows_.size());
    std::vector<Sums> column_sums(columns_.size());
    parallel_for(rows, [&](int64_t i) {
      const auto k = static_cast<std::size_t>(i);
      const double weight = half * weight_of(problem_, i);
      const double factor = shares[k] * upstream_of(problem_, i);
      const double s = pair(x(i), positive_row(i)).s;
      rows_[k].positive = s;
      sums[k] = visit(
          ny_, [&](int64_t j) { return std::pair(!excluded(i, j), matrix_->s(i, j)); }, weight, factor, rows_[k]);
      add_distances(i, sums[k]);
      if (desc_.symmetric == 0) return;
      columns_[k].positive = s;
      column_sums[k] = visit(
          nx_, [&](int64_t j) { return std::pair(j != i, matrix_->s(j, i)); }, weight, factor, columns_[k]);
    });
    Sums total;
    nce_metrics& metrics = answer_.metrics;
    double top1 = 0, topk = 0, positive = 0, alignment = 0;
    for (std::size_t k = 0; k < rows_.size(); ++k) {
      for (const Sums* each : {&sums[k], columns_.empty() ? nullptr : &column_sums[k]}) {
        if (each == nullptr) continue;
        answer_.losses[k] += each->loss;
        total.temperature += each->temperature;
        total.temperature_terms += each->temperature_terms;
        total.temperature_slopes += each->temperature_slopes;
      }
      answer_.loss += answer_.losses[k] * shares[k];
      total.similarity += sums[k].similarity;
      total.uniformity += sums[k].uniformity;
      total.effective += sums[k].effective;
      total.count += sums[k].count;
      top1 += sums[k].above == 0 ? 1 : 0;
      topk += sums[k].above < desc_.top_k ? 1 : 0;
      positive += rows_[k].positive;
      alignment += unit_distance(x(static_cast<int64_t>(k)), positive_row(static_cast<int64_t>(k)));
    }
    answer_.d_temperature = total.temperature;
    answer_.d_temperature_terms = total.temperature_terms;
    answer_.d_temperature_slopes = total.temperature_slopes;
    const auto count = static_cast<double>(rows);
    const auto pairs = static_cast<double>(total.count);
    metrics.top1_accuracy = top1 / count;
    metrics.topk_accuracy = topk / count;
    metrics.positive_similarity = positive / count;
    metrics.alignment = alignment / count;
    if (total.count == 0) return;
    metrics.negative_similarity = total.similarity / pairs;
    metrics.uniformity = std::log(total.uniformity / pairs);
    if (!logistic_) metrics.effective_negatives = total.effective / count;
  }

  /// The loss of one anchor over its negatives; fills in what gradients need of it.
  template <typename Negatives>
  Sums visit(int64_t count, const Negatives& negatives, double weight, double factor, Anchor& anchor) const {
    const double tau = problem_.tau;
    Sums sums;
    anchor.slope = weight * factor;
    if (logistic_) {
      const double z = anchor.positive / tau;
      sums.loss = softplus(-z);
      sums.temperature = sigmoid(-z) * z / tau;
      sums.temperature_terms = std::fabs(sums.temperature);
      sums.temperature_slopes = sigmoid(-z) / (tau * tau);
      anchor.by_positive = -anchor.slope * sigmoid(-z) / tau;
      for (int64_t j = 0; j < count; ++j) {
        const auto [counts, s] = negatives(j);
        if (!counts) continue;
        add_negative(s, anchor, sums);
        const double term = part_ * sigmoid(s / tau) * s / (tau * tau);
        sums.loss += part_ * softplus(s / tau);
        sums.temperature -= term;
        sums.temperature_terms += std::fabs(term);
        sums.temperature_slopes += part_ * sigmoid(s / tau) / (tau * tau);
      }
    } else {
      double negative_top = -std::numeric_limits<double>::infinity();
      for (int64_t j = 0; j < count; ++j) {
        const auto [counts, s] = negatives(j);
        if (counts) negative_top = std::max(negative_top, s);
      }
      anchor.top = std::max(anchor.positive, negative_top);
      double sum = 0, weighted = 0, weighted_sizes = 0, near_sum = 0, near_weighted = 0;
      for (int64_t j = 0; j < count; ++j) {
        const auto [counts, s] = negatives(j);
        if (!counts) continue;
        add_negative(s, anchor, sums);
        const double e = std::exp((s - anchor.top) / tau);
        sum += e;
        weighted += e * (s - anchor.positive);
        weighted_sizes += e * std::fabs(s - anchor.positive);
        const double near = std::exp((s - negative_top) / tau);
        near_sum += near;
        near_weighted += near * (s - negative_top) / tau;
      }
      const bool above = anchor.top > anchor.positive;
      anchor.all = sum + std::exp((anchor.positive - anchor.top) / tau);
      sums.loss = above ? (anchor.top - anchor.positive) / tau + std::log(anchor.all) : std::log1p(sum);
      sums.temperature = -weighted / anchor.all / (tau * tau);
      sums.temperature_terms = weighted_sizes / anchor.all / (tau * tau);
      sums.temperature_slopes = sum / anchor.all / (tau * tau);
      sums.effective = near_sum > 0 ? std::exp(std::log(near_sum) - near_weighted / near_sum) : 0.0;
      anchor.by_positive = -anchor.slope * sum / anchor.all / tau;
    }
    const double by_temperature = problem_.temperature_form == NCE_TEMPERATURE_LOGARITHM ? tau : 1.0;
    sums.loss *= weight;
    sums.temperature *= anchor.slope * by_temperature;
    sums.temperature_terms *= std::fabs(anchor.slope) * by_temperature;
    sums.temperature_slopes *= std::fabs(anchor.slope) * by_temperature;
    return sums;
  }

  static void add_negative(double s, const Anchor& anchor, Sums& sums) {
    sums.above += s > anchor.positive ? 1 : 0;
    sums.similarity += s;
    ++sums.count;
  }

  double unit_distance(const double* a, const double* b) const {
    double dot = 0, aa = 0, bb = 0;
    for (int64_t d = 0; d < dim_; ++d) {
      dot += a[d] * b[d];
      aa += a[d] * a[d];
      bb += b[d] * b[d];
    }
    return (aa > 0 ? 1 : 0) + (bb > 0 ? 1 : 0) - (aa > 0 && bb > 0 ? 2 * dot / std::sqrt(aa * bb) : 0);
  }

  void add_distances(int64_t i, Sums& sums) const {
    for (int64_t j = 0; j < ny_; ++j) {
      if (!excluded(i, j)) sums.uniformity += std::exp(-2 * matrix_->unit_distance(i, j));
    }
  }

  /// d objective / d s_ij by one anchor.
  double by_negative(const Anchor& anchor, double s) const {
    const double tau = problem_.tau;
    const double e = logistic_ ? part_ * sigmoid(s / tau) : std::exp((s - anchor.top) / tau) / anchor.all;
    return anchor.slope * e / tau;
  }

  /// d objective / d s_ij, by row i and, where columns have losses, by column j.
  double slope(int64_t i, int64_t j, double s) const {
    double result = i < static_cast<int64_t>(rows_.size()) ? by_negative(rows_.data()[i], s) : 0.0;
    if (two_sided()) result += by_negative(problem_.tower() ? rows_.data()[j] : columns_.data()[j], s);
    return result;
  }

  double by_positive(int64_t i) const {
    double result = rows_.data()[i].by_positive;
    if (problem_.tower()) result += rows_.data()[partner(i)].by_positive;
    if (desc_.symmetric != 0) result += columns_.data()[i].by_positive;
    return result;
  }

  /// Adds g ds/da to a's gradient: `s` seen from a.
  void push(double g, const Similarity& s, const double* b, double* sum, double& own, double& terms) const {
    add_scaled(g * s.by_y, b, dim_, sum);
    own += g * s.by_x;
    terms += std::fabs(g) * s.size;
  }

  static Similarity turned(const Similarity& s) { return {s.s, s.by_y, s.other_x, s.by_x, s.other_size, s.size}; }

  template <typename Body>
  GradientRows gradient_of(int64_t rows, const Body& body) const {
    GradientRows result;
    result.rows = sample_rows(rows, samples_);
    const auto count = static_cast<int64_t>(result.rows.size());
    result.values.assign(static_cast<std::size_t>(count * dim_), 0.0);
    std::vector<double> terms(result.rows.size(), 0.0);
    parallel_for(count,
                 [&](int64_t k) { body(result.rows.data()[k], result.values.data() + k * dim_, terms.data()[k]); });
    for (const double each : terms) result.terms += each * each;
    result.terms = std::sqrt(result.terms);
    return result;
  }

  void gradients() {
    const auto queries = static_cast<int64_t>(problem_.queries.size()) / dim_;
    const auto keys = static_cast<int64_t>(problem_.keys.size()) / dim_;
    answer_.d_queries =
        gradient_of(queries, [&](int64_t i, double* out, double& terms) { row_gradient(i, out, terms); });
    if (problem_.tower()) {
      answer_.d_keys =
          gradient_of(keys, [&](int64_t i, double* out, double& terms) { row_gradient(i + queries, out, terms); });
    } else if (shared()) {
      answer_.d_keys = gradient_of(keys, [&](int64_t i, double* out, double& terms) {
        double own = 0;
        push(by_positive(i), turned(pair(x(i), positive_row(i))), x(i), out, own, terms);
        add_scaled(own, positive_row(i), dim_, out);
      });
      answer_.d_negatives =
          gradient_of(ny_, [&](int64_t j, double* out, double& terms) { column_gradient(j, out, terms); });
    } else {
      answer_.d_keys =
          gradient_of(keys, [&](int64_t j, double* out, double& terms) { column_gradient(j, out, terms); });
    }
  }

  void row_gradient(int64_t i, double* out, double& terms) const {
    double own = 0;
    for (int64_t j = 0; j < ny_; ++j) {
      if (excluded(i, j)) continue;
      const Similarity s = matrix_->at(i, j);
      push(slope(i, j, s.s), s, y(j), out, own, terms);
    }
    push(by_positive(i), pair(x(i), positive_row(i)), positive_row(i), out, own, terms);
    add_scaled(own, x(i), dim_, out);
  }

  void column_gradient(int64_t j, double* out, double& terms) const {
    double own = 0;
    for (int64_t i = 0; i < nx_; ++i) {
      if (excluded(i, j)) continue;
      const Similarity s = matrix_->at(i, j);
      push(slope(i, j, s.s), turned(s), x(i), out, own, terms);
    }
    if (!shared() && j < nx_) push(by_positive(j), turned(pair(x(j), y(j))), x(j), out, own, terms);
    add_scaled(own, y(j), dim_, out);
  }

  const Problem& problem_;
  const nce_plan_desc& desc_;
  const int64_t dim_;
  const int64_t samples_;
  std::vector<double> x_;
  const std::vector<double>* y_;
  int64_t nx_, ny_, half_;
  bool logistic_;
  double part_;
  std::unique_ptr<SimilarityMatrix> matrix_;
  std::vector<Anchor> rows_, columns_;
  Answer answer_;
};

}  // namespace

Answer dense_oracle(const Problem& problem, int64_t samples) { return Oracle(problem, samples).run(); }

}  // namespace nce::selftest
