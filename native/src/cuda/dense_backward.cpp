#include "cuda/dense_call.h"
#include "cuda/kernels.h"

namespace nce::cuda {
namespace {

/// Where the gradient of a matrix's rows goes; null: not wanted.
struct Target {
  void* first;
  int64_t first_stride;
  int64_t first_rows;
  void* second;
  int64_t second_stride;

  bool wanted() const { return first != nullptr || second != nullptr; }
};

/// The rows of one matrix in the role of X: their gradient is asked for.
struct Side {
  PackedMatrix x;
  int64_t rows;
  Norms norms;
  PackedMatrix y;  ///< what they are compared with
  int64_t y_rows;  ///< 0: nothing, they are positives only
  const RowRange* y_range;
  const void* sums;
  int32_t splits;
  const double* weight_sums;
  PackedMatrix positives;
  int64_t positive_rows;  ///< rows that have a positive
  Target target;
};

void* at(void* base, int64_t bytes) { return static_cast<std::byte*>(base) + bytes; }
const void* at(const void* base, int64_t bytes) { return static_cast<const std::byte*>(base) + bytes; }

/// The backward pass of one method; its launches do nothing for calls of another.
class Backward {
 public:
  Backward(const DenseCall& call, int32_t index, Carver& carver)
      : call_(call),
        problem_(call.problem),
        index_(index),
        method_(call.methods[static_cast<std::size_t>(index)]),
        rows_(carver, problem_, call.state, method_),
        scratch_(carver, problem_, call.state, method_, call.architecture) {}

  void enqueue() const {
    const Side x = x_side();
    const Side y = y_side();
    launch_weights(weights(), method_.arithmetic, call_.stream);
    if (call_.has_y() && !scratch_.tiles) sum_blocks(x.target.wanted(), y.target.wanted());
    finish(x, true);
    finish(y, false);
    if (problem_.shared) finish(z_side(), false);
  }

  /// The same for all methods but for the places of weights.
  WeightsParams weights() const {
    const DenseState& state = call_.state;
    WeightsParams params{};
    params.call = call_.call;
    params.method = index_;
    params.logistic = problem_.logistic ? 1 : 0;
    params.similarity = problem_.desc.similarity;
    params.reduction = problem_.desc.reduction;
    params.rows = problem_.x_rows;
    params.x_allocated = state.x_allocated;
    params.y_allocated = problem_.symmetric ? state.y_allocated : 0;
    params.views_half = problem_.tower ? problem_.x_rows / 2 : 0;
    params.negative_factor = problem_.negative_factor;
    params.weights = call_.in.weights;
    params.upstream = call_.in.upstream;
    params.upstream_per_row = call_.in.upstream_per_row;
    params.positive = state.positive;
    params.row_value = state.row_value;
    params.row_slope = state.row_slope;
    params.column_value = state.column_value;
    params.column_slope = state.column_slope;
    params.x_weights = scratch_.x_weights;
    params.x_references = scratch_.x_references;
    params.y_weights = scratch_.y_weights;
    params.y_references = scratch_.y_references;
    params.positive_weights = scratch_.positive_weights;
    params.d_temperature = call_.out.d_temperature;
    params.totals = call_.scratch.slopes;
    return params;
  }

 private:
  Side x_side() const {
    const nce_outputs& out = call_.out;
    Side side{};
    side.x = rows_.x;
    side.rows = problem_.x_rows;
    side.norms = call_.state.x_norms;
    side.y = rows_.y;
    side.y_rows = problem_.y_rows;
    side.y_range = &call_.state.ranges[problem_.tower ? 0 : 1];
    side.sums = scratch_.x_sums;
    side.splits = scratch_.x_splits;
    side.weight_sums = scratch_.x_weight_sums;
    side.positives = problem_.tower ? rows_.x : problem_.shared ? rows_.z : rows_.y;
    side.positive_rows = problem_.x_rows;
    side.target = {out.d_queries, out.d_queries_stride, problem_.desc.n, nullptr, 0};
    if (problem_.tower) {
      side.target.second = out.d_keys;
      side.target.second_stride = out.d_keys_stride;
    }
    return side;
  }

