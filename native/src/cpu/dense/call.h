#pragma once
// One call: its inputs, its numbers, and the arithmetic that was chosen for it.

#include <algorithm>
#include <array>
#include <functional>

#include "cpu/dense/workspace.h"
#include "cpu/thread_pool.h"
#include "cpu/values.h"

namespace nce::cpu::dense {

/// What both passes need. References outlive the call.
struct Call {
  const Problem& problem;
  ThreadPool& pool;
  const nce_inputs& in;
  const nce_outputs& out;
  const State& state;
  RowSource x, y, z;
  Temperature temperature;
  double bias;
  loss::Reducer reducer;
  double weight_sum;
  Form form;
  void* d_y;  ///< gradient of Y, or null
  int64_t d_y_stride;
  void* d_z;  ///< gradient of Z, or null
  int64_t d_z_stride;
  bool positives_in_y;      ///< whether positives are rows of Y, whose gradients have their share
  bool z_apart;             ///< whether rows of Z, if any, are no rows of Y
  const int32_t* x_groups;  ///< or labels; null: there are neither
  const int32_t* y_groups;
  const float* y_offsets;  ///< of logits; null: all 0
  int64_t zero_columns;    ///< rows of Y of norm 0, where they come in strips
  Norms y_norms;
  const double* center;          ///< what is subtracted from all rows where Y comes in strips; null: nothing
  bool far = false;              ///< losses may be beyond what nobody needs to look at, see loss::Reach
  bool cosines_by_rows = false;  ///< similarities over norms are no cosines, so that metrics take these from rows

  double tau() const { return temperature.tau; }
  /// Of a negative, or a difference of two.
  double logit(double s) const { return s / tau() + problem.row.hardness * s; }
  /// Of the logit of row i's positive.
  double positive_offset(int64_t i) const {
    return in.key_offsets == nullptr ? 0.0 : static_cast<double>(in.key_offsets[i]);
  }
  loss::Scaling scaling() const { return {.form = form, .tau = tau(), .bias = bias, .log_scale = 0.0}; }
};

/// The forward pass: packs the panels and finds the positives' similarities.
template <typename Real>
void begin_forward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                   const ForwardScratch<Real>& scratch);

/// With strips of Y: begin_forward packs none of them, pack_strip one (if `metrics`, for sums with metrics), sum_strip
/// adds its sums to those of the strips so far, and finish_strips makes what sum_rows leaves.
template <typename Real>
void pack_strip(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                const ForwardScratch<Real>& scratch, bool metrics);
template <typename Real>
void sum_strip(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels, const KeptTiles<Real>& kept,
               const ForwardScratch<Real>& scratch);
template <typename Real>
void finish_strips(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                   const ForwardScratch<Real>& scratch);

/// Sums over the negatives of each row in panels [begin, end) of X, and of each column if the loss is symmetric (then
/// all panels at once). Keeps tiles.
template <typename Real>
void sum_rows(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels, const KeptTiles<Real>& kept,
              const ForwardScratch<Real>& scratch, int64_t begin, int64_t end);

/// Writes loss and metrics.
template <typename Real>
void end_forward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                 const ForwardScratch<Real>& scratch);

/// Writes the gradients that are asked for, from what the forward pass left; what overflows is told by
/// Header::overflow. A problem that goes by rows may have before_strip do that pass for panels [begin, end) of X, a
/// strip before each of its own; then `kept` begins with it.
template <typename Real>
void run_backward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                  const KeptTiles<Real>& kept, const BackwardScratch<Real>& scratch,
                  const std::function<void(int64_t begin, int64_t end)>& before_strip);

/// The same with strips of Y: for_strips calls its argument with the call, the packed panels and the kept tiles of
/// each.
template <typename Real>
using BackwardStrip = std::function<void(const Call& call, const Panels<Real>& panels, const KeptTiles<Real>& kept)>;
template <typename Real>
void run_backward_strips(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                         const BackwardScratch<Real>& scratch,
                         const std::function<void(const BackwardStrip<Real>&)>& for_strips);

/// Throws if a gradient that was written overflowed; names the first row.
void check_gradients(const Call& call);

/// Rows that one task of a loop over rows takes.
constexpr int64_t kRowsATask = 256;

/// body(row) for every row in [begin, end).
template <typename Body>
void for_rows(ThreadPool& pool, int64_t begin, int64_t end, const Body& body) {
  pool.parallel_for((end - begin + kRowsATask - 1) / kRowsATask, [&](int64_t task, int) {
    const int64_t first = begin + task * kRowsATask;
    for (int64_t i = first; i < std::min(end, first + kRowsATask); ++i) body(i);
  });
}

