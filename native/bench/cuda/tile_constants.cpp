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
      S::kThreads / 32, S::kElementBytes, S::kDepth);
}

void print_gradient_tiles() {
  for (const cuda::tile::GradientTileSize& size : cuda::tile::kGradientTileSizes) {
    std::printf(
        "gradient planes %d pitch %d x_rows %d y_rows %d row_octets %d octets_at_once %d keeps_x %d shared %lld\n",
        size.planes, size.pitch, cuda::tile::kGradientXRows, size.y_rows, size.row_octets, size.octets_at_once,
        size.keeps_x ? 1 : 0, static_cast<long long>(cuda::tile::gradient_shared_bytes(size.planes, size.pitch)));
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

void print_plan(const char* dtype, const loss::Problem& problem, int capability) {
  const Architecture& architecture = cuda::dense::architecture_for(capability);
  const Method method = cuda::dense::choose_methods(problem, architecture)[0];
  const int64_t n = problem.desc.n;
  const int64_t dim = problem.desc.dim;
  const cuda::tile::TileSize square = cuda::tile::tile_size(method.arithmetic, method.planes);
  const int64_t tiles = (n + square.side - 1) / square.side;
  const cuda::dense::Groups groups =
      cuda::dense::choose_groups(tiles, tiles, true, {architecture.multiprocessors, square.blocks_a_multiprocessor});
  const cuda::dense::GradientCut cut =
      cuda::dense::cut_gradient(method, {.x_rows = n, .y_rows = n, .dim = dim, .distances = false, .whole = false},
                                cuda::dense::kNoLimit, architecture);
  std::printf(
      "plan dtype %s sm %d n %lld dim %lld arithmetic %d planes %d pitch %lld tiles %lld x_groups %d y_groups %d "
      "gradient_tiles %d gradient_work %lld shares %lld multiprocessors %d\n",
      dtype, capability, static_cast<long long>(n), static_cast<long long>(dim), static_cast<int>(method.arithmetic),
      method.planes, static_cast<long long>(cuda::tile::packed_pitch(method.arithmetic, dim)),
      static_cast<long long>(tiles), groups.x, groups.y,
      cuda::dense::uses_gradient_tiles(method, dim, architecture) ? 1 : 0, static_cast<long long>(cut.chunk.tiles()),
      static_cast<long long>(cut.chunk.shares), architecture.multiprocessors);
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