  Side y_side() const {
    const nce_outputs& out = call_.out;
    Side side{};
    if (problem_.tower) return side;
    side.x = rows_.y;
    side.rows = problem_.y_rows;
    side.norms = call_.state.y_norms;
    side.y = rows_.x;
    side.y_rows = problem_.x_rows;
    side.y_range = &call_.state.ranges[0];
    side.sums = scratch_.y_sums;
    side.splits = scratch_.y_splits;
    side.weight_sums = scratch_.y_weight_sums;
    side.positives = rows_.x;
    side.positive_rows = problem_.shared ? 0 : problem_.x_rows;
    side.target = problem_.shared ? Target{out.d_negatives, out.d_negatives_stride, problem_.y_rows, nullptr, 0}
                                  : Target{out.d_keys, out.d_keys_stride, problem_.y_rows, nullptr, 0};
    return side;
  }

  Side z_side() const {
    Side side{};
    side.x = rows_.z;
    side.rows = problem_.z_rows;
    side.norms = call_.state.z_norms;
    side.positives = rows_.x;
    side.positive_rows = problem_.x_rows;
    side.target = {call_.out.d_keys, call_.out.d_keys_stride, problem_.z_rows, nullptr, 0};
    return side;
  }

  /// Weights of X's rows and Y's; one tower has the same on both sides.
  Weights weights_of_pair() const {
    const bool y = problem_.tower || problem_.symmetric;
    return {scratch_.x_weights, y ? scratch_.y_weights : nullptr, scratch_.x_references,
            y ? scratch_.y_references : nullptr};
  }

  float gradient_scale() const { return is_tensor(method_.arithmetic) ? kTensorGradientScale : 1.0f; }

  void sum_tiles(const Side& side, bool queries) const {
    GradientTilesParams params{};
    params.pair = pair_of(call_, index_, side.x, side.rows, side.y, side.y_rows);
    params.weights = weights_of_pair();
    if (!queries) {
      std::swap(params.weights.x_weights, params.weights.y_weights);
      std::swap(params.weights.x_references, params.weights.y_references);
    }
    params.g_scale = gradient_scale();
    params.y_relative = side.y.relative;
    params.splits = side.splits;
    params.sums = static_cast<float*>(queries ? scratch_.x_sums : scratch_.y_sums);
    launch_gradient_tiles(params, method_.arithmetic, call_.stream);
  }

  void sum_blocks(bool x_wanted, bool y_wanted) const {
    if (!x_wanted && !y_wanted) return;
    const int64_t x_rows = padded_rows(problem_.x_rows);
    const int64_t y_rows = padded_rows(problem_.y_rows);
    for (int64_t x = 0; x < x_rows; x += scratch_.blocks.x_rows) {
      for (int64_t y = 0; y < y_rows; y += scratch_.blocks.y_rows) {
        const int64_t x_count = std::min(scratch_.blocks.x_rows, x_rows - x);
        const int64_t y_count = std::min(scratch_.blocks.y_rows, y_rows - y);
        weigh_block(x, y, x_count, y_count, y_wanted);
        if (x_wanted) {
          add_block(scratch_.g, scratch_.blocks.x_rows * scratch_.blocks.y_rows, y_count, x, x_count, y, y_count,
                    rows_.y, scratch_.x_sums, scratch_.x_weight_sums);
        }
        if (y_wanted) {
          add_block(scratch_.g_transposed, scratch_.blocks.x_rows * scratch_.blocks.y_rows, x_count, y, y_count, x,
                    x_count, rows_.x, scratch_.y_sums, scratch_.y_weight_sums);
        }
      }
    }
  }

  void weigh_block(int64_t x, int64_t y, int64_t x_count, int64_t y_count, bool transposed) const {
    WeighTilesParams params{};
    params.pair = pair_of(call_, index_, rows_.x, problem_.x_rows, rows_.y, problem_.y_rows);
    params.weights = weights_of_pair();
    params.x_first = x;
    params.y_first = y;
    params.x_count = x_count;
    params.y_count = y_count;
    params.g_scale = gradient_scale();
    params.x_relative = rows_.x.relative;
    params.y_relative = rows_.y.relative;
    params.g = scratch_.g;
    params.g_transposed = transposed ? scratch_.g_transposed : nullptr;
    params.g_pitch = y_count;
    params.transposed_pitch = x_count;
    params.g_plane_stride = params.transposed_plane_stride = scratch_.blocks.x_rows * scratch_.blocks.y_rows;
    launch_weigh_tiles(params, method_.arithmetic, call_.stream);
  }

