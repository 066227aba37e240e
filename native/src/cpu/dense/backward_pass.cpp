#include <cmath>

#include "cpu/dense/call.h"
#include "loss/logistic.h"
#include "loss/softmax_row.h"

namespace nce::cpu::dense {
namespace {

/// Where the gradient of a matrix's rows goes; null: not wanted.
struct Target {
  void* first;
  int64_t first_stride;
  int64_t first_rows;
  void* second;
  int64_t second_stride;

  template <typename Element>
  Element* row(int64_t i) const {
    if (i < first_rows) return first == nullptr ? nullptr : static_cast<Element*>(first) + i * first_stride;
    return second == nullptr ? nullptr : static_cast<Element*>(second) + (i - first_rows) * second_stride;
  }
  bool wanted(int64_t begin, int64_t end) const {
    return (first != nullptr && begin < first_rows) || (second != nullptr && end > first_rows);
  }
};

/// The gradient of one matrix: its rows in the role of X.
template <typename Real>
struct Side {
  const Real* x;
  int64_t x_rows;
  int64_t x_panels;
  Norms x_norms;
  const double* x_squares;
  const double* x_weights;
  const double* x_references;
  const Real* y;  ///< null: positives only
  int64_t y_rows;
  const double* y_squares;
  const double* y_weights;
  const double* y_references;
  const Real* positives;  ///< panels of the rows' positives; null: none, or gathered for one tower
  int64_t positive_rows;  ///< rows of X that have a positive
  Target target;
};

template <typename Real>
class Backward {
 public:
  Backward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
           const BackwardScratch<Real>& scratch)
      : call_(call),
        problem_(call.problem),
        state_(call.state),
        kernels_(kernels),
        panels_(panels),
        scratch_(scratch) {}

  void run() {
    find_factors();
    if (call_.out.d_temperature != nullptr) write_temperature();
    if (problem_.logistic) {
      weigh_logistic();
    } else {
      weigh_softmax();
    }
    const nce_outputs& out = call_.out;
    const int64_t n = problem_.desc.n;
    if (problem_.tower) {
      Side<Real> side = queries_side();
      side.target = {out.d_queries, out.d_queries_stride, problem_.first_view, out.d_keys, out.d_keys_stride};
      run_side(side);
      return;
    }
    run_side(queries_side());
    Side<Real> others = others_side();
    if (problem_.shared) {
      others.target = {out.d_negatives, out.d_negatives_stride, problem_.y_rows, nullptr, 0};
      run_side(others);
      others = positives_side();
    }
    others.target = {out.d_keys, out.d_keys_stride, problem_.shared ? n : problem_.y_rows, nullptr, 0};
    run_side(others);
  }

 private:
  Side<Real> queries_side() const {
    const Real* const positives = problem_.tower ? nullptr : problem_.shared ? panels_.z : panels_.y;
    return {panels_.x,
            problem_.x_rows,
            panels_.x_count,
            state_.x_norms,
            state_.x_squares,
            scratch_.x_weights,
            references(scratch_.x_references),
            panels_.y,
            problem_.y_rows,
            state_.y_squares,
            y_weights(),
            references(scratch_.y_references),
            positives,
            problem_.x_rows,
            {call_.out.d_queries, call_.out.d_queries_stride, problem_.x_rows, nullptr, 0}};
  }

  Side<Real> others_side() const {
    return {panels_.y,
            problem_.y_rows,
            panels_.y_count,
            state_.y_norms,
            state_.y_squares,
            y_weights(),
            references(scratch_.y_references),
            panels_.x,
            problem_.x_rows,
            state_.x_squares,
            scratch_.x_weights,
            references(scratch_.x_references),
            problem_.shared ? nullptr : panels_.x,
            problem_.shared ? 0 : problem_.x_rows,
            {}};
  }

  Side<Real> positives_side() const {
    Side<Real> side{};
    side.x = panels_.z;
    side.x_rows = problem_.z_rows;
    side.x_panels = panels_.z_count;
    side.x_norms = state_.z_norms;
    side.positives = panels_.x;
    side.positive_rows = problem_.x_rows;
    return side;
  }

  const double* y_weights() const {
    return problem_.tower ? scratch_.x_weights : problem_.symmetric ? scratch_.y_weights : nullptr;
  }
  const double* references(const double* of) const {
    if (call_.form != Form::kOnline) return nullptr;
    return problem_.tower ? scratch_.x_references : of;
  }