/// One job for all of X, Y and Z, so that threads meet once: body(matrix, begin, end, worker) for parts of each
/// matrix's `counts`, `step` of the largest. Tasks next to each other have parts next to each other in every matrix.
template <typename Body>
void for_matrices(ThreadPool& pool, int64_t step, const std::array<int64_t, 3>& counts, const Body& body) {
  const int64_t tasks = (*std::max_element(counts.begin(), counts.end()) + step - 1) / step;
  pool.parallel_for(tasks, [&](int64_t task, int worker) {
    for (size_t matrix = 0; matrix < counts.size(); ++matrix) {
      const int64_t begin = counts[matrix] * task / tasks;
      const int64_t end = counts[matrix] * (task + 1) / tasks;
      if (begin < end) body(matrix, begin, end, worker);
    }
  });
}

/// The two matrices as tile kernels see them.
template <typename Real>
Operands<Real> tile_operands(const Call& call, const Panels<Real>& panels) {
  const Problem& problem = call.problem;
  const bool factors = panels.word_elements == 2;
  return {.x = panels.x,
          .y = panels.y,
          .x_rows = problem.x_rows,
          .y_rows = problem.y_rows,
          .dim = problem.desc.dim,
          .panel_stride = panels.stride,
          .similarity = problem.similarity,
          .x_squares = call.state.x_squares,
          .y_squares = call.state.y_squares,
          .excluded = problem.excluded,
          .views_half = problem.views_half(),
          .own = 0,
          .x_groups = call.x_groups,
          .y_groups = call.y_groups,
          .labels = problem.by_labels,
          .x_limits = call.state.limits,
          .y_limits = problem.tower || problem.symmetric || problem.blocks.key_query ? call.state.limits : nullptr,
          .y_weights = call.state.y_weights,
          .form = call.form,
          .inverse_temperature = 1.0 / call.tau() + problem.row.hardness,
          .logit_shift = call.bias * call.tau(),
          .x_factors = factors ? call.state.x_factors : nullptr,
          .y_factors = factors ? call.state.y_factors : nullptr};
}

/// The queries on both sides, or the keys that are positives: rows that all have a loss, against one another.
template <typename Real>
Operands<Real> square_operands(const Call& call, const Panels<Real>& panels, bool of_keys) {
  Operands<Real> operands = tile_operands(call, panels);
  const auto take_one = [of_keys](auto& x, auto& y) { of_keys ? x = y : y = x; };
  take_one(operands.x, operands.y);
  take_one(operands.x_squares, operands.y_squares);
  take_one(operands.x_groups, operands.y_groups);
  take_one(operands.x_factors, operands.y_factors);
  operands.y_rows = operands.x_rows;
  operands.y_limits = operands.x_limits;
  return operands;
}

/// The queries against negatives of their own, which are in no group.
template <typename Real>
Operands<Real> own_operands(const Call& call, const Panels<Real>& panels) {
  Operands<Real> operands = tile_operands(call, panels);
  operands.y = panels.z;
  operands.y_rows = call.problem.z_rows;
  operands.y_squares = call.state.z_squares;
  operands.excluded = Excluded::kOthersOwn;
  operands.own = call.problem.own;
  operands.x_groups = operands.y_groups = nullptr;
  operands.y_limits = nullptr;
  operands.y_weights = nullptr;
  if (operands.y_factors != nullptr) operands.y_factors = call.state.z_factors;
  return operands;
}

/// A panel whose rows are the positives of panel `panel` of X: of Y, of Z, or gathered into `space` (one tower).
template <typename Real>
const Real* positive_panel(const Problem& problem, const Kernels<Real>& kernels, const Panels<Real>& panels,
                           int64_t panel, Real* space) {
  if (problem.shared) return panels.z + panel * panels.stride;
  if (!problem.tower) return panels.y + panel * panels.stride;
  const int64_t width = kernels.width;
  for (int64_t l = 0; l < width; ++l) {
    const int64_t row = panel * width + l;
    if (row >= problem.x_rows) {
      for (int64_t d = 0; d < panels.steps; ++d) space[d * width + l] = Real{0};
      continue;
    }
    const int64_t other = problem.other_view(row);
    const Real* const from = panels.x + other / width * panels.stride + other % width;
    for (int64_t d = 0; d < panels.steps; ++d) space[d * width + l] = from[d * width];
  }
  return space;
}

}  // namespace nce::cpu::dense
