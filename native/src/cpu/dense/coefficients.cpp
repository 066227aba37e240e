#include "cpu/dense/coefficients.h"

#include <algorithm>
#include <limits>

namespace nce::cpu::dense {
namespace {

template <typename Real>
class CoefficientsOfRows {
 public:
  CoefficientsOfRows(const Call& call, const BackwardScratch<Real>& scratch, int64_t begin, int64_t end)
      : call_(call),
        problem_(call.problem),
        state_(call.state),
        scratch_(scratch),
        scaling_(call.scaling()),
        begin_(begin),
        end_(end) {}

  double run() {
    find_factors();
    find_largest();
    for_rows(call_.pool, begin_, end_, [&](int64_t i) {
      if (problem_.by_labels) return write_labelled(i);
      const double positive = write_row(i);
      scratch_.positive_coefficients[i] = problem_.symmetric ? positive + write_column(i) : positive;
    });
    if (!problem_.by_labels) finish_positives();
    if (end_ == problem_.x_rows) clear_padding();
    if (problem_.blocks.key_query) copy_to_columns();
    return largest_;
  }

 private:
  void find_factors() {
    for (int64_t i = begin_; i < end_; ++i) {
      const double factor = call_.reducer.factor(i, call_.weight_sum);
      scratch_.row_factors[i] = problem_.symmetric ? 0.5 * factor : factor;
    }
  }

  void find_largest() {
    if (problem_.by_labels) return find_largest_labelled();
    for_rows(call_.pool, begin_, end_, [&](int64_t i) {
      scratch_.row_masses[i] = masses(state_.row_lse, i);
      if (problem_.symmetric) scratch_.column_masses[i] = masses(state_.column_lse, i);
    });
    const loss::RowFunction function = problem_.row.function;
    for (int64_t i = begin_; i < end_; ++i) {
      const double factor = scratch_.row_factors[i];
      const loss::Masses& masses = scratch_.row_masses[i];
      const double sigmoid = loss::largest_sigmoid(state_.bias_slope, i, masses.positive);
      largest_ = std::max(largest_, loss::largest_slope(function, factor, masses, sigmoid));
      if (problem_.symmetric) {
        largest_ = std::max(largest_, loss::largest_slope(function, factor, scratch_.column_masses[i], 1.0));
      }
    }
  }

  void find_largest_labelled() {
    for_rows(call_.pool, begin_, end_, [&](int64_t i) {
      scratch_.labelled_masses[i] = loss::labelled_masses(problem_.row, state_.row_lse[i], state_.positive_lse[i],
                                                          state_.positive_count[i], scaling_.tau);
    });
    for (int64_t i = begin_; i < end_; ++i) {
      largest_ = std::max(largest_, loss::largest_slope(scratch_.row_factors[i], scratch_.labelled_masses[i]));
    }
  }

  void write_labelled(int64_t i) const {
    const loss::LabelledCoefficients coefficients =
        loss::labelled_coefficients(state_.row_lse[i], state_.positive_lse[i], state_.positive_count[i],
                                    scratch_.labelled_masses[i], scratch_.row_factors[i], largest_, scaling_);
    scratch_.x_coefficients[i] = coefficients.a;
    scratch_.x_references[i] = coefficients.reference;
    scratch_.positive_as[i] = coefficients.positive_a;
    scratch_.positive_references[i] = coefficients.positive_reference;
    scratch_.positive_constants[i] = coefficients.constant;
    scratch_.positive_coefficients[i] = 0.0;
  }

  loss::Masses masses(const loss::LogSum* lse, int64_t row) const {
    return loss::masses_of(problem_.row, lse[row], state_.positive[row], scaling_, call_.positive_offset(row));
  }

  /// Returns dl/dz+ of the row or column over the largest slope.
  double write_row(int64_t i) const {
    return write(state_.row_lse, scratch_.row_masses, i, scratch_.x_coefficients, scratch_.x_references);
  }
  double write_column(int64_t i) const {
    return write(state_.column_lse, scratch_.column_masses, i, scratch_.y_coefficients, scratch_.y_references);
  }

  double write(const loss::LogSum* lse, const loss::Masses* masses, int64_t i, double* a, double* references) const {
    const loss::Coefficients coefficients =
        loss::coefficients_of(problem_.row, lse[i], masses[i], scratch_.row_factors[i], largest_, scaling_);
    a[i] = coefficients.a;
    references[i] = coefficients.reference;
    return coefficients.positive;
  }

