// All pairs: losses of the rows and columns of a matrix of similarities, then some rows of the gradients.

#include "oracle/parallel.h"
#include "oracle/rows.h"

namespace nce::oracle {
namespace {

/// The loss of a row of the matrix, or of a column, and d objective / d l.
template <typename Number>
struct Anchor {
  RowLoss<Number> loss;
  Number slope = 0;

  Number by_positive() const { return slope * loss.by_positive; }
  Number by_negative(Number s, Number offset) const { return slope * loss.by_negative(s, offset); }
};

template <typename Number>
class Dense {
 public:
  Dense(const Problem& problem, int64_t samples)
      : problem_(problem),
        desc_(problem.desc),
        shape_(problem.shape()),
        kind_(static_cast<nce_similarity>(desc_.similarity)),
        dim_(desc_.dim),
        samples_(samples),
        shares_(problem),
        x_(as<Number>(problem.queries)),
        keys_(as<Number>(problem.keys)),
        negatives_(as<Number>(problem.negatives)) {
    if (shape_.tower) x_.insert(x_.end(), keys_.begin(), keys_.end());
    y_ = shape_.tower ? &x_ : shape_.shared ? &negatives_ : &keys_;
    nx_ = static_cast<int64_t>(x_.size()) / dim_;
    ny_ = static_cast<int64_t>(y_->size()) / dim_;
    matrix_ = std::make_unique<SimilarityMatrix<Number>>(kind_, x_, *y_, dim_);
  }

  Answer run() {
    if (desc_.threshold != NCE_THRESHOLD_NONE) find_limits();
    Answer answer = answer_of(problem_, losses());
    answer.limit_gap = limit_gap_;
    const auto queries = static_cast<int64_t>(problem_.queries.size()) / dim_;
    answer.d_queries = gradient(queries, [&](int64_t i) { return row_gradient(i); });
    if (shape_.tower) {
      answer.d_keys = gradient(shape_.keys, [&](int64_t i) { return row_gradient(i + queries); });
    } else if (shape_.shared) {
      answer.d_keys = gradient(shape_.keys, [&](int64_t i) { return positive_gradient(i); });
      answer.d_negatives = gradient(ny_, [&](int64_t j) { return column_gradient(j); });
    } else {
      answer.d_keys = gradient(shape_.keys, [&](int64_t j) { return column_gradient(j); });
    }
    return answer;
  }

 private:
  const Number* x(int64_t i) const { return x_.data() + i * dim_; }
  const Number* y(int64_t j) const { return y_->data() + j * dim_; }
  bool symmetric() const { return desc_.symmetric != 0; }
  int64_t partner(int64_t i) const { return i < nx_ / 2 ? i + nx_ / 2 : i - nx_ / 2; }
  const Number* positive_row(int64_t i) const { return shape_.tower ? x(partner(i)) : keys_.data() + i * dim_; }
  RowPair<Number> positive_pair(int64_t i) const { return pair_of(kind_, x(i), positive_row(i), dim_); }
  bool same_group(int64_t i, int64_t j) const {
    if (desc_.groups == 0) return false;
    const int32_t group = problem_.groups.data()[i];
    return group >= 0 && group == (shape_.tower ? problem_.groups : problem_.key_groups).data()[j];
  }
  bool is_negative(int64_t i, int64_t j) const {
    if (same_group(i, j)) return false;
    return shape_.shared || (i != j && !(shape_.tower && j == partner(i)));
  }

  Number offset(int64_t j) const {
    return desc_.offsets == 0 ? Number{0} : static_cast<Number>(problem_.key_offsets.data()[j]);
  }

  /// What the row leaves out, its column may have, and the other way round.
  bool in_row(int64_t i, int64_t j) const { return is_negative(i, j) && up_to(i, i, j); }
  bool in_column(int64_t i, int64_t j) const { return is_negative(i, j) && up_to(j, i, j); }
  bool up_to(int64_t limit, int64_t i, int64_t j) const {
    return limits_.empty() || !(matrix_->s(i, j) > limits_.data()[limit]);
  }

  Number limit_of(Number positive) const {
    const auto margin = static_cast<Number>(desc_.threshold_margin);
    switch (static_cast<nce_threshold>(desc_.threshold)) {
      case NCE_THRESHOLD_NONE:
        break;
      case NCE_THRESHOLD_ABSOLUTE:
        return positive - margin;
      case NCE_THRESHOLD_RELATIVE:
        return positive - std::abs(positive) * margin;
    }
    unknown("no such threshold");
  }

  void find_limits() {
    for (int64_t i = 0; i < nx_; ++i) limits_.push_back(limit_of(positive_pair(i).similarity.s));
    for (int64_t i = 0; i < nx_; ++i) {
      for (int64_t j = 0; j < ny_; ++j) {
        if (!is_negative(i, j)) continue;
        const auto gap = [&](int64_t of) {
          return static_cast<double>(std::abs(matrix_->s(i, j) - limits_.data()[of]));
        };
        limit_gap_ = std::min(limit_gap_, gap(i));
        if (symmetric()) limit_gap_ = std::min(limit_gap_, gap(j));
      }
    }
  }

