#include "cpu/dense/workspace.h"

namespace nce::cpu::dense {
namespace {

constexpr int64_t kMostXGroups = 16;
constexpr int64_t kMostYGroups = 8;
constexpr int64_t kWantedTasks = 64;

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

/// A cache line's multiple, so that workers share none.
template <typename Real>
int64_t line_multiple(int64_t count) {
  return round_up(count, NCE_WORKSPACE_ALIGNMENT / static_cast<int64_t>(sizeof(Real)));
}

}  // namespace

State::State(Carver& carver, const Problem& problem) {
  const int64_t x = padded(problem.x_rows);
  const int64_t y = padded(problem.y_rows);
  const int64_t z = padded(problem.z_rows);
  header = carver.take<Header>(1);
  x_norms = {carver.take<double>(x), carver.take<double>(x)};
  x_squares = problem.euclidean() ? carver.take<double>(x) : nullptr;
  if (problem.tower) {
    y_norms = x_norms;
    y_squares = x_squares;
  } else {
    y_norms = {carver.take<double>(y), carver.take<double>(y)};
    y_squares = problem.euclidean() ? carver.take<double>(y) : nullptr;
  }
  z_norms = {carver.take<double>(z), carver.take<double>(z)};
  z_squares = problem.euclidean() ? carver.take<double>(z) : nullptr;
  positive = carver.take<double>(x);
  row_value = carver.take<double>(x);
  row_slope = carver.take<double>(x);
  column_value = problem.symmetric ? carver.take<double>(y) : nullptr;
  column_slope = problem.symmetric ? carver.take<double>(y) : nullptr;
}

template <typename Real>
Panels<Real>::Panels(Carver& carver, const Problem& problem, const Kernels<Real>& kernels)
    : padded_dim(round_up(problem.desc.dim, kernels.slice)),
      stride(padded_dim * kernels.width),
      x_count((problem.x_rows + kernels.width - 1) / kernels.width),
      y_count((problem.y_rows + kernels.width - 1) / kernels.width),
      z_count((problem.z_rows + kernels.width - 1) / kernels.width) {
  x = carver.take<Real>(x_count * stride);
  y = problem.tower ? x : carver.take<Real>(y_count * stride);
  z = carver.take<Real>(z_count * stride);
}

Grid::Grid(int64_t x_panels, int64_t y_panels) {
  x_groups = std::min(x_panels, kMostXGroups);
  y_groups = std::min(y_panels, std::max(kMostYGroups, kWantedTasks / std::max<int64_t>(1, x_groups)));
  x_groups = std::min(x_panels, std::max(x_groups, kWantedTasks / std::max<int64_t>(1, y_groups)));
}

template <typename Real>
ForwardScratch<Real>::ForwardScratch(Carver& carver, const Problem& problem, const Kernels<Real>& kernels,
                                     const Panels<Real>& panels, int threads)
    : grid(panels.x_count, panels.y_count) {
  const int64_t x = padded(problem.x_rows);
  const int64_t y = padded(problem.y_rows);
  const int64_t row_sums = grid.y_groups * x;
  rows = {carver.take<double>(row_sums), carver.take<double>(row_sums), carver.take<double>(row_sums)};
  const int64_t column_sums = problem.symmetric ? grid.x_groups * y : 0;
  columns = {carver.take<double>(column_sums), carver.take<double>(column_sums), carver.take<double>(column_sums)};
  const bool metrics = problem.desc.metrics != 0;
  above = carver.take<double>(metrics ? row_sums : 0);
  similarity = carver.take<double>(metrics ? row_sums : 0);
  uniformity = carver.take<double>(metrics ? row_sums : 0);
  x_inverse = carver.take<double>(metrics ? x : 0);
  y_inverse = carver.take<double>(metrics ? y : 0);
  y_factors = carver.take<double>(metrics ? y : 0);
  alignment = carver.take<double>(metrics ? x : 0);
  losses = carver.take<double>(x);
  worker_stride = line_multiple<Real>(std::max(kernels.forward_scratch, panels.stride));
  workers = carver.take<Real>(worker_stride * threads);
}

template <typename Real>
BackwardScratch<Real>::BackwardScratch(Carver& carver, const Problem& problem, const Kernels<Real>& kernels,
                                       const Panels<Real>& panels, int threads) {
  const int64_t x = padded(problem.x_rows);
  const int64_t y = padded(problem.y_rows);
  x_weights = carver.take<double>(x);
  y_weights = carver.take<double>(y);
  x_references = carver.take<double>(x);
  y_references = carver.take<double>(y);
  positive_weights = carver.take<double>(x);
  row_factors = carver.take<double>(x);
  column_factors = carver.take<double>(y);
  worker_stride = line_multiple<Real>(kernels.gradient_scratch + panels.stride);
  workers = carver.take<Real>(worker_stride * threads);
  worker_sums_stride = line_multiple<double>(panels.stride + 2 * kernels.width);
  worker_sums = carver.take<double>(worker_sums_stride * threads);
}

template struct Panels<float>;
template struct Panels<double>;
template struct ForwardScratch<float>;
template struct ForwardScratch<double>;
template struct BackwardScratch<float>;
template struct BackwardScratch<double>;

}  // namespace nce::cpu::dense
