#pragma once
// What a plan chooses before any number is known: arithmetic, and how work is cut. From the shape, the types and the
// compute capability alone, so that results are the same on every device that is opened for that capability.

#include <cstdint>
#include <vector>

#include "cuda/tile/tile_kernels.h"
#include "loss/problem.h"
#include "loss/rounding.h"

namespace nce::cuda::dense {

using loss::divide_up;
using loss::Problem;
using tile::Arithmetic;

/// What matters of an architecture.
struct Architecture {
  int32_t capability;       ///< 10 * major + minor
  int64_t shared_bytes;     ///< dynamic shared memory that a block may have
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

/// Blocks of so much shared memory that are on a device at once, of at most `most` on a multiprocessor.
int64_t resident_blocks(int64_t most, int64_t shared_bytes, const Architecture& architecture);

/// Where blocks of a launch are at once.
struct Places {
  int64_t multiprocessors;
  int64_t blocks_a_multiprocessor;

  constexpr int64_t all() const { return multiprocessors * blocks_a_multiprocessor; }
};

/// Groups of sum_tiles' rows and columns.
struct Groups {
  int32_t x;
  int32_t y;
};
Groups choose_groups(int64_t x_tiles, int64_t y_tiles, bool columns, const Places& places);

/// Whether gradients come from gradient_tiles rather than from gradient_strips.
bool uses_gradient_tiles(const Method& method, int64_t dim, const Architecture& architecture);

/// One side of a problem whose gradient is asked for.
struct GradientSide {
  int64_t x_rows;  ///< 0: none
  int64_t y_rows;
  int64_t dim;
  bool distances;
  bool whole;            ///< not in chunks
  bool limited = false;  ///< by limits of rows, or has weights of columns, which gradient_strips alone know
};

/// How a side's gradient is cut: rows of X come in chunks, one after the other in the memory of one, and a chunk's
/// tiles in the shares of a launch.
struct GradientCut {
  bool tiles;          ///< sums come from gradient_tiles rather than from gradient_strips
  int64_t chunk_rows;  ///< a multiple of kRowMultiple; the last chunk may have fewer
  int64_t tile_rows;   ///< of X in a tile
  tile::Cut chunk;
  int64_t sums_bytes;
  int64_t g_sums_bytes;
  int64_t scratch_bytes;

  int64_t bytes() const { return sums_bytes + g_sums_bytes + scratch_bytes; }
  /// Of a chunk of fewer rows.
  tile::Cut of(int64_t rows) const;
};

constexpr int64_t kMostChunks = 3;
constexpr int64_t kNoLimit = INT64_MAX;

/// The fastest cut that takes at most so many bytes, or else the smallest.
GradientCut cut_gradient(const Method& method, const GradientSide& side, int64_t most_bytes,
                         const Architecture& architecture);

}  // namespace nce::cuda::dense