  void find_factors() {
    for (int64_t i = 0; i < problem_.x_rows; ++i) {
      const double factor =
          row_factor(call_.in, static_cast<nce_reduction>(problem_.desc.reduction), call_.weight_sum, i);
      scratch_.row_factors[i] = problem_.symmetric ? 0.5 * factor : factor;
    }
  }

  void write_temperature() {
    double sum = 0.0;
    for (int64_t i = 0; i < problem_.x_rows; ++i) {
      double slope = state_.row_slope[i];
      if (problem_.symmetric) slope += state_.column_slope[i];
      sum += scratch_.row_factors[i] * slope;
    }
    *call_.out.d_temperature = sum * call_.temperature_factor;
  }

  /// e^z of row i is to be multiplied by weight = u_i e^-lse_i. All weights are divided by the largest |dl/dz+|, so
  /// that gradients as small as 1e-50 pass through fp32; the last step multiplies by it.
  void weigh_softmax() {
    largest_ = 0.0;
    for (int64_t i = 0; i < problem_.x_rows; ++i) {
      largest_ = std::max(largest_, std::fabs(scratch_.row_factors[i]) * mass(state_.row_value, i));
      if (problem_.symmetric) {
        largest_ = std::max(largest_, std::fabs(scratch_.row_factors[i]) * mass(state_.column_value, i));
      }
    }
    for (int64_t i = 0; i < problem_.x_rows; ++i) {
      double positive = weigh_row(state_.row_value, i, scratch_.x_weights, scratch_.x_references);
      if (problem_.symmetric) positive += weigh_row(state_.column_value, i, scratch_.y_weights, scratch_.y_references);
      scratch_.positive_weights[i] = -positive;
    }
    finish_weights();
  }

  double mass(const double* log_negatives, int64_t row) const {
    return loss::softmax_row_negative_mass(log_negatives[row], state_.positive[row] / call_.tau);
  }

  /// Returns -dl/dz+ of the row, scaled.
  double weigh_row(const double* log_negatives, int64_t row, double* weights, double* references) const {
    weights[row] = references[row] = 0.0;
    if (largest_ == 0.0 || std::isinf(log_negatives[row])) return 0.0;
    const double slope = scratch_.row_factors[row] * mass(log_negatives, row) / largest_;
    // The reference is the number that the tiles subtract, hence rounded as they see it.
    if (call_.form == Form::kOnline) {
      references[row] = static_cast<double>(static_cast<Real>(call_.tau * log_negatives[row]));
    }
    weights[row] = slope * std::exp(references[row] / call_.tau - log_negatives[row]);
    return slope;
  }

  void weigh_logistic() {
    largest_ = 0.0;
    for (int64_t i = 0; i < problem_.x_rows; ++i) largest_ = std::max(largest_, std::fabs(scratch_.row_factors[i]));
    for (int64_t i = 0; i < problem_.x_rows; ++i) {
      const double factor = largest_ == 0.0 ? 0.0 : scratch_.row_factors[i] / largest_;
      scratch_.x_weights[i] = factor * problem_.negative_factor;
      scratch_.positive_weights[i] = factor * loss::logistic_positive_slope(state_.positive[i] / call_.tau);
    }
    finish_weights();
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
      for (int64_t i = 0; i < problem_.x_rows; ++i) {
        const double distance = -state_.positive[i];
        scratch_.positive_weights[i] = distance == 0.0 ? 0.0 : scratch_.positive_weights[i] / distance;
      }
    }
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

  void run_side(const Side<Real>& side) {
    if (!side.target.wanted(0, side.x_rows)) return;
    call_.pool.parallel_for(side.x_panels, [&](int64_t panel, int worker) { run_panel(side, panel, worker); });
  }

  void run_panel(const Side<Real>& side, int64_t panel, int worker) {
    const int64_t width = kernels_.width;
    const int64_t first = panel * width;
    const int64_t count = std::min(width, side.x_rows - first);
    if (!side.target.wanted(first, first + count)) return;
    Real* const space = scratch_.workers + worker * scratch_.worker_stride;
    double* const sums = scratch_.worker_sums + worker * scratch_.worker_sums_stride;
    double* const weight_sums = sums + panels_.stride;
    std::fill(sums, sums + panels_.stride + width, 0.0);
    if (side.y != nullptr && side.y_rows > 0 && largest_ > 0.0) {
      GradientTask<Real> task{};
      task.pair = {side.x,
                   side.y,
                   side.x_rows,
                   side.y_rows,
                   problem_.desc.dim,
                   panels_.stride,
                   static_cast<nce_similarity>(problem_.desc.similarity),
                   side.x_squares,
                   side.y_squares,
                   problem_.tower    ? Excluded::kViews
                   : problem_.shared ? Excluded::kNone
                                     : Excluded::kDiagonal,
                   problem_.x_rows / 2,
                   call_.form,
                   1.0 / call_.tau};
      task.panel = panel;
      task.x_weights = side.x_weights;
      task.y_weights = side.y_weights;
      task.x_references = side.x_references;
      task.y_references = side.y_references;
      task.sums = sums;
      task.weight_sums = problem_.euclidean() ? weight_sums : nullptr;
      task.scratch = space;
      kernels_.gradient(task);
    }
    add_positives(side, panel, space, sums, weight_sums);
    finish_panel(side, panel, count, sums, weight_sums);
  }

