#include "bench/cuda/baseline.h"

#include <algorithm>

namespace nce::bench {
namespace {

constexpr int64_t kAlignment = 256;
constexpr double kLog2E = 1.4426950408889634;
constexpr double kLargestExponent = 119.0;

void* place_of(void* workspace, int64_t offset) { return static_cast<std::byte*>(workspace) + offset; }

template <typename T>
T* at(void* workspace, int64_t offset) {
  return static_cast<T*>(place_of(workspace, offset));
}

const std::byte* row_of(const void* matrix, int64_t row, int64_t dim, Element element) {
  return static_cast<const std::byte*>(matrix) + row * dim * element_bytes(element);
}

float scale_of(const BaselineShape& shape) { return static_cast<float>(kLog2E / shape.temperature); }
float shift_of(const BaselineShape& shape) {
  return static_cast<float>(std::max(0.0, kLog2E / shape.temperature - kLargestExponent));
}

}  // namespace

Baseline::Baseline(const BaselineShape& shape)
    : shape_(shape),
      block_(std::min(shape.block, shape.n)),
      row_tiles_((shape.n + kSumRows - 1) / kSumRows),
      column_tiles_((shape.n + kSumColumns - 1) / kSumColumns) {
  const int64_t n = shape.n;
  const int64_t matrix = n * shape.dim;
  unit_queries_ = place(matrix * element_bytes(shape.element));
  unit_keys_ = place(matrix * element_bytes(shape.element));
  query_norms_ = place(4 * n);
  key_norms_ = place(4 * n);
  similarities_ = place(4 * block_ * block_);
  gradient_ = place(element_bytes(shape.element) * block_ * block_);
  row_sums_ = place(4 * column_tiles_ * n);
  column_sums_ = place(4 * row_tiles_ * n);
  positives_ = place(4 * n);
  row_weights_ = place(4 * n);
  column_weights_ = place(4 * n);
  diagonal_ = place(4 * n);
  losses_ = place(8 * n);
  sum_queries_ = place(4 * matrix);
  sum_keys_ = place(4 * matrix);
}

int64_t Baseline::place(int64_t bytes) {
  const int64_t offset = bytes_;
  bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return offset;
}

template <typename Body>
void Baseline::for_blocks(const Body& body) const {
  for (int64_t row = 0; row < shape_.n; row += block_) {
    for (int64_t column = 0; column < shape_.n; column += block_) {
      body(Block{row, column, std::min(block_, shape_.n - row), std::min(block_, shape_.n - column)});
    }
  }
}

void Baseline::similarities(const Block& block, void* workspace, Gemm& gemm, cudaStream_t stream) const {
  const int64_t dim = shape_.dim;
  gemm.multiply({.rows = block.rows,
                 .columns = block.columns,
                 .depth = dim,
                 .a = row_of(place_of(workspace, unit_queries_), block.row, dim, shape_.element),
                 .a_pitch = dim,
                 .a_transposed = false,
                 .b = row_of(place_of(workspace, unit_keys_), block.column, dim, shape_.element),
                 .b_pitch = dim,
                 .b_transposed = true,
                 .c = at<float>(workspace, similarities_),
                 .c_pitch = block_,
                 .beta = 0.0F},
                shape_.element, stream);
}

void Baseline::forward(const BaselineCall& call, void* workspace, Gemm& gemm, cudaStream_t stream) const {
  const int64_t n = shape_.n;
  launch_normalise(
      {call.queries, place_of(workspace, unit_queries_), at<float>(workspace, query_norms_), n, shape_.dim},
      shape_.element, stream);
  launch_normalise({call.keys, place_of(workspace, unit_keys_), at<float>(workspace, key_norms_), n, shape_.dim},
                   shape_.element, stream);
  for_blocks([&](const Block& block) {
    similarities(block, workspace, gemm, stream);
    launch_sum_block({.similarities = at<float>(workspace, similarities_),
                      .pitch = block_,
                      .first_row = block.row,
                      .first_column = block.column,
                      .rows = block.rows,
                      .columns = block.columns,
                      .scale = scale_of(shape_),
                      .shift = shift_of(shape_),
                      .n = n,
                      .row_sums = at<float>(workspace, row_sums_),
                      .column_sums = at<float>(workspace, column_sums_),
                      .positives = at<float>(workspace, positives_)},
                     stream);
  });
  launch_finish_sums({.row_sums = at<float>(workspace, row_sums_),
                      .column_sums = at<float>(workspace, column_sums_),
                      .row_tiles = row_tiles_,
                      .column_tiles = column_tiles_,
                      .positives = at<float>(workspace, positives_),
                      .n = n,
                      .scale = scale_of(shape_),
                      .shift = shift_of(shape_),
                      .inverse_temperature = static_cast<float>(1.0 / shape_.temperature),
                      .symmetric = shape_.symmetric ? 1 : 0,
                      .row_weights = at<float>(workspace, row_weights_),
                      .column_weights = at<float>(workspace, column_weights_),
                      .diagonal = at<float>(workspace, diagonal_),
                      .losses = at<double>(workspace, losses_)},
                     stream);
  launch_mean({at<double>(workspace, losses_), n, call.loss}, stream);
}

void Baseline::backward(const BaselineCall& call, void* workspace, Gemm& gemm, cudaStream_t stream) const {
  const int64_t dim = shape_.dim;
  for_blocks([&](const Block& block) {
    if (!whole()) similarities(block, workspace, gemm, stream);
    launch_weigh_block({.similarities = at<float>(workspace, similarities_),
                        .gradient = place_of(workspace, gradient_),
                        .pitch = block_,
                        .first_row = block.row,
                        .first_column = block.column,
                        .rows = block.rows,
                        .columns = block.columns,
                        .scale = scale_of(shape_),
                        .shift = shift_of(shape_),
                        .row_weights = at<float>(workspace, row_weights_),
                        .column_weights = at<float>(workspace, column_weights_),
                        .diagonal = at<float>(workspace, diagonal_)},
                       shape_.element, stream);
    Product product{.rows = block.rows,
                    .columns = dim,
                    .depth = block.columns,
                    .a = place_of(workspace, gradient_),
                    .a_pitch = block_,
                    .a_transposed = false,
                    .b = row_of(place_of(workspace, unit_keys_), block.column, dim, shape_.element),
                    .b_pitch = dim,
                    .b_transposed = false,
                    .c = at<float>(workspace, sum_queries_) + block.row * dim,
                    .c_pitch = dim,
                    .beta = block.column > 0 ? 1.0F : 0.0F};
    gemm.multiply(product, shape_.element, stream);
    product.rows = block.columns;
    product.depth = block.rows;
    product.a_transposed = true;
    product.b = row_of(place_of(workspace, unit_queries_), block.row, dim, shape_.element);
    product.c = at<float>(workspace, sum_keys_) + block.column * dim;
    product.beta = block.row > 0 ? 1.0F : 0.0F;
    gemm.multiply(product, shape_.element, stream);
  });
  const auto factor = static_cast<float>(1.0 / static_cast<double>(shape_.n));
  launch_finish_gradient({at<float>(workspace, sum_queries_), place_of(workspace, unit_queries_),
                          at<float>(workspace, query_norms_), call.d_queries, shape_.n, dim, factor},
                         shape_.element, stream);
  launch_finish_gradient({at<float>(workspace, sum_keys_), place_of(workspace, unit_keys_),
                          at<float>(workspace, key_norms_), call.d_keys, shape_.n, dim, factor},
                         shape_.element, stream);
}

void Baseline::forward_backward(const BaselineCall& call, void* workspace, Gemm& gemm, cudaStream_t stream) const {
  forward(call, workspace, gemm, stream);
  backward(call, workspace, gemm, stream);
}

}  // namespace nce::bench
