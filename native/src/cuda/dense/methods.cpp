#include "cuda/dense/methods.h"

#include <algorithm>
#include <iterator>

namespace nce::cuda::dense {
namespace {

constexpr int64_t kKibi = int64_t{1} << 10;
constexpr int64_t kMebi = int64_t{1} << 20;

/// Shared memory and caches: CUDA C++ Programming Guide, "Compute Capabilities", and the data sheets of T4, A100,
/// RTX 3080, RTX 4090, H100 SXM, B200 and RTX 5090. Devices of the 8.6 kind and its successors add half-rate float sums
/// to their tensor products, and have twice the float units.
constexpr Architecture kArchitectures[] = {
    {75, 64 * kKibi, 4 * kMebi, 40, false, false},    {80, 163 * kKibi, 40 * kMebi, 108, true, true},
    {86, 99 * kKibi, 5 * kMebi, 68, true, false},     {87, 163 * kKibi, 4 * kMebi, 16, true, false},
    {89, 99 * kKibi, 72 * kMebi, 128, true, false},   {90, 227 * kKibi, 50 * kMebi, 132, true, true},
    {100, 227 * kKibi, 126 * kMebi, 148, true, true}, {120, 99 * kKibi, 96 * kMebi, 170, true, false},
};

constexpr int64_t kBlocksAMultiprocessor = 2;
constexpr int64_t kLargestGradientPitch = 256;

Method primary_method(const Problem& problem, const Architecture& architecture) {
  const bool fast = problem.precision == NCE_PRECISION_FAST;
  if (problem.dtype == NCE_DTYPE_FLOAT64) return {Arithmetic::kFloat64, 1, true};
  if (problem.euclidean()) return {fast ? Arithmetic::kFloat32 : Arithmetic::kFloat64, 1, true};
  if (!architecture.tensor) return {Arithmetic::kFloat32, 1, true};
  switch (problem.dtype) {
    case NCE_DTYPE_FLOAT16:
      return {Arithmetic::kTensorFloat16, 1, true};
    case NCE_DTYPE_BFLOAT16:
      return {Arithmetic::kTensorBfloat16, 1, true};
    case NCE_DTYPE_FLOAT32:
    case NCE_DTYPE_FLOAT64:
      break;
  }
  if (fast) return {Arithmetic::kTensorFloat16, 1, true};
  return architecture.split_is_faster ? Method{Arithmetic::kTensorFloat16, 2, true}
                                      : Method{Arithmetic::kFloat32, 1, true};
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

const Architecture& architecture_for(int32_t capability) {
  const Architecture* best = &kArchitectures[0];
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.capability <= capability) best = &architecture;
  }
  return *best;
}

std::vector<Method> choose_methods(const Problem& problem, const Architecture& architecture) {
  std::vector<Method> methods{primary_method(problem, architecture)};
  switch (problem.precision) {
    case NCE_PRECISION_PRECISE:
      if (methods[0].arithmetic != Arithmetic::kFloat64) methods.push_back({Arithmetic::kFloat64, 1, false});
      break;
    case NCE_PRECISION_FAST:
      break;
  }
  return methods;
}

Groups choose_groups(int64_t x_tiles, int64_t y_tiles, bool columns, const Architecture& architecture) {
  constexpr int64_t kMostWaves = 4;
  constexpr int64_t kMostYGroups = 1024;
  // Sums cost memory: as many doubles a row as its side has groups. One more group is worth half a percent of time.
  constexpr double kGroupCost = 0.005;
  const int64_t slots = architecture.multiprocessors * kBlocksAMultiprocessor;
  Groups best{1, 1};
  double best_cost = -1.0;
  for (int64_t y = 1; y <= std::min(y_tiles, kMostYGroups); ++y) {
    for (int64_t waves = 1; waves <= kMostWaves; ++waves) {
      const int64_t x = std::clamp<int64_t>(slots * waves / y, 1, x_tiles);
      const int64_t rounds = divide_up(x * y, slots);
      const auto tiles = static_cast<double>(rounds * divide_up(x_tiles, x) * divide_up(y_tiles, y));
      const auto sums = static_cast<double>(x_tiles * y + (columns ? y_tiles * x : 0));
      const double cost = tiles * (1.0 + kGroupCost * sums / static_cast<double>(x_tiles + y_tiles));
      if (best_cost >= 0.0 && cost >= best_cost) continue;
      best_cost = cost;
      best = {static_cast<int32_t>(x), static_cast<int32_t>(y)};
    }
  }
  return best;
}

bool uses_gradient_tiles(const Method& method, int64_t dim, const Architecture& architecture) {
  if (!tile::is_tensor(method.arithmetic) || !architecture.tensor) return false;
  const int64_t pitch = tile::packed_pitch(method.arithmetic, dim);
  return pitch <= kLargestGradientPitch &&
         tile::gradient_shared_bytes(method.planes, pitch) <= architecture.shared_bytes;
}

int32_t choose_splits(int64_t x_tiles, int64_t y_tiles, const Architecture& architecture) {
  constexpr int64_t kMostSplits = 32;
  const int64_t slots = architecture.multiprocessors;
  return static_cast<int32_t>(std::clamp<int64_t>(slots / x_tiles, 1, std::min(y_tiles, kMostSplits)));
}

int64_t block_bytes(const Method& method, int64_t x_rows, int64_t y_rows, bool transposed) {
  return x_rows * y_rows * tile::element_bytes(method.arithmetic) * method.planes * (transposed ? 2 : 1);
}

Blocks choose_blocks(const Method& method, int64_t x_rows, int64_t y_rows, bool transposed, int64_t budget_bytes,
                     const Architecture& architecture) {
  constexpr int64_t kLeastCache = 16 * kMebi;  // below, launches would be too small to fill a device
  Blocks blocks{};
  blocks.depth = method.arithmetic == Arithmetic::kFloat64 ? 512 : 1024;
  blocks.x_rows = blocks.y_rows = blocks.depth;
  const int64_t most = std::min(budget_bytes, std::max(architecture.cache_bytes, kLeastCache));
  const auto grow = [&](int64_t& rows, int64_t of) {
    const int64_t former = rows;
    if (rows >= of) return false;
    rows *= 2;
    if (block_bytes(method, blocks.x_rows, blocks.y_rows, transposed) <= most) return true;
    rows = former;
    return false;
  };
  while (grow(blocks.x_rows, x_rows) | grow(blocks.y_rows, y_rows)) {
  }
  blocks.x_rows = std::min(blocks.x_rows, tile::padded_rows(x_rows));
  blocks.y_rows = std::min(blocks.y_rows, tile::padded_rows(y_rows));
  return blocks;
}

}  // namespace nce::cuda::dense
