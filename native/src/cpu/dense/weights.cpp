#include "cpu/dense/weights.h"

#include <cmath>

#include "loss/logistic.h"
#include "loss/softmax_row.h"

namespace nce::cpu::dense {
namespace {

template <typename Real>
class Weights {
 public:
  Weights(const Call& call, const BackwardScratch<Real>& scratch, int64_t begin, int64_t end)
      : call_(call), problem_(call.problem), state_(call.state), scratch_(scratch), begin_(begin), end_(end) {}

  double run() {
    find_factors();
    if (problem_.logistic) {
      weigh_logistic();
    } else {
      weigh_softmax();
    }
    finish_weights();
    return largest_;
  }

 private:
  void find_factors() {
    for (int64_t i = begin_; i < end_; ++i) {
      const double factor =
          row_factor(call_.in, static_cast<nce_reduction>(problem_.desc.reduction), call_.weight_sum, i);
      scratch_.row_factors[i] = problem_.symmetric ? 0.5 * factor : factor;
    }
  }

  /// e^z of row i is to be multiplied by weight = u_i e^-lse_i. All weights are divided by the largest |dl/dz+|, so
  /// that gradients as small as 1e-50 pass through fp32; sums in double are multiplied by it.
  void weigh_softmax() {
    for_rows(call_.pool, begin_, end_, [&](int64_t i) {
      scratch_.row_masses[i] = mass(state_.row_value, i);
      if (problem_.symmetric) scratch_.column_masses[i] = mass(state_.column_value, i);
    });
    for (int64_t i = begin_; i < end_; ++i) {
      const double factor = std::fabs(scratch_.row_factors[i]);
      largest_ = std::max(largest_, factor * scratch_.row_masses[i]);
      if (problem_.symmetric) largest_ = std::max(largest_, factor * scratch_.column_masses[i]);
    }
    for_rows(call_.pool, begin_, end_, [&](int64_t i) {
      double positive =
          weigh_row(state_.row_value, scratch_.row_masses[i], i, scratch_.x_weights, scratch_.x_references);
      if (problem_.symmetric) {
        positive +=
            weigh_row(state_.column_value, scratch_.column_masses[i], i, scratch_.y_weights, scratch_.y_references);
      }
      scratch_.positive_weights[i] = -positive;
    });
  }

  double mass(const double* log_negatives, int64_t row) const {
    return loss::softmax_row_negative_mass(log_negatives[row], state_.positive[row] / call_.tau);
  }

  /// Returns -dl/dz+ of the row, scaled.
  double weigh_row(const double* log_negatives, double mass, int64_t row, double* weights, double* references) const {
    weights[row] = references[row] = 0.0;
    if (largest_ == 0.0 || std::isinf(log_negatives[row])) return 0.0;
    const double slope = scratch_.row_factors[row] * mass / largest_;
    // The reference is the number that the tiles subtract, hence rounded as they see it.
    if (call_.form == Form::kOnline) {
      references[row] = static_cast<double>(static_cast<Real>(call_.tau * log_negatives[row]));
    }
    weights[row] = slope * std::exp(references[row] / call_.tau - log_negatives[row]);
    return slope;
  }

  void weigh_logistic() {
    for (int64_t i = begin_; i < end_; ++i) largest_ = std::max(largest_, std::fabs(scratch_.row_factors[i]));
    for_rows(call_.pool, begin_, end_, [&](int64_t i) {
      const double factor = largest_ == 0.0 ? 0.0 : scratch_.row_factors[i] / largest_;
      scratch_.x_weights[i] = factor * problem_.negative_factor;
      scratch_.positive_weights[i] = factor * loss::logistic_positive_slope(state_.positive[i] / call_.tau);
    });
  }

  /// Both rows of a tower's pair feel both of their losses; a distance's derivative divides by it.
  void finish_weights() {
    if (problem_.tower) {
      for (int64_t i = 0; i < problem_.x_rows / 2; ++i) {
        const int64_t other = problem_.other_view(i);
        const double sum = scratch_.positive_weights[i] + scratch_.positive_weights[other];
        scratch_.positive_weights[i] = scratch_.positive_weights[other] = sum;
      }
    }
    if (problem_.desc.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN) {
      for (int64_t i = begin_; i < end_; ++i) {
        const double distance = -state_.positive[i];
        scratch_.positive_weights[i] = distance == 0.0 ? 0.0 : scratch_.positive_weights[i] / distance;
      }
    }
    for (int64_t i = begin_; i < end_; ++i) scratch_.positive_weights[i] *= largest_;
    if (end_ < problem_.x_rows) return;
    clear_padding(scratch_.x_weights, problem_.x_rows);
    clear_padding(scratch_.x_references, problem_.x_rows);
    clear_padding(scratch_.positive_weights, problem_.x_rows);
    if (!problem_.symmetric) return;
    clear_padding(scratch_.y_weights, problem_.y_rows);
    clear_padding(scratch_.y_references, problem_.y_rows);
  }

  static void clear_padding(double* numbers, int64_t rows) {
    for (int64_t i = rows; i < padded(rows); ++i) numbers[i] = 0.0;
  }

  const Call& call_;
  const Problem& problem_;
  const State& state_;
  const BackwardScratch<Real>& scratch_;
  const int64_t begin_;
  const int64_t end_;
  double largest_ = 0.0;
};

}  // namespace

template <typename Real>
double find_weights(const Call& call, const BackwardScratch<Real>& scratch, int64_t begin, int64_t end) {
  return Weights<Real>(call, scratch, begin, end).run();
}

template <typename Real>
void write_temperature_gradient(const Call& call, const BackwardScratch<Real>& scratch) {
  if (call.out.d_temperature == nullptr) return;
  double sum = 0.0;
  for (int64_t i = 0; i < call.problem.x_rows; ++i) {
    double slope = call.state.row_slope[i];
    if (call.problem.symmetric) slope += call.state.column_slope[i];
    sum += scratch.row_factors[i] * slope;
  }
  *call.out.d_temperature = sum * call.temperature_factor;
}

template double find_weights<float>(const Call&, const BackwardScratch<float>&, int64_t, int64_t);
template double find_weights<double>(const Call&, const BackwardScratch<double>&, int64_t, int64_t);
template void write_temperature_gradient<float>(const Call&, const BackwardScratch<float>&);
template void write_temperature_gradient<double>(const Call&, const BackwardScratch<double>&);

}  // namespace nce::cpu::dense
