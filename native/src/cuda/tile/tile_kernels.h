#pragma once
// The border between the passes and the tile kernels: arithmetic, sizes of tiles, what each kernel is called with, and
// its launch, which only enqueues. X are the rows (queries or the tower), Y the columns (keys, shared negatives or the
// tower again).

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/call_state.h"
#include "cuda/caller_rows.h"
#include "loss/scalar.h"

namespace nce::cuda::tile {

using loss::Excluded;
using loss::Form;
using loss::Sums;

/// How products are computed: tensor cores on 16-bit elements with float sums, or fused multiply-adds.
enum class Arithmetic : int32_t { kTensorFloat16 = 0, kTensorBfloat16 = 1, kFloat32 = 2, kFloat64 = 3 };

/// Bytes of a packed element.
constexpr int element_bytes(Arithmetic a) {
  switch (a) {
    case Arithmetic::kTensorFloat16:
    case Arithmetic::kTensorBfloat16:
      return 2;
    case Arithmetic::kFloat32:
      return 4;
    case Arithmetic::kFloat64:
      return 8;
  }
  return 0;
}

/// Bytes of a number that tiles compute with: float, or double.
constexpr int real_bytes(Arithmetic a) {
  switch (a) {
    case Arithmetic::kTensorFloat16:
    case Arithmetic::kTensorBfloat16:
    case Arithmetic::kFloat32:
      return 4;
    case Arithmetic::kFloat64:
      return 8;
  }
  return 0;
}

constexpr bool is_tensor(Arithmetic a) {
  switch (a) {
    case Arithmetic::kTensorFloat16:
    case Arithmetic::kTensorBfloat16:
      return true;
    case Arithmetic::kFloat32:
    case Arithmetic::kFloat64:
      return false;
  }
  return false;
}

/// Rows of a packed matrix are padded with zero rows to a multiple of this, and rows to a multiple of this many bytes.
constexpr int64_t kRowMultiple = 128;
constexpr int64_t kPitchBytes = 128;

/// Tensor arithmetic with dim <= 256: the pitch, in elements, is 64, 128 or 256, as gradient tiles want it.
constexpr int64_t packed_pitch(Arithmetic a, int64_t dim) {
  if (is_tensor(a) && dim <= 256) return dim <= 64 ? 64 : dim <= 128 ? 128 : 256;
  const int64_t multiple = kPitchBytes / element_bytes(a);
  return (dim + multiple - 1) / multiple * multiple;
}
constexpr int64_t padded_rows(int64_t rows) { return (rows + kRowMultiple - 1) / kRowMultiple * kRowMultiple; }

/// A tile of sum_tiles, diagonal_tiles and gradient_strips: `side` rows of X and as many of Y. Tensor products read
/// from shared memory what a warp's part of the tile has of both: squares of 64 need 64 bytes for what takes 96 in
/// oblongs of 64 x 32. Registers have no place for the second set of sums of two planes beside a square of 64.
struct TileSize {
  int side;
  int warps;                    ///< in two rows
  int stages;                   ///< slabs of both operands in shared memory: one in use, the rest under way
  int blocks_a_multiprocessor;  ///< a second set of sums, for two planes, takes the registers of a second block
};
constexpr TileSize tile_size(Arithmetic arithmetic, int planes) {
  switch (arithmetic) {
    case Arithmetic::kTensorFloat16:
      return {.side = 128, .warps = planes == 2 ? 8 : 4, .stages = 4, .blocks_a_multiprocessor = planes == 2 ? 1 : 2};
    case Arithmetic::kTensorBfloat16:
      return {.side = 128, .warps = 4, .stages = 4, .blocks_a_multiprocessor = 2};
    case Arithmetic::kFloat32:
      return {.side = 128, .warps = 8, .stages = 2, .blocks_a_multiprocessor = 2};
    case Arithmetic::kFloat64:
      return {.side = 64, .warps = 8, .stages = 4, .blocks_a_multiprocessor = 2};
  }
  return {};
}

/// A tile of gradient_tiles: kGradientXRows rows of X, which stay, and `y_rows` of Y, one of kGradientStages stages. A
/// warp's sums of 32 rows (4 octets) would take all its registers at a pitch of 256, and with the three products of two
/// planes at 128.
struct GradientTileSize {
  int planes;
  int pitch;
  int y_rows;
  int row_octets;      ///< rows of a warp, over 8
  int octets_at_once;  ///< columns of G Y that are summed at a time, over 8
  bool keeps_x;        ///< a warp's rows of X in its registers, for all tiles of Y
};
constexpr int kGradientXRows = 128;
constexpr int kGradientStages = 2;
constexpr GradientTileSize kGradientTileSizes[] = {
    {.planes = 1, .pitch = 64, .y_rows = 64, .row_octets = 4, .octets_at_once = 2, .keeps_x = false},
    {.planes = 1, .pitch = 128, .y_rows = 32, .row_octets = 4, .octets_at_once = 2, .keeps_x = false},
    {.planes = 1, .pitch = 256, .y_rows = 32, .row_octets = 2, .octets_at_once = 2, .keeps_x = true},
    {.planes = 2, .pitch = 64, .y_rows = 32, .row_octets = 4, .octets_at_once = 2, .keeps_x = false},
    {.planes = 2, .pitch = 128, .y_rows = 32, .row_octets = 2, .octets_at_once = 2, .keeps_x = false},
    {.planes = 2, .pitch = 256, .y_rows = 16, .row_octets = 2, .octets_at_once = 2, .keeps_x = false},
};
constexpr GradientTileSize gradient_tile_size(int planes, int64_t pitch) {
  for (const GradientTileSize& size : kGradientTileSizes) {
    if (size.planes == planes && size.pitch == pitch) return size;
  }
  return {};
}

/// Numbers that a row of X brings to gradient tiles (scale, coefficient, reference), and one of Y (also a multiplier).
constexpr int kGradientXFactors = 3;
constexpr int kGradientYFactors = 4;
constexpr int64_t kGradientTaskBytes = 160;
/// Shared memory of a block of gradient_tiles: more than 99 KiB with two planes and a pitch of 256 only.
constexpr int64_t gradient_shared_bytes(int planes, int64_t pitch) {
  const int64_t y_rows = int64_t{kGradientStages} * gradient_tile_size(planes, pitch).y_rows;
  return planes * (kGradientXRows + y_rows) * pitch * 2 +
         (kGradientXFactors * kGradientXRows + kGradientYFactors * y_rows) * static_cast<int64_t>(sizeof(float)) +
         kGradientTaskBytes;
}

/// Of blocks of gradient_tiles, registers let one of eight warps or two of four be on a multiprocessor.
constexpr int gradient_blocks(const GradientTileSize& size) { return size.row_octets == 4 ? 2 : 1; }

/// A packed matrix: planes[plane][row][pitch], 128-byte aligned, padding zero. With two planes (kTensorFloat16 only) a
/// number is their sum, high plane first.
struct Operand {
  const void* planes;
  int64_t plane_stride;  ///< elements
  int64_t pitch;         ///< elements
  int64_t rows;          ///< without padding
  const float* scales;   ///< tensor arithmetic: one a row, padding 0; null: all 1
  const void* squares;   ///< Euclidean similarities (never with tensor arithmetic): squared norms, float or double
  CallerRows caller{};   ///< Operands::from_caller
  const int32_t* groups = nullptr;  ///< or labels, see Operands::kept_groups; null: there are neither
  const double* limits = nullptr;   ///< pairs whose similarity is above their row's are not kept, padded; null: all are
};

/// Which pairs groups let be kept: as the marks that a tile's row begins with, which change where groups are one.
constexpr uint32_t kOtherGroups = 0;
constexpr uint32_t kSameGroup = ~0u;  ///< of one group >= 0

/// The two matrices, of one pitch, the similarity between their rows, and the call they belong to.
/// Products of two planes are (low high + high low) + high high, summed so that X and Y may change places.
/// Limits are of one side at most; gradient_tiles has none.
/// s_ij = product_ij * product_scale * (x.scales[i] * y.scales[j]), in float for tensor arithmetic; Euclidean:
/// -(x.squares[i] + y.squares[j] - 2 product_ij), or minus its root, from differences of rows where that cancels.
struct Operands {
  Operand x, y;
  int32_t planes;
  bool from_caller;  ///< kFloat64, not Euclidean: rows are the caller's, not those of planes
  float product_scale;
  nce_similarity similarity;  ///< cosine counts as dot here
  Excluded excluded;
  int64_t views_half;
  uint32_t kept_groups;  ///< where there are groups
  bool constant;         ///< gradients: f is 1, whatever the form
  const CallState* call;
  int32_t method;  ///< the launch is for calls with this method and status OK; else it does nothing
};

/// Sums that only metrics need, of rows of X, by group as Sums are.
struct MetricSums {
  double* count;       ///< of negatives
  double* above;       ///< how many of them have s > s+, compared as float or double like the tiles'
  double* tied;        ///< how many have s = s+
  double* similarity;  ///< sum of s
  double* uniformity;  ///< sum of y_factors[j] 2^(4 log2(e) cos_ij)
  /// Float, or double for kFloat64, whose norms a float cannot hold. cos_ij = product_ij * product_scale * these two;
  /// null: cos is s. Distances: from them and these of the caller's rows.
  const void* x_inverse_norms;
  const void* y_inverse_norms;
  const void* y_factors;  ///< null: instead of uniformity, similarity is in two parts, so that equal numbers have their
                          ///< mean exactly
};

/// Rows and columns (where wanted) of all tiles. Grid: x_groups x y_groups blocks; group g of G owns the tiles
/// [T g / G, T (g + 1) / G) of its side, T being the number of row (column) tiles.
struct SumTilesParams {
  Operands operands;
  const double* x_positive;  ///< s+ of rows of X, exactly as tiles compute it
  const double* y_positive;  ///< s+ of rows of Y; columns only
  int32_t x_groups, y_groups;
  bool add;            ///< to the sums of rows that are there; never with columns
  Sums rows;           ///< [y_groups][padded x.rows]
  Sums columns;        ///< [x_groups][padded y.rows]; value null: not wanted
  MetricSums metrics;  ///< above null: not wanted
  /// By what exponentials of columns are multiplied, padded; never with columns. Null: all 1.
  const double* y_weights = nullptr;
  /// Rows of Y that each row of X has for itself, in its order; then x_groups are the tiles of X, y_groups is 1, and
  /// each tile meets its rows' own alone. 0: all meet all.
  int64_t own = 0;
};
void launch_sum_tiles(const SumTilesParams& params, Arithmetic arithmetic, cudaStream_t stream);

/// similarities[x_first + i] = s of row x_first + i of X and row y_first + i of Y, bit for bit as the tiles have it.
/// The last rows of a tile may reach into the padding, or beyond count; they are not written.
struct DiagonalParams {
  Operands operands;
  int64_t x_first, y_first, count;
  double* similarities;
};
void launch_diagonal_tiles(const DiagonalParams& params, Arithmetic arithmetic, cudaStream_t stream);

/// The coefficients a of rows and b of columns: G_ij = f_ij a_i + f_ji b_j over negatives j, else 0. f_ij is
/// 2^(s log2(e)/tau - shift) (kBounded), 2^((s - x_references[i]) log2(e) / tau) and, for y, with y_references[j]
/// (kOnline), sigmoid((s + shift) / tau) (kLogistic). kNegEuclidean: G is divided by -s, and is 0 where s is 0. Arrays
/// are float (double for kFloat64), padded with 0.
struct Coefficients {
  const void* x;  ///< null: all 0
  const void* y;
  const void* x_references;  ///< kOnline, where there are coefficients
  const void* y_references;
};

/// A launch's tiles of X by Y in shares that are equal up to one tile, each a block's. Tile (x, y) has number
/// x * y_tiles + y, and share k of S the numbers [T k / S, T (k + 1) / S). What share k sums for rows of tile x goes to
/// slot x + k: along the numbers one of both grows and neither shrinks, so that no other pair has that slot.
struct Cut {
  int64_t x_tiles;
  int64_t y_tiles;
  int64_t shares;  ///< at most as many as tiles

