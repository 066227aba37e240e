// Several positives by labels, from the definitions: every row looks at every other.

#include "oracle/parallel.h"
#include "oracle/rows.h"

namespace nce::oracle {
namespace {

/// ln of a sum of exponentials, added one by one.
template <typename Number>
struct LogSum {
  Number top = -std::numeric_limits<Number>::infinity();
  Number sum = 0;

  void add(Number z) {
    if (z > top) {
      sum = sum * std::exp(top - z) + 1;
      top = z;
    } else {
      sum += std::exp(z - top);
    }
  }
  Number value() const { return top + std::log(sum); }
};

/// A row's loss and its derivatives by its logits.
template <typename Number>
struct LabelledRow {
  int64_t positives = 0;
  int64_t negatives = 0;
  Number reference = 0;     ///< what logits are of similarities less it, so that they have digits wherever they are
  Number of_negatives = 0;  ///< ln of the sum over negatives
  Number of_positives = 0;
  Number mass = 0;    ///< of the negatives: the sum of dl/dz over them
  Number spread = 0;  ///< dl/dz of a positive is spread e^(z - of_positives) + constant
  Number constant = 0;
  RowLoss<Number> loss;
  Number slope = 0;  ///< d objective / dl

  Number by_negative(Number z) const { return slope * mass * std::exp(z - of_negatives); }
  Number by_positive(Number z) const { return slope * (spread * std::exp(z - of_positives) + constant); }
  /// Of what by_positive adds up.
  Number size_by_positive(Number z) const {
    return std::fabs(slope) * (std::fabs(spread) * std::exp(z - of_positives) + std::fabs(constant));
  }
};

template <typename Number>
class Labelled {
 public:
  Labelled(const Problem& problem, int64_t samples)
      : problem_(problem),
        desc_(problem.desc),
        shape_(problem.shape()),
        kind_(static_cast<nce_similarity>(desc_.similarity)),
        dim_(desc_.dim),
        samples_(samples),
        tau_(static_cast<Number>(problem.tau)),
        margin_(static_cast<Number>(desc_.margin)),
        x_(as<Number>(problem.queries)),
        keys_(as<Number>(problem.keys)) {
    if (shape_.tower) x_.insert(x_.end(), keys_.begin(), keys_.end());
    y_ = shape_.tower ? &x_ : &keys_;
    nx_ = static_cast<int64_t>(x_.size()) / dim_;
    ny_ = static_cast<int64_t>(y_->size()) / dim_;
    matrix_ = std::make_unique<SimilarityMatrix<Number>>(kind_, x_, *y_, dim_);
  }

  Answer run() {
    leave_out_rows_without_a_loss();
    Answer answer = answer_of(problem_, losses());
    const auto queries = static_cast<int64_t>(problem_.queries.size()) / dim_;
    answer.d_queries = gradient(queries, [&](int64_t i) { return row_gradient(i); });
    answer.d_keys =
        gradient(shape_.keys, [&](int64_t j) { return shape_.tower ? row_gradient(j + queries) : column_gradient(j); });
    return answer;
  }

 private:
  const Number* x(int64_t i) const { return x_.data() + i * dim_; }
  const Number* y(int64_t j) const { return y_->data() + j * dim_; }
  bool compared(int64_t i, int64_t j) const { return !shape_.tower || i != j; }
  bool alike(int64_t i, int64_t j) const {
    const int32_t label = problem_.labels.data()[i];
    return label >= 0 && label == (shape_.tower ? problem_.labels : problem_.key_labels).data()[j];
  }
  bool decoupled() const { return desc_.denominator == NCE_DENOMINATOR_NEGATIVES; }
  Number logit(int64_t i, int64_t j, Number reference) const {
    return ((matrix_->s(i, j) - reference) - (alike(i, j) ? margin_ : 0)) / tau_;
  }

  /// As if their weights were 0.
  void leave_out_rows_without_a_loss() {
    if (problem_.weights.empty()) problem_.weights.assign(static_cast<std::size_t>(shape_.rows), 1.0F);
    for (int64_t i = 0; i < shape_.rows; ++i) {
      int64_t positives = 0, negatives = 0;
      for (int64_t j = 0; j < ny_; ++j) {
        if (compared(i, j)) ++(alike(i, j) ? positives : negatives);
      }
      if (positives == 0 || (decoupled() && negatives == 0)) problem_.weights.data()[i] = 0;
    }
  }

  std::vector<RowSums<Number>> losses() {
    const Shares<Number> shares(problem_);
    rows_.resize(static_cast<std::size_t>(shape_.rows));
    std::vector<RowSums<Number>> sums(rows_.size());
    parallel_for(shape_.rows, [&](int64_t i) {
      const auto k = static_cast<std::size_t>(i);
      rows_[k] = row_of(i);
      const Number weight = shares.weight(i);
      rows_[k].slope = weight * shares.slope(i);
      sums[k].add_loss(problem_, rows_[k].loss, weight, shares.slope(i));
      if (desc_.metrics != 0) measure(i, sums[k]);
    });
    return sums;
  }

