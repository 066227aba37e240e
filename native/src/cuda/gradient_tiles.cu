// Sums over negatives of weights times rows, without weights ever leaving a warp's registers: run as (X, Y) it gives
// the gradient of X, as (Y, X) that of Y.

#include <string>

#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/tile/gradient.h"

namespace nce::cuda {
namespace {

template <typename S>
NCE_DEVICE void load_x_factors(const GradientTilesParams& p, const tile::GradientSpace<S>& space, int64_t x_first) {
  const int row = static_cast<int>(threadIdx.x);
  if (row >= S::kXRows) return;
  const auto weight = tile::row_weight<float>(p.weights.x_weights, p.weights.x_references, x_first + row);
  space.x_scales[row] = tile::row_factor<float>(p.pair, p.pair.x, x_first + row);
  space.x_weights[row] = weight.weight;
  space.x_references[row] = weight.reference;
}

template <typename S>
NCE_DEVICE tile::Place<S> place_of_warp() {
  tile::Place<S> place(static_cast<int>(threadIdx.x));
  place.warp_row = static_cast<int>(threadIdx.x) / 32;
  place.warp_column = 0;
  return place;
}

/// Grid: tiles of X by splits.
template <typename S>
__global__ void __launch_bounds__(S::kThreads) gradient_tiles(const GradientTilesParams p) {
  if constexpr (tile::kTensorCores) {
    const CallState& call = *p.pair.call;
    if (call.status != 0 || call.method != p.pair.method) return;
    const tile::GradientSpace<S> space(shared_memory());
    const int64_t x_first = int64_t{blockIdx.x} * S::kXRows;
    const int64_t y_tiles = (p.pair.y.rows + S::kYRows - 1) / S::kYRows;
    int64_t y_first = y_tiles * blockIdx.y / p.splits * S::kYRows;
    auto tiles_left = static_cast<int>(y_tiles * (blockIdx.y + 1) / p.splits - y_first / S::kYRows);

    const tile::Place<S> place = place_of_warp<S>();
    const tile::GradientProduct<S> product;
    const tile::Temperature<float> temperature(call);
    const Form form = call.form;
    tile::GradientSums<S> sums;
    tile::GradientStream<S> stream(p, space, y_first);
    load_x_factors<S>(p, space, x_first);
    if (tiles_left > 0) {
      stream.fetch_x(x_first);
      stream.fetch_y(0);
      copy_async_commit();
    }
    int stage = 0;
    NCE_NO_UNROLL
    for (; tiles_left > 0; --tiles_left) {
      copy_async_wait<0>();
      __syncthreads();  // the tile is there for all, and all have done with the one before
      if (tiles_left > 1) {
        stream.fetch_y(stage ^ 1);
        copy_async_commit();
      }
      tile::Fragment<S> fragment;
      product.multiply(space.x, space.y_stage(stage), fragment);
      const float* const factors = space.factors_stage(stage);
      if (form == Form::kBounded) {
        tile::weigh<Form::kBounded>(place, space, factors, temperature, p.pair.product_scale, p.g_scale, fragment);
      } else if (form == Form::kOnline) {
        tile::weigh<Form::kOnline>(place, space, factors, temperature, p.pair.product_scale, p.g_scale, fragment);
      } else {
        tile::weigh<Form::kLogistic>(place, space, factors, temperature, p.pair.product_scale, p.g_scale, fragment);
      }
      const tile::Mask mask(p.pair, x_first, y_first);
      if (mask.needed(S::kXRows, S::kYRows)) tile::clear_masked(mask, place, fragment);
      sums.add(fragment, space.y_stage(stage));
      stage ^= 1;
      y_first += S::kYRows;
    }
    const int64_t x_rows = tile::padded(p.pair.x.rows);
    sums.store(place, p.sums + (int64_t{blockIdx.y} * x_rows + x_first) * S::kPitch);
  }
}

template <Arithmetic kArithmetic, int kPlanes, typename Use>
void with_pitch(int64_t pitch, const Use& use) {
  switch (pitch) {
    case 64:
      return use(tile::GradientShape<kArithmetic, kPlanes, 64>{});
    case 128:
      return use(tile::GradientShape<kArithmetic, kPlanes, 128>{});
    case 256:
      return use(tile::GradientShape<kArithmetic, kPlanes, 256>{});
    default:
      throw Error(NCE_STATUS_INTERNAL, "gradient_tiles: no tile for a pitch of " + std::to_string(pitch));
  }
}

template <typename Use>
void with_gradient_shape(Arithmetic arithmetic, int64_t pitch, int planes, const Use& use) {
  if (arithmetic == Arithmetic::kTensorBfloat16) return with_pitch<Arithmetic::kTensorBfloat16, 1>(pitch, use);
  if (planes == 2) return with_pitch<Arithmetic::kTensorFloat16, 2>(pitch, use);
  return with_pitch<Arithmetic::kTensorFloat16, 1>(pitch, use);
}

}  // namespace

int64_t gradient_tile_x_rows(int64_t pitch, int planes) {
  int64_t rows = 0;
  with_gradient_shape(Arithmetic::kTensorFloat16, pitch, planes, [&](auto shape) { rows = decltype(shape)::kXRows; });
  return rows;
}

int64_t gradient_tile_y_rows(int64_t pitch, int planes) {
  int64_t rows = 0;
  with_gradient_shape(Arithmetic::kTensorFloat16, pitch, planes, [&](auto shape) { rows = decltype(shape)::kYRows; });
  return rows;
}

int64_t gradient_tiles_shared_bytes(int64_t pitch, int planes) {
  int64_t bytes = 0;
  with_gradient_shape(Arithmetic::kTensorFloat16, pitch, planes,
                      [&](auto shape) { bytes = decltype(shape)::kSharedBytes; });
  return bytes;
}

void launch_gradient_tiles(const GradientTilesParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  with_gradient_shape(arithmetic, params.pair.y.pitch, params.pair.planes, [&](auto shape) {
    using S = decltype(shape);
    const int64_t x_tiles = padded_rows(params.pair.x.rows) / S::kXRows;
    const dim3 grid(static_cast<unsigned>(x_tiles), static_cast<unsigned>(params.splits));
    launch({"gradient_tiles", grid, S::kThreads, S::kSharedBytes, stream}, gradient_tiles<S>, params);
  });
}

}  // namespace nce::cuda