  NCE_HOST_DEVICE constexpr int64_t tiles() const { return x_tiles * y_tiles; }
  NCE_HOST_DEVICE constexpr int64_t begin(int64_t share) const { return tiles() * share / shares; }
  NCE_HOST_DEVICE constexpr int64_t share_of(int64_t tile) const { return ((tile + 1) * shares - 1) / tiles(); }
  NCE_HOST_DEVICE constexpr int64_t first_slot(int64_t x) const { return x + share_of(x * y_tiles); }
  NCE_HOST_DEVICE constexpr int64_t last_slot(int64_t x) const { return x + share_of((x + 1) * y_tiles - 1); }
  NCE_HOST_DEVICE constexpr int64_t slots() const { return tiles() == 0 ? 0 : x_tiles + shares - 1; }
};

/// Sums over negatives j of G_ij times rows of Y, for the tiles of X from row x_first on.
/// Tensor arithmetic: of G_ij g_scale y_relative[j] times what the planes hold.
struct GradientSumsParams {
  Operands operands;
  Coefficients coefficients;
  float g_scale;
  const float* y_relative;  ///< null: all 1
  int64_t x_first;          ///< a multiple of kRowMultiple
  Cut cut;                  ///< may have more tiles of X or Y than there are: those are empty
  bool add;                 ///< to the sums that are there, of a launch with the same cut
  void* sums;               ///< [slots][rows of a tile of X][x.pitch], float (double for kFloat64)
  int64_t own = 0;          ///< as in SumTilesParams
  int64_t own_of_y = 0;     ///< the same of rows of X that each row of Y has for itself
};

/// Rows of Y.
struct YRows {
  int64_t begin;
  int64_t end;
};

/// Those that a tile of X meets, which has so many rows from x_first on.
NCE_HOST_DEVICE inline YRows y_rows_of(const GradientSumsParams& params, int64_t x_first, int64_t tile_rows) {
  const int64_t rows = params.operands.y.rows;
  if (x_first >= params.operands.x.rows) return {0, 0};
  YRows result{0, rows};
  if (params.own > 0) result = {x_first * params.own, (x_first + tile_rows) * params.own};
  if (params.own_of_y > 0) {
    result.begin = x_first / (tile_rows * params.own_of_y) * tile_rows;
    result.end = result.begin + tile_rows;
  }
  if (result.end > rows) result.end = rows;
  return result;
}

/// Tensor arithmetic with pitch <= 256 only, two planes from the shared memory of sm_80 on.
void launch_gradient_tiles(const GradientSumsParams& params, Arithmetic arithmetic, cudaStream_t stream);

/// Rows of Y for which a block of gradient_strips makes G before it multiplies.
constexpr int64_t strip_rows(Arithmetic arithmetic) { return is_tensor(arithmetic) ? 512 : 256; }
/// A block's scratch.
constexpr int64_t strip_bytes(Arithmetic arithmetic, int planes) {
  return tile_size(arithmetic, planes).side * strip_rows(arithmetic) * element_bytes(arithmetic) * planes;
}

/// Shared memory of a block of gradient_strips: a ring of slabs of both operands, a task, and seven numbers for each
/// row and column.
constexpr int64_t kStripTaskBytes = 128;
constexpr int64_t strip_shared_bytes(Arithmetic arithmetic, int planes) {
  const TileSize size = tile_size(arithmetic, planes);
  return int64_t{size.stages} * 2 * size.side * 64 + kStripTaskBytes + int64_t{7} * size.side * real_bytes(arithmetic);
}

/// Every arithmetic and pitch.
struct GradientStripsParams {
  GradientSumsParams of;
  void* scratch;   ///< strip_bytes for each share
  double* g_sums;  ///< [slots][rows of a tile]: sums of G_ij alone, which distances need; null: not wanted
  /// By what G is multiplied, rows and columns, padded. Null: all 1.
  const double* x_weights = nullptr;
  const double* y_weights = nullptr;
};
void launch_gradient_strips(const GradientStripsParams& params, Arithmetic arithmetic, cudaStream_t stream);

}  // namespace nce::cuda::tile