  LabelledRow<Number> row_of(int64_t i) const {
    LabelledRow<Number> row;
    LogSum<Number> of_negatives, of_positives;
    row.reference = -std::numeric_limits<Number>::infinity();
    for (int64_t j = 0; j < ny_; ++j) {
      if (compared(i, j)) row.reference = std::max(row.reference, matrix_->s(i, j));
    }
    Number positives = 0, largest = 0;
    for (int64_t j = 0; j < ny_; ++j) {
      if (!compared(i, j)) continue;
      const Number z = logit(i, j, row.reference);
      largest = std::max(largest, std::fabs(matrix_->s(i, j)));
      if (alike(i, j)) {
        ++row.positives;
        positives += z;
        of_positives.add(z);
      } else {
        ++row.negatives;
        of_negatives.add(z);
      }
    }
    if (row.positives == 0 || row.negatives == 0) return row;
    const auto count = static_cast<Number>(row.positives);
    row.of_negatives = of_negatives.value();
    row.of_positives = of_positives.value();
    const Number odds = row.of_negatives - row.of_positives;
    RowLoss<Number>& loss = row.loss;
    // The term that all have: ln D, less the logarithm of the sum over positives.
    loss.value = decoupled() ? odds : softplus(odds);
    // Sizes are of logits as they are.
    const auto as_given = [&](Number z) { return std::fabs(z + row.reference / tau_); };
    loss.size = decoupled() ? as_given(row.of_negatives) + as_given(row.of_positives) : loss.value;
    row.mass = decoupled() ? 1 : sigmoid(odds);
    row.spread = -row.mass;
    switch (static_cast<nce_aggregation>(desc_.aggregation)) {
      case NCE_AGGREGATION_OUTSIDE:
        if (row.positives == 1) break;  // where the two are one
        loss.value += row.of_positives - positives / count;
        loss.size += as_given(row.of_positives) + as_given(positives / count);
        row.spread = decoupled() ? 0 : sigmoid(-odds);
        row.constant = -1 / count;
        break;
      case NCE_AGGREGATION_INSIDE:
        loss.value += std::log(count);
        loss.size += std::log(count);
        break;
      case NCE_AGGREGATION_SUM:
        break;
    }
    // By differences of similarities from the positives' mean: all slopes add up to 0.
    const Number mean = positives / count * tau_;
    row.slope = 1;
    for (int64_t j = 0; j < ny_; ++j) {
      if (!compared(i, j)) continue;
      const Number z = logit(i, j, row.reference);
      const Number above = z * tau_ - mean;
      const Number slope = alike(i, j) ? row.by_positive(z) : row.by_negative(z);
      const Number size = alike(i, j) ? row.size_by_positive(z) : slope;
      loss.by_temperature -= slope * above / (tau_ * tau_);
      loss.by_temperature_terms += size * std::fabs(above) / (tau_ * tau_);
      loss.by_temperature_slopes += size / (tau_ * tau_);
    }
    loss.condition = std::max<Number>(1, 2 * largest / tau_);
    return row;
  }

  void measure(int64_t i, RowSums<Number>& sums) const {
    Number positives = 0;
    int64_t count = 0;
    for (int64_t j = 0; j < ny_; ++j) {
      if (!compared(i, j) || !alike(i, j)) continue;
      positives += matrix_->s(i, j);
      ++count;
    }
    if (count > 0) sums.add_positive(positives / static_cast<Number>(count), 0);
    sums.add_negatives(shape_, problem_.tau, kind_ == NCE_SIMILARITY_COSINE, [&](const auto& visit) {
      for (int64_t j = 0; j < ny_; ++j) {
        if (compared(i, j) && !alike(i, j)) visit(matrix_->s(i, j), matrix_->unit_distance(i, j));
      }
    });
    if (count == 0) sums.effective = 0;
  }

  /// d objective / d s_ij, and the size of what it is added up from.
  struct Slope {
    Number value = 0, size = 0;

    void add(const LabelledRow<Number>& row, Number z, bool positive) {
      // Rows without a loss have no sums, which would make their slopes no numbers.
      if (row.positives == 0 || row.negatives == 0) return;
      value += positive ? row.by_positive(z) : row.by_negative(z);
      size += positive ? row.size_by_positive(z) : std::fabs(row.by_negative(z));
    }
  };

  Slope slope(int64_t i, int64_t j) const {
    Slope result;
    const auto add = [&](const LabelledRow<Number>& row) { result.add(row, logit(i, j, row.reference), alike(i, j)); };
    add(rows_.data()[i]);
    if (shape_.tower) add(rows_.data()[j]);
    return {result.value / tau_, result.size / tau_};
  }

  GradientRow<Number> row_gradient(int64_t i) const {
    GradientRow<Number> row(x(i), dim_);
    for (int64_t j = 0; j < ny_; ++j) {
      if (!compared(i, j)) continue;
      const Slope by = slope(i, j);
      row.add(by.value, matrix_->at(i, j), y(j), by.size);
    }
    return row;
  }

  GradientRow<Number> column_gradient(int64_t j) const {
    GradientRow<Number> row(y(j), dim_);
    for (int64_t i = 0; i < nx_; ++i) {
      const Slope by = slope(i, j);
      row.add(by.value, matrix_->at(i, j).turned(), x(i), by.size);
    }
    return row;
  }

  template <typename Body>
  GradientRows gradient(int64_t rows, const Body& body) const {
    return gradient_rows<Number>(rows, samples_, dim_, body);
  }

  Problem problem_;
  const nce_plan_desc& desc_;
  const Shape shape_;
  const nce_similarity kind_;
  const int64_t dim_;
  const int64_t samples_;
  const Number tau_;
  const Number margin_;
  std::vector<Number> x_, keys_;
  const std::vector<Number>* y_;  ///< what rows of X are compared with
  int64_t nx_, ny_;
  std::unique_ptr<SimilarityMatrix<Number>> matrix_;
  std::vector<LabelledRow<Number>> rows_;
};

}  // namespace

template <typename Number>
Answer labelled_oracle(const Problem& problem, int64_t samples) {
  return Labelled<Number>(problem, samples).run();
}

template Answer labelled_oracle<double>(const Problem&, int64_t);
template Answer labelled_oracle<long double>(const Problem&, int64_t);

}  // namespace nce::oracle
