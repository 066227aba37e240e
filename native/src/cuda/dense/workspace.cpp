#include "cuda/dense/workspace.h"

#include "cuda/begin_call.h"

namespace nce::cuda::dense {
namespace {

using tile::element_bytes;
using tile::is_tensor;
using tile::packed_pitch;
using tile::padded_rows;

Packing packing_of(const Problem& problem, const Method& method) {
  const bool tensor = is_tensor(method.arithmetic);
  if (problem.cosine()) return tensor && problem.half_elements() ? Packing::kPowerOfUnit : Packing::kUnit;
  return tensor ? Packing::kPower : Packing::kRaw;
}

bool fits_scales(const Problem& problem, const Method& method) {
  return problem.cosine() && is_tensor(method.arithmetic);
}

int64_t real_bytes(const Method& method) { return method.arithmetic == Arithmetic::kFloat64 ? 8 : 4; }

PackedMatrix take_packed(Carver& carver, const Problem& problem, const Method& method, Packing packing,
                         int64_t allocated) {
  PackedMatrix matrix;
  matrix.pitch = packed_pitch(method.arithmetic, problem.desc.dim);
  if (!method.packed) return matrix;
  matrix.plane_stride = allocated * matrix.pitch;
  matrix.planes =
      carver.take<std::byte>(matrix.plane_stride * element_bytes(method.arithmetic) * int64_t{method.planes});
  const bool scaled = packing == Packing::kPower || packing == Packing::kPowerOfUnit;
  matrix.scales = carver.take<float>(scaled ? allocated : 0);
  matrix.relative = carver.take<float>(scaled ? allocated : 0);
  matrix.fitted = carver.take<float>(fits_scales(problem, method) ? allocated : 0);
  matrix.squares = carver.take<std::byte>(problem.euclidean() ? allocated * real_bytes(method) : 0);
  return matrix;
}

/// Of blocks of G, where Y comes in strips.
constexpr int64_t kBudgetWithStrips = int64_t{16} << 20;

int64_t tiles_of(int64_t rows, int64_t tile) { return (rows + tile - 1) / tile; }

}  // namespace

State::State(Carver& carver, const Problem& problem, const Problem& carved)
    : x_allocated(padded_rows(problem.x_rows)),
      y_allocated(padded_rows(carved.y_rows)),
      z_allocated(padded_rows(carved.z_rows)) {
  ranges = carver.take<RowRange>(3);
  x_norms = {carver.take<double>(problem.x_rows), carver.take<double>(problem.x_rows)};
  y_norms = x_norms;
  if (!problem.tower) y_norms = {carver.take<double>(problem.y_rows), carver.take<double>(problem.y_rows)};
  z_norms = y_norms;
  if (problem.shared) z_norms = {carver.take<double>(problem.z_rows), carver.take<double>(problem.z_rows)};
  positive = carver.take<double>(problem.x_rows);
  row_lse = carver.take<loss::LogSum>(problem.x_rows);
  row_slope = carver.take<double>(problem.x_rows);
  column_lse = carver.take<loss::LogSum>(problem.symmetric ? problem.y_rows : 0);
  column_slope = carver.take<double>(problem.symmetric ? problem.y_rows : 0);
}

Scratch::Scratch(Carver& carver, const Problem& problem) {
  begin = carver.take<std::byte>(kBeginCallBytes);
  range_parts = carver.take<RowRange>(kMostParts);
  totals = carver.take<RowTotals>(kMostParts);
  slopes = carver.take<SlopeTotals>(kMostParts);
  alignment = carver.take<double>(problem.desc.metrics != 0 ? problem.x_rows : 0);
  center = carver.take<double>(problem.euclidean() ? problem.desc.dim : 0);
}

MethodState::MethodState(Carver& carver, const Problem& problem, const State& state, const Method& method)
    : packed(method.packed), packing(packing_of(problem, method)) {
  x = take_packed(carver, problem, method, packing, state.x_allocated);
  y = problem.tower ? x : take_packed(carver, problem, method, packing, state.y_allocated);
  z = take_packed(carver, problem, method, packing, state.z_allocated);
  const bool narrowed = problem.euclidean() && method.arithmetic == Arithmetic::kFloat32;
  wide_squares = carver.take<double>(narrowed || fits_scales(problem, method)
                                         ? std::max({state.x_allocated, state.y_allocated, state.z_allocated})
                                         : 0);
}

MethodForward::MethodForward(Carver& carver, const Problem& problem, const State& state, const Method& method,
                             const Architecture& architecture)
    : groups{0, 0} {
  const int64_t side = tile::tile_size(method.arithmetic, method.planes).side;
  if (problem.y_rows > 0) {
    groups =
        choose_groups(tiles_of(problem.x_rows, side), tiles_of(problem.y_rows, side), problem.symmetric, architecture);
  }
  const int64_t row_sums = groups.y * padded_rows(problem.x_rows);
  rows = {carver.take<double>(row_sums), carver.take<double>(row_sums), carver.take<double>(row_sums)};
  const int64_t column_sums = problem.symmetric ? groups.x * padded_rows(problem.y_rows) : 0;
  columns = {carver.take<double>(column_sums), carver.take<double>(column_sums), carver.take<double>(column_sums)};
  const bool metrics = problem.desc.metrics != 0;
  above = carver.take<double>(metrics ? row_sums : 0);
  tied = carver.take<double>(metrics ? row_sums : 0);
  similarity = carver.take<double>(metrics ? row_sums : 0);
  uniformity = carver.take<double>(metrics ? row_sums : 0);
  const bool inverses = metrics && !problem.cosine();
  x_inverse = carver.take<std::byte>(inverses ? state.x_allocated * real_bytes(method) : 0);
  y_inverse = carver.take<std::byte>(inverses ? state.y_allocated * real_bytes(method) : 0);
  y_factors = carver.take<std::byte>(metrics ? state.y_allocated * real_bytes(method) : 0);
}

MethodBackward::MethodBackward(Carver& carver, const Problem& problem, const State& state, const Method& method,
                               const Architecture& architecture, bool strips)
    : tiles(uses_gradient_tiles(method, problem.desc.dim, architecture)), x_splits(1), y_splits(1), blocks{} {
  const int64_t real = real_bytes(method);
  x_coefficients = carver.take<std::byte>(state.x_allocated * real);
  x_references = carver.take<std::byte>(state.x_allocated * real);
  y_coefficients =
      problem.tower ? x_coefficients : carver.take<std::byte>(problem.symmetric ? state.y_allocated * real : 0);
  y_references =
      problem.tower ? x_references : carver.take<std::byte>(problem.symmetric ? state.y_allocated * real : 0);
  positive_coefficients = carver.take<double>(state.x_allocated);
  const int64_t pitch = packed_pitch(method.arithmetic, problem.desc.dim);
  const int64_t x_sum = problem.y_rows > 0 ? padded_rows(problem.x_rows) * pitch * real : 0;
  const int64_t y_sum = problem.tower ? 0 : padded_rows(problem.y_rows) * pitch * real;
  g = g_transposed = nullptr;
  x_g_sums = y_g_sums = nullptr;
  if (tiles) {
    if (problem.y_rows > 0) {
      const int64_t y_tile = tile::gradient_tile_size(method.planes, pitch).y_rows;
      const auto splits = [&](int64_t x, int64_t y) {
        return choose_splits(tiles_of(x, tile::kGradientXRows), tiles_of(y, y_tile), architecture);
      };
      x_splits = splits(problem.x_rows, problem.y_rows);
      y_splits = splits(problem.y_rows, problem.x_rows);
    }
    x_sums = carver.take<std::byte>(strips ? x_sum * x_splits : std::max(x_sum * x_splits, y_sum * y_splits));
    y_sums = strips ? carver.take<std::byte>(y_sum * y_splits) : x_sums;
    return;
  }
  x_sums = carver.take<std::byte>(x_sum);
  y_sums = carver.take<std::byte>(y_sum);
  if (problem.y_rows == 0) return;
  const bool transposed = !problem.tower;
  blocks = choose_blocks(method, problem.x_rows, problem.y_rows, transposed,
                         problem.budget_or(strips ? kBudgetWithStrips : loss::kDefaultBudget), architecture);
  const int64_t bytes = block_bytes(method, blocks.x_rows, blocks.y_rows, false);
  g = carver.take<std::byte>(bytes);
  g_transposed = carver.take<std::byte>(transposed ? bytes : 0);
  x_g_sums = carver.take<double>(problem.euclidean() ? padded_rows(problem.x_rows) : 0);
  y_g_sums = carver.take<double>(problem.euclidean() && transposed ? padded_rows(problem.y_rows) : 0);
}

}  // namespace nce::cuda::dense