  /// Both views of a tower feel both of their losses; a distance's derivative divides by it.
  void finish_positives() {
    if (problem_.tower) {
      for (int64_t i = 0; i < problem_.x_rows / 2; ++i) {
        const int64_t other = problem_.other_view(i);
        const double sum = scratch_.positive_coefficients[i] + scratch_.positive_coefficients[other];
        scratch_.positive_coefficients[i] = scratch_.positive_coefficients[other] = sum;
      }
    }
    if (problem_.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN) {
      for (int64_t i = begin_; i < end_; ++i) {
        const double distance = -state_.positive[i];
        double& positive = scratch_.positive_coefficients[i];
        positive = distance == 0.0 ? 0.0 : positive / distance;
      }
    }
    for (int64_t i = begin_; i < end_; ++i) scratch_.positive_coefficients[i] *= largest_;
  }

  void clear_padding() const {
    const auto clear = [](double* numbers, int64_t rows) { std::fill(numbers + rows, numbers + padded(rows), 0.0); };
    for (double* numbers : {scratch_.x_coefficients, scratch_.x_references, scratch_.positive_coefficients}) {
      clear(numbers, problem_.x_rows);
    }
    if (problem_.by_labels) {
      for (double* numbers : {scratch_.positive_as, scratch_.positive_references, scratch_.positive_constants}) {
        clear(numbers, problem_.x_rows);
      }
    }
    if (!problem_.symmetric) return;
    for (double* numbers : {scratch_.y_coefficients, scratch_.y_references}) clear(numbers, problem_.y_rows);
  }

  /// Columns go by the coefficients of their rows. Others have none, and a reference against which nothing overflows.
  void copy_to_columns() const {
    const auto copy = [&](const double* from, double* to, double beyond) {
      std::fill(std::copy_n(from, problem_.x_rows, to), to + padded(problem_.y_rows), beyond);
    };
    copy(scratch_.x_coefficients, scratch_.y_coefficients, 0.0);
    copy(scratch_.x_references, scratch_.y_references, static_cast<double>(std::numeric_limits<Real>::max()));
  }

  const Call& call_;
  const Problem& problem_;
  const State& state_;
  const BackwardScratch<Real>& scratch_;
  const loss::Scaling scaling_;
  const int64_t begin_;
  const int64_t end_;
  double largest_ = 0.0;
};

}  // namespace

template <typename Real>
double find_coefficients(const Call& call, const BackwardScratch<Real>& scratch, int64_t begin, int64_t end) {
  return CoefficientsOfRows<Real>(call, scratch, begin, end).run();
}

namespace {

template <typename Real>
void write_temperature_gradient(const Call& call, const BackwardScratch<Real>& scratch) {
  if (call.out.d_temperature == nullptr) return;
  double sum = 0.0;
  for (int64_t i = 0; i < call.problem.x_rows; ++i) {
    double slope = call.state.row_slope[i];
    if (call.problem.symmetric) slope += call.state.column_slope[i];
    sum += scratch.row_factors[i] * slope;
  }
  put_number(*call.out.d_temperature, sum * call.temperature.gradient_factor, call.out.accumulate != 0);
}

template <typename Real>
void write_bias_gradient(const Call& call, const BackwardScratch<Real>& scratch) {
  if (call.out.d_bias == nullptr) return;
  const bool add = call.out.accumulate != 0;
  if (call.state.bias_slope == nullptr && add) return;
  double sum = 0.0;
  for (int64_t i = 0; call.state.bias_slope != nullptr && i < call.problem.x_rows; ++i) {
    sum += scratch.row_factors[i] * call.state.bias_slope[i];
  }
  put_number(*call.out.d_bias, sum, add);
}

}  // namespace

template <typename Real>
void write_number_gradients(const Call& call, const BackwardScratch<Real>& scratch) {
  write_temperature_gradient(call, scratch);
  write_bias_gradient(call, scratch);
}

template double find_coefficients<float>(const Call&, const BackwardScratch<float>&, int64_t, int64_t);
template double find_coefficients<double>(const Call&, const BackwardScratch<double>&, int64_t, int64_t);
template void write_number_gradients<float>(const Call&, const BackwardScratch<float>&);
template void write_number_gradients<double>(const Call&, const BackwardScratch<double>&);

}  // namespace nce::cpu::dense
