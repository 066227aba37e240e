// Prints what kernels are made of and how plans cut their work, for tools/gates/peak_shares.py: the constants of the
// kernels' own headers, and the plans' own choices. One line a fact: a word, then names and numbers.

#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include "cuda/dense/methods.h"
#include "cuda/tile/product.h"

namespace nce::bench {
namespace {

using cuda::dense::Architecture;
using cuda::dense::Method;
using cuda::tile::Arithmetic;

template <typename S>
void print_square(const char* dtype, Arithmetic arithmetic, int planes) {
  std::printf(
      "square dtype %s arithmetic %d planes %d tensor %d side %d row_octets %d column_octets %d warps %d "
      "element_bytes %d depth %d\n",
      dtype, static_cast<int>(arithmetic), planes, S::kTensor ? 1 : 0, S::kSide, S::kRowOctets, S::kColumnOctets,
      cuda::tile::kThreads / 32, S::kElementBytes, S::kDepth);
}

void print_gradient_tiles() {
  for (const cuda::tile::GradientTileSize& size : cuda::tile::kGradientTileSizes) {
    std::printf("gradient planes %d pitch %d x_rows %d y_rows %d row_octets %d octets_at_once %d shared %lld\n",
                size.planes, size.pitch, cuda::tile::kGradientXRows, size.y_rows, size.row_octets, size.octets_at_once,
                static_cast<long long>(cuda::tile::gradient_shared_bytes(size.planes, size.pitch)));
  }
}

loss::Problem symmetric(nce_dtype dtype, int64_t n, int64_t dim) {
  nce_plan_desc desc{};
  desc.struct_size = sizeof desc;
  desc.loss = NCE_LOSS_INFONCE;
  desc.symmetric = 1;
  desc.dtype = desc.gradient_dtype = dtype;
  desc.n = desc.m = n;
  desc.dim = dim;
  desc.workspace_budget_bytes = int64_t{256} << 20;
  return loss::Problem(desc);
}

int side_of(const Method& method) { return cuda::tile::tile_size(method.arithmetic, method.planes).side; }

void print_plan(const char* dtype, const loss::Problem& problem, int capability) {
  const Architecture& architecture = cuda::dense::architecture_for(capability);
  const Method method = cuda::dense::choose_methods(problem, architecture)[0];
  const int64_t n = problem.desc.n;
  const int64_t pitch = cuda::tile::packed_pitch(method.arithmetic, problem.desc.dim);
  const int64_t side = side_of(method);
  const int64_t tiles = (n + side - 1) / side;
  const cuda::dense::Groups groups = cuda::dense::choose_groups(tiles, tiles, true, architecture);
  const bool gradient = cuda::dense::uses_gradient_tiles(method, problem.desc.dim, architecture);
  int64_t x_tiles = 0, y_tiles = 0, splits = 0, block_rows = 0, block_columns = 0;
  if (gradient) {
    const int64_t rows = cuda::tile::gradient_tile_size(method.planes, pitch).y_rows;
    x_tiles = (n + cuda::tile::kGradientXRows - 1) / cuda::tile::kGradientXRows;
    y_tiles = (n + rows - 1) / rows;
    splits = cuda::dense::choose_splits(x_tiles, y_tiles, architecture);
  } else {
    const cuda::dense::Blocks blocks = cuda::dense::choose_blocks(method, problem.x_rows, problem.y_rows, true,
                                                                  problem.desc.workspace_budget_bytes, architecture);
    block_rows = blocks.x_rows;
    block_columns = blocks.y_rows;
  }
  std::printf(
      "plan dtype %s sm %d n %lld dim %lld arithmetic %d planes %d pitch %lld tiles %lld x_groups %d y_groups %d "
      "gradient_x_tiles %lld gradient_y_tiles %lld splits %lld block_rows %lld block_columns %lld multiprocessors %d\n",
      dtype, capability, static_cast<long long>(n), static_cast<long long>(problem.desc.dim),
      static_cast<int>(method.arithmetic), method.planes, static_cast<long long>(pitch), static_cast<long long>(tiles),
      groups.x, groups.y, static_cast<long long>(x_tiles), static_cast<long long>(y_tiles),
      static_cast<long long>(splits), static_cast<long long>(block_rows), static_cast<long long>(block_columns),
      architecture.multiprocessors);
}

void print_all() {
  using cuda::tile::Shape;
  print_square<Shape<Arithmetic::kTensorFloat16, 1>>("float16", Arithmetic::kTensorFloat16, 1);
  print_square<Shape<Arithmetic::kTensorFloat16, 2>>("float32", Arithmetic::kTensorFloat16, 2);
  print_square<Shape<Arithmetic::kTensorBfloat16, 1>>("bfloat16", Arithmetic::kTensorBfloat16, 1);
  print_square<Shape<Arithmetic::kFloat32, 1>>("float32", Arithmetic::kFloat32, 1);
  print_gradient_tiles();
  for (const int capability : {75, 80, 86, 89, 90, 100, 120}) {
    for (const int64_t dim : {64, 128, 256, 512}) {
      for (int64_t n = 4096; n <= 65536; n += 128) {
        print_plan("bfloat16", symmetric(NCE_DTYPE_BFLOAT16, n, dim), capability);
        print_plan("float32", symmetric(NCE_DTYPE_FLOAT32, n, dim), capability);
      }
    }
  }
}

}  // namespace
}  // namespace nce::bench

int main() {
  nce::bench::print_all();
  return EXIT_SUCCESS;
}