  /// Adds a block of G times rows of B to sums, a part of `depth` rows after another, whatever the block holds.
  void add_block(const std::byte* g, int64_t g_plane_stride, int64_t g_pitch, int64_t first, int64_t count,
                 int64_t b_first, int64_t b_count, const PackedMatrix& b, void* sums, double* weight_sums) const {
    const int64_t element = element_bytes(method_.arithmetic);
    const int64_t real = method_.arithmetic == Arithmetic::kFloat64 ? 8 : 4;
    for (int64_t part = 0; part < b_count; part += scratch_.blocks.depth) {
      AccumulateParams params{};
      params.call = call_.call;
      params.method = index_;
      params.planes = method_.planes;
      params.add = b_first + part > 0 ? 1 : 0;
      params.rows = count;
      params.columns = b.pitch;
      params.depth = std::min(scratch_.blocks.depth, b_count - part);
      params.a = at(g, part * element);
      params.a_pitch = g_pitch;
      params.a_plane_stride = g_plane_stride;
      params.b = at(b.planes, (b_first + part) * b.pitch * element);
      params.b_pitch = b.pitch;
      params.b_plane_stride = b.plane_stride;
      params.c = at(sums, first * b.pitch * real);
      params.c_pitch = b.pitch;
      launch_accumulate(params, method_.arithmetic, call_.stream);
      if (weight_sums == nullptr) continue;
      RowSumsParams row_sums{};
      row_sums.call = call_.call;
      row_sums.method = index_;
      row_sums.add = params.add;
      row_sums.rows = count;
      row_sums.columns = params.depth;
      row_sums.pitch = g_pitch;
      row_sums.g = params.a;
      row_sums.sums = weight_sums + first;
      launch_row_sums(row_sums, method_.arithmetic, call_.stream);
    }
  }

  static PackedRows packed_rows(const PackedMatrix& matrix) {
    return {matrix.planes, matrix.plane_stride, matrix.pitch, matrix.scales};
  }

  void finish(const Side& side, bool queries) const {
    if (!side.target.wanted() || side.rows == 0) return;
    const bool summed = side.y_rows > 0;
    if (summed && scratch_.tiles) sum_tiles(side, queries);
    FinishGradientParams params{};
    params.call = call_.call;
    params.method = index_;
    params.planes = method_.planes;
    params.similarity = problem_.desc.similarity;
    params.rows = side.rows;
    params.dim = problem_.desc.dim;
    params.x = packed_rows(side.x);
    params.positives = packed_rows(side.positives);
    params.positive_rows = side.positive_rows;
    params.views_half = problem_.tower ? problem_.x_rows / 2 : 0;
    params.positive_weights = scratch_.positive_weights;
    params.sums = summed ? side.sums : nullptr;
    params.split_stride = padded_rows(side.rows) * side.x.pitch;
    params.splits = side.splits;
    params.sums_factor = 1.0;
    if (is_tensor(method_.arithmetic)) {
      params.sums_factor = 1.0 / (static_cast<double>(kTensorGradientScale) * static_cast<double>(kPlaneScale));
    }
    params.y_range = rows_.packing == Packing::kPower ? side.y_range : nullptr;
    params.weight_sums = summed ? side.weight_sums : nullptr;
    params.norms = side.norms;
    params.gradient_dtype = problem_.desc.gradient_dtype;
    params.first = side.target.first;
    params.first_stride = side.target.first_stride;
    params.first_rows = side.target.first_rows;
    params.second = side.target.second;
    params.second_stride = side.target.second_stride;
    launch_finish_gradient(params, method_.arithmetic, call_.stream);
  }

  const DenseCall& call_;
  const DenseProblem& problem_;
  const int32_t index_;
  const Method method_;
  const MethodState rows_;
  const MethodBackward scratch_;
};

}  // namespace

void enqueue_backward(const DenseCall& call) {
  for (int32_t index = 0; index < static_cast<int32_t>(call.methods.size()); ++index) {
    Carver carver = call.rest;
    const Backward backward(call, index, carver);
    if (index == 0) launch_slopes(backward.weights(), call.stream);
    backward.enqueue();
  }
}

}  // namespace nce::cuda
