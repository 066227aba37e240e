#include "cuda/dense/methods.h"

#include <algorithm>
#include <iterator>

namespace nce::cuda::dense {
namespace {

constexpr int64_t kKibi = int64_t{1} << 10;

/// Shared memory: CUDA C++ Programming Guide, "Compute Capabilities", and the data sheets of T4, A100,
/// RTX 3080, RTX 4090, H100 SXM, B200 and RTX 5090. Devices of the 8.6 kind and its successors add half-rate float sums
/// to their tensor products, and have twice the float units.
constexpr Architecture kArchitectures[] = {
    {75, 64 * kKibi, 40, false, false},  {80, 163 * kKibi, 108, true, true},  {86, 99 * kKibi, 68, true, false},
    {87, 163 * kKibi, 16, true, false},  {89, 99 * kKibi, 128, true, false},  {90, 227 * kKibi, 132, true, true},
    {100, 227 * kKibi, 148, true, true}, {120, 99 * kKibi, 170, true, false},
};

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

/// How long equal blocks take, over what as many as there are places take. Blocks that share a multiprocessor hide each
/// other's waits, which those that are left over at the end do less.
double rounds(int64_t blocks, const Places& places) {
  constexpr double kWaits = 0.2;  // an expectation
  const int64_t full = blocks / places.all();
  const int64_t left = blocks % places.all();
  if (left == 0) return static_cast<double>(full);
  const auto share = static_cast<double>(divide_up(left, places.multiprocessors)) /
                     static_cast<double>(places.blocks_a_multiprocessor);
  return static_cast<double>(full) + kWaits + (1.0 - kWaits) * share;
}

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

int64_t resident_blocks(int64_t most, int64_t shared_bytes, const Architecture& architecture) {
  constexpr int64_t kOfTheSystem = kKibi;  // of every block's, and what a multiprocessor has beyond a block's most
  const int64_t fit = (architecture.shared_bytes + kOfTheSystem) / (shared_bytes + kOfTheSystem);
  return architecture.multiprocessors * std::clamp<int64_t>(fit, 1, most);
}

Groups choose_groups(int64_t x_tiles, int64_t y_tiles, bool columns, const Places& places) {
  constexpr int64_t kMostWaves = 5;
  constexpr int64_t kMostYGroups = 1024;
  // Sums cost memory: as many doubles a row as its side has groups. One more group is worth a little time.
  constexpr double kGroupCost = 0.008;
  Groups best{1, 1};
  double best_cost = -1.0;
  for (int64_t y = 1; y <= std::min(y_tiles, kMostYGroups); ++y) {
    for (int64_t waves = 1; waves <= kMostWaves; ++waves) {
      const int64_t x = std::clamp<int64_t>(places.all() * waves / y, 1, x_tiles);
      const double tiles = rounds(x * y, places) * static_cast<double>(divide_up(x_tiles, x) * divide_up(y_tiles, y));
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

tile::Cut GradientCut::of(int64_t rows) const {
  const int64_t x_tiles = divide_up(rows, tile_rows);
  return {x_tiles, chunk.y_tiles, std::min(chunk.shares, x_tiles * chunk.y_tiles)};
}

GradientCut cut_gradient(const Method& method, const GradientSide& side, int64_t most_bytes,
                         const Architecture& architecture) {
  if (side.x_rows == 0 || side.y_rows == 0) return {};
  const int64_t pitch = tile::packed_pitch(method.arithmetic, side.dim);
  const bool tiles = !side.limited && uses_gradient_tiles(method, side.dim, architecture);
  const tile::TileSize square = tile::tile_size(method.arithmetic, method.planes);
  const tile::GradientTileSize oblong = tile::gradient_tile_size(method.planes, pitch);
  const int64_t x_tile = tiles ? tile::kGradientXRows : square.side;
  const int64_t y_tile = tiles ? oblong.y_rows : square.side;
  const int64_t resident =
      tiles ? resident_blocks(tile::gradient_blocks(oblong), tile::gradient_shared_bytes(method.planes, pitch),
                              architecture)
            : resident_blocks(square.blocks_a_multiprocessor,
                              tile::strip_shared_bytes(method.arithmetic, method.planes), architecture);
  const int64_t real = tile::real_bytes(method.arithmetic);
  const auto cut_into = [&](int64_t chunks, int64_t shares) {
    GradientCut cut{};
    cut.tiles = tiles;
    cut.chunk_rows = tile::padded_rows(divide_up(side.x_rows, chunks));
    cut.tile_rows = x_tile;
    cut.chunk.x_tiles = divide_up(std::min(cut.chunk_rows, side.x_rows), x_tile);
    cut.chunk.y_tiles = divide_up(side.y_rows, y_tile);
    cut.chunk.shares = std::min(shares, cut.chunk.tiles());
    cut.sums_bytes = cut.chunk.slots() * x_tile * pitch * real;
    cut.g_sums_bytes = side.distances ? cut.chunk.slots() * x_tile * int64_t{sizeof(double)} : 0;
    cut.scratch_bytes = tiles ? 0 : cut.chunk.shares * tile::strip_bytes(method.arithmetic, method.planes);
    return cut;
  };
  const int64_t most_chunks = side.whole ? 1 : kMostChunks;
  GradientCut best{};
  int64_t best_rounds = 0;
  for (int64_t chunks = 1; chunks <= most_chunks; ++chunks) {
    // Bytes grow by the same with every share.
    const int64_t least = cut_into(chunks, 1).bytes();
    const int64_t a_share = std::max<int64_t>(cut_into(chunks, 2).bytes() - least, 1);
    if (least > most_bytes) continue;
    const GradientCut cut = cut_into(chunks, std::min(resident, (most_bytes - least) / a_share + 1));
    const int64_t rounds = chunks * divide_up(cut.chunk.tiles(), cut.chunk.shares);
    if (best_rounds > 0 && rounds >= best_rounds) continue;
    best_rounds = rounds;
    best = cut;
  }
  return best_rounds > 0 ? best : cut_into(most_chunks, 1);
}

}  // namespace nce::cuda::dense
