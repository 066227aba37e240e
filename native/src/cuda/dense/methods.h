#pragma once
// What a plan chooses before any number is known: arithmetic, and how work is cut. From the shape, the types and the
// compute capability alone, so that results are the same on every device that is opened for that capability.

#include <cstdint>
#include <vector>

#include "cuda/tile/tile_kernels.h"
#include "loss/problem.h"

namespace nce::cuda::dense {

using loss::Problem;
using tile::Arithmetic;

/// What matters of an architecture.
struct Architecture {
  int32_t capability;       ///< 10 * major + minor
  int64_t shared_bytes;     ///< dynamic shared memory that a block may have
  int64_t cache_bytes;      ///< second-level cache
  int32_t multiprocessors;  ///< of its usual device: work is cut for so many
  bool tensor;              ///< multiply_add and copies that overlap
  bool split_is_faster;     ///< three tensor products of 16-bit planes beat one of float fused multiply-adds
};

constexpr int32_t kSmallestCapability = 75;

/// The newest architecture of the table that is not newer than `capability` (at least 75).
const Architecture& architecture_for(int32_t capability);

/// A way to compute a plan's products.
struct Method {
  Arithmetic arithmetic;
  int32_t planes;
  bool packed;  ///< else tiles read the caller's rows
};

/// The primary method; and kFloat64, where numbers may demand it of a PRECISE plan. Few calls do, so that for it no
/// memory is taken to pack rows as doubles, two to four times their size.
std::vector<Method> choose_methods(const Problem& problem, const Architecture& architecture);

/// Groups of sum_tiles' rows and columns.
struct Groups {
  int32_t x;
  int32_t y;
};
Groups choose_groups(int64_t x_tiles, int64_t y_tiles, bool columns, const Architecture& architecture);

/// Whether gradients come from gradient_tiles rather than from blocks of G.
bool uses_gradient_tiles(const Method& method, int64_t dim, const Architecture& architecture);

/// Parts of Y in gradient_tiles, so that few rows of X still occupy the device.
int32_t choose_splits(int64_t x_tiles, int64_t y_tiles, const Architecture& architecture);

/// Blocks of G. Sums run over parts of `depth` rows, which follow from the method alone; a block is some of these in
/// each direction, by what the budget and the cache hold. So the budget changes no bit.
struct Blocks {
  int64_t depth;
  int64_t x_rows;  ///< multiples of depth
  int64_t y_rows;
};
int64_t block_bytes(const Method& method, int64_t x_rows, int64_t y_rows, bool transposed);
Blocks choose_blocks(const Method& method, int64_t x_rows, int64_t y_rows, bool transposed, int64_t budget_bytes,
                     const Architecture& architecture);

}  // namespace nce::cuda::dense
