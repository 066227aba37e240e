#pragma once
// The tile kernels' launches. All only enqueue. Tiles are tile_rows(a) rows of X by tile_rows(a) rows of Y.

#include <cuda_runtime.h>

#include "cuda/params.h"

namespace nce::cuda {

/// Rows, and columns, of a tile of sum_tiles and weigh_tiles.
constexpr int64_t tile_rows(Arithmetic a) { return a == Arithmetic::kFloat64 ? 64 : 128; }

void launch_sum_tiles(const SumTilesParams& params, Arithmetic arithmetic, cudaStream_t stream);
void launch_diagonal_tiles(const DiagonalParams& params, Arithmetic arithmetic, cudaStream_t stream);
void launch_weigh_tiles(const WeighTilesParams& params, Arithmetic arithmetic, cudaStream_t stream);
void launch_accumulate(const AccumulateParams& params, Arithmetic arithmetic, cudaStream_t stream);

/// Rows of X, and rows of Y, of a gradient tile.
int64_t gradient_tile_x_rows(int64_t pitch, int planes);
int64_t gradient_tile_y_rows(int64_t pitch, int planes);
/// Shared memory of a block: more than 99 KiB with two planes and a pitch of 256 only.
int64_t gradient_tiles_shared_bytes(int64_t pitch, int planes);
void launch_gradient_tiles(const GradientTilesParams& params, Arithmetic arithmetic, cudaStream_t stream);

}  // namespace nce::cuda