  void add_positives(const Side<Real>& side, int64_t panel, Real* space, double* sums, double* weight_sums) const {
    const int64_t width = kernels_.width;
    const int64_t first = panel * width;
    if (first >= side.positive_rows) return;
    const Real* const positives = problem_.tower ? positive_panel(problem_, kernels_, panels_, panel, space)
                                                 : side.positives + panel * panels_.stride;
    const double* const weights = scratch_.positive_weights + first;
    for (int64_t d = 0; d < problem_.desc.dim; ++d) {
      for (int64_t l = 0; l < width; ++l) {
        sums[d * width + l] += weights[l] * static_cast<double>(positives[d * width + l]);
      }
    }
    for (int64_t l = 0; l < width; ++l) weight_sums[l] += weights[l];
  }

  /// Distances: sum of G (y - x). Cosine: back through the norm, dx = (g - <g, x^> x^) / |x|.
  void finish_panel(const Side<Real>& side, int64_t panel, int64_t count, double* sums, double* weight_sums) const {
    const int64_t width = kernels_.width;
    const int64_t dim = problem_.desc.dim;
    const Real* const x = side.x + panel * panels_.stride;
    double* const along = weight_sums + width;
    if (problem_.cosine()) {
      std::fill(along, along + width, 0.0);
      for (int64_t d = 0; d < dim; ++d) {
        for (int64_t l = 0; l < width; ++l) along[l] += sums[d * width + l] * static_cast<double>(x[d * width + l]);
      }
    } else if (problem_.euclidean()) {
      std::copy(weight_sums, weight_sums + width, along);
    }
    if (problem_.cosine() || problem_.euclidean()) {
      for (int64_t d = 0; d < dim; ++d) {
        for (int64_t l = 0; l < width; ++l) sums[d * width + l] -= along[l] * static_cast<double>(x[d * width + l]);
      }
    }
    const double twice = problem_.desc.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN ? 2.0 : 1.0;
    const double factor = twice * largest_ / call_.tau;
    for (int64_t l = 0; l < count; ++l) {
      const int64_t row = panel * width + l;
      // Two steps, since 1 / |x| alone may overflow.
      const double inverse = problem_.cosine() ? side.x_norms.inverse(row) * factor : factor;
      const double scale = problem_.cosine() ? side.x_norms.scale[row] : 1.0;
      if (problem_.desc.dtype == NCE_DTYPE_FLOAT64) {
        write_row(side.target.template row<double>(row), sums + l, inverse, scale);
      } else {
        write_row(side.target.template row<float>(row), sums + l, inverse, scale);
      }
    }
  }

  template <typename Element>
  void write_row(Element* to, const double* sums, double inverse, double scale) const {
    if (to == nullptr) return;
    for (int64_t d = 0; d < problem_.desc.dim; ++d) {
      to[d] = static_cast<Element>(sums[d * kernels_.width] * inverse * scale);
    }
  }

  const Call& call_;
  const Problem& problem_;
  const State& state_;
  const Kernels<Real>& kernels_;
  const Panels<Real>& panels_;
  const BackwardScratch<Real>& scratch_;
  double largest_ = 0.0;  ///< the largest |dl/dz+| (NT-Logistic: factor), by which all weights are divided
};

}  // namespace

template <typename Real>
void run_backward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                  const BackwardScratch<Real>& scratch) {
  Backward<Real>(call, kernels, panels, scratch).run();
}

template void run_backward<float>(const Call&, const Kernels<float>&, const Panels<float>&,
                                  const BackwardScratch<float>&);
template void run_backward<double>(const Call&, const Kernels<double>&, const Panels<double>&,
                                   const BackwardScratch<double>&);

}  // namespace nce::cpu::dense