  std::vector<RowSums<Number>> losses() {
    const auto rows = static_cast<std::size_t>(shape_.rows);
    rows_.resize(rows);
    columns_.resize(symmetric() ? rows : 0);
    std::vector<RowSums<Number>> sums(rows);
    parallel_for(shape_.rows, [&](int64_t i) {
      const auto k = static_cast<std::size_t>(i);
      const Number weight = shares_.weight(i) * (symmetric() ? Number{0.5} : Number{1});
      const Number slope = shares_.slope(i);
      const RowPair<Number> positive = positive_pair(i);
      const Number s = positive.similarity.s;
      const auto negatives = [&](const auto& visit) {
        for (int64_t j = 0; j < ny_; ++j) {
          if (in_row(i, j)) visit(j);
        }
      };
      rows_[k] = {RowLoss<Number>(
                      desc_, problem_.tau, problem_.bias, &s,
                      [&](const auto& visit) { negatives([&](int64_t j) { visit(matrix_->s(i, j), offset(j)); }); },
                      static_cast<double>(offset(i))),
                  weight * slope};
      sums[k].add_loss(problem_, rows_[k].loss, weight, slope);
      if (symmetric()) {
        columns_[k] = {RowLoss<Number>(desc_, problem_.tau, problem_.bias, &s,
                                       [&](const auto& visit) {
                                         for (int64_t j = 0; j < nx_; ++j) {
                                           if (in_column(j, i)) visit(matrix_->s(j, i));
                                         }
                                       }),
                       weight * slope};
        sums[k].add_loss(problem_, columns_[k].loss, weight, slope);
      }
      if (desc_.metrics == 0) return;
      sums[k].add_positive(s, positive.unit_distance);
      sums[k].add_negatives(shape_, problem_.negative_tau(), kind_ == NCE_SIMILARITY_COSINE, [&](const auto& visit) {
        negatives([&](int64_t j) { visit(matrix_->s(i, j), matrix_->unit_distance(i, j)); });
      });
    });
    return sums;
  }

  /// d objective / d s_ij, by row i and, where columns have losses, by column j.
  Number slope(int64_t i, int64_t j, Number s) const {
    Number result = 0;
    if (up_to(i, i, j)) result += rows_.data()[i].by_negative(s, offset(j));
    if (shape_.tower && up_to(j, i, j)) result += rows_.data()[j].by_negative(s, 0);
    if (symmetric() && up_to(j, i, j)) result += columns_.data()[j].by_negative(s, 0);
    return result;
  }

  Number by_positive(int64_t i) const {
    Number result = rows_.data()[i].by_positive();
    if (shape_.tower) result += rows_.data()[partner(i)].by_positive();
    if (symmetric()) result += columns_.data()[i].by_positive();
    return result;
  }

  GradientRow<Number> row_gradient(int64_t i) const {
    GradientRow<Number> row(x(i), dim_);
    for (int64_t j = 0; j < ny_; ++j) {
      if (!is_negative(i, j)) continue;
      const Similarity<Number> s = matrix_->at(i, j);
      row.add(slope(i, j, s.s), s, y(j));
    }
    row.add(by_positive(i), positive_pair(i).similarity, positive_row(i));
    return row;
  }

  GradientRow<Number> column_gradient(int64_t j) const {
    GradientRow<Number> row(y(j), dim_);
    for (int64_t i = 0; i < nx_; ++i) {
      if (!is_negative(i, j)) continue;
      const Similarity<Number> s = matrix_->at(i, j);
      row.add(slope(i, j, s.s), s.turned(), x(i));
    }
    if (!shape_.shared && j < nx_) row.add(by_positive(j), positive_pair(j).similarity.turned(), x(j));
    return row;
  }

  /// Of a key that is a positive and nothing else.
  GradientRow<Number> positive_gradient(int64_t i) const {
    GradientRow<Number> row(positive_row(i), dim_);
    row.add(by_positive(i), positive_pair(i).similarity.turned(), x(i));
    return row;
  }

  template <typename Body>
  GradientRows gradient(int64_t rows, const Body& body) const {
    return gradient_rows<Number>(rows, samples_, dim_, body);
  }

  const Problem& problem_;
  const nce_plan_desc& desc_;
  const Shape shape_;
  const nce_similarity kind_;
  const int64_t dim_;
  const int64_t samples_;
  const Shares<Number> shares_;
  std::vector<Number> x_, keys_, negatives_;
  const std::vector<Number>* y_;  ///< what rows of X are compared with
  int64_t nx_, ny_;
  std::unique_ptr<SimilarityMatrix<Number>> matrix_;
  std::vector<Anchor<Number>> rows_, columns_;
  std::vector<Number> limits_;  ///< of rows and of columns; empty without a threshold
  double limit_gap_ = HUGE_VAL;
};

}  // namespace

template <typename Number>
Answer dense_oracle(const Problem& problem, int64_t samples) {
  return Dense<Number>(problem, samples).run();
}

template Answer dense_oracle<double>(const Problem&, int64_t);
template Answer dense_oracle<long double>(const Problem&, int64_t);

}  // namespace nce::oracle
