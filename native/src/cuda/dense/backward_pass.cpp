#include "cuda/dense/packing.h"

namespace nce::cuda::dense {
namespace {

using tile::padded_rows;

/// The rows of one matrix in the role of X: their gradient is asked for.
struct Side {
  PackedMatrix x;
  int64_t rows;
  Norms norms;
  PackedMatrix y;  ///< what they are compared with
  int64_t y_rows;  ///< 0: nothing, they are positives only
  loss::Excluded excluded;
  bool add;  ///< the sums go on with those of the strip before
  const RowRange* y_range;
  tile::Coefficients coefficients;
  void* sums;
  int32_t splits;
  double* g_sums;
  PackedMatrix positives;
  int64_t positive_rows;  ///< rows that have a positive
  RowTarget target;
  Argument argument;  ///< its name
  int64_t first_row;  ///< of the strip
};

/// A block of G or of its transpose, [count][pitch], over rows `first` on of one side and `depth_first` on of the
/// other.
struct GBlock {
  const std::byte* g;
  int64_t pitch;
  int64_t first, count;
  int64_t depth_first, depth_count;
};

void* at(void* base, int64_t bytes) { return static_cast<std::byte*>(base) + bytes; }
const void* at(const void* base, int64_t bytes) { return static_cast<const std::byte*>(base) + bytes; }

/// The backward pass of one method; its launches do nothing for calls of another.
class Backward {
 public:
  Backward(const Call& call, int32_t index, Carver& carver)
      : call_(call),
        problem_(call.problem),
        state_(call.state),
        index_(index),
        method_(call.methods[static_cast<std::size_t>(index)]),
        tensor_(tile::is_tensor(method_.arithmetic)),
        rows_(carver, call.carved, state_, method_),
        scratch_(carver, call.carved, state_, method_, call.architecture, call.strips.many()) {}

  void enqueue() const {
    launch_coefficients(coefficients_params(), method_.arithmetic, call_.stream);
    const bool many = call_.strips.many();
    for (int64_t strip = 0; strip < call_.strips.count(); ++strip) {
      const Side x = x_side(strip);
      const Side y = y_side(strip);
      if (!x.target.wanted() && !y.target.wanted()) break;
      if (call_.strips.count() > 1) pack(call_, index_, rows_, y_matrix(call_, rows_, strip));
      if (!scratch_.tiles) sum_blocks(x, y);
      if (scratch_.tiles) sum_tiles(x);
      if (!many) finish(x);
      if (scratch_.tiles) sum_tiles(y);
      finish(y);
    }
    if (many) finish(x_side(0));
    if (problem_.shared) finish(z_side());
  }

  /// The same for all methods but for the places of coefficients.
  CoefficientsParams coefficients_params() const {
    return {.call = call_.call_state,
            .method = index_,
            .rule = problem_.row,
            .reducer = call_.reducer(),
            .similarity = problem_.similarity,
            .rows = problem_.x_rows,
            .x_allocated = state_.x_allocated,
            .y_allocated = problem_.symmetric ? state_.y_allocated : 0,
            .views_half = problem_.views_half(),
            .positive = state_.positive,
            .row_lse = state_.row_lse,
            .column_lse = state_.column_lse,
            .row_slope = state_.row_slope,
            .column_slope = state_.column_slope,
            .x_coefficients = scratch_.x_coefficients,
            .x_references = scratch_.x_references,
            .y_coefficients = scratch_.y_coefficients,
            .y_references = scratch_.y_references,
            .positive_coefficients = scratch_.positive_coefficients,
            .d_temperature = call_.out.d_temperature,
            .totals = call_.scratch.slopes};
  }

 private:
  Side x_side(int64_t strip) const {
    const nce_outputs& out = call_.out;
    RowTarget target = target_of(out.d_queries, out.d_queries_stride, problem_.desc.n);
    if (problem_.tower) {
      target.second = out.d_keys;
      target.second_stride = out.d_keys_stride;
    }
    const PackedMatrix x = x_matrix(call_, rows_).to;
    const PackedMatrix y = y_matrix(call_, rows_, strip).to;
    return {.x = x,
            .rows = problem_.x_rows,
            .norms = state_.x_norms,
            .y = y,
            .y_rows = call_.strips.size(strip),
            .excluded = KeyStrips::excluded_in(problem_, strip),
            .add = strip > 0,
            .y_range = &state_.ranges[problem_.tower ? 0 : 1],
            .coefficients = coefficients(),
            .sums = scratch_.x_sums,
            .splits = scratch_.x_splits,
            .g_sums = scratch_.x_g_sums,
            .positives = problem_.tower        ? x
                         : call_.carved.shared ? z_matrix(call_, rows_).to
                                               : y,
            .positive_rows = problem_.x_rows,
            .target = target,
            .argument = Argument::kQueriesGradient,
            .first_row = 0};
  }

  Side y_side(int64_t strip) const {
    if (problem_.tower) return {};
    const nce_outputs& out = call_.out;
    const int64_t begin = call_.strips.begin(strip);
    const int64_t rows = call_.strips.size(strip);
    const tile::Coefficients of_pass = coefficients();
    const PackedMatrix x = x_matrix(call_, rows_).to;
    return {.x = y_matrix(call_, rows_, strip).to,
            .rows = rows,
            .norms = offset(state_.y_norms, begin),
            .y = x,
            .y_rows = problem_.x_rows,
            .excluded = KeyStrips::excluded_in(problem_, strip),
            .add = false,
            .y_range = &state_.ranges[0],
            .coefficients = {.x = of_pass.y,
                             .y = of_pass.x,
                             .x_references = of_pass.y_references,
                             .y_references = of_pass.x_references},
            .sums = scratch_.y_sums,
            .splits = scratch_.y_splits,
            .g_sums = scratch_.y_g_sums,
            .positives = x,
            .positive_rows = problem_.shared || strip > 0 ? 0 : problem_.x_rows,
            .target = problem_.shared ? target_of(out.d_negatives, out.d_negatives_stride, rows, begin)
                                      : target_of(out.d_keys, out.d_keys_stride, rows, begin),
            .argument = problem_.shared ? Argument::kNegativesGradient : Argument::kKeysGradient,
            .first_row = begin};
  }

  Side z_side() const {
    return {.x = z_matrix(call_, rows_).to,
            .rows = problem_.z_rows,
            .norms = state_.z_norms,
            .y = {},
            .y_rows = 0,
            .excluded = loss::Excluded::kNone,
            .add = false,
            .y_range = nullptr,
            .coefficients = {},
            .sums = nullptr,
            .splits = 0,
            .g_sums = nullptr,
            .positives = x_matrix(call_, rows_).to,
            .positive_rows = problem_.x_rows,
            .target = target_of(call_.out.d_keys, call_.out.d_keys_stride, problem_.z_rows),
            .argument = Argument::kKeysGradient,
            .first_row = 0};
  }

  RowTarget target_of(void* matrix, int64_t stride, int64_t count, int64_t begin = 0) const {
    void* const rows =
        matrix == nullptr ? nullptr : at(matrix, begin * stride * loss::dtype_bytes(problem_.gradient_dtype));
    return {.dtype = problem_.gradient_dtype,
            .first = rows,
            .first_stride = stride,
            .first_rows = count,
            .second = nullptr,
            .second_stride = 0};
  }

  /// Of X's rows and Y's; one tower has the same on both sides.
  tile::Coefficients coefficients() const {
    const bool y = problem_.tower || problem_.symmetric;
    return {.x = scratch_.x_coefficients,
            .y = y ? scratch_.y_coefficients : nullptr,
            .x_references = scratch_.x_references,
            .y_references = y ? scratch_.y_references : nullptr};
  }

  float gradient_scale() const { return tensor_ ? kTensorGradientScale : 1.0f; }

  tile::Operands operands(const Side& side) const {
    tile::Operands operands = operands_of(call_, index_, side.x, side.rows, side.y, side.y_rows);
    operands.excluded = side.excluded;
    return operands;
  }

  void sum_tiles(const Side& side) const {
    if (!side.target.wanted() || side.rows == 0 || side.y_rows == 0) return;
    launch_gradient_tiles({.operands = operands(side),
                           .coefficients = side.coefficients,
                           .g_scale = gradient_scale(),
                           .y_relative = side.y.relative,
                           .splits = side.splits,
                           .add = side.add,
                           .sums = static_cast<float*>(side.sums)},
                          method_.arithmetic, call_.stream);
  }

  void sum_blocks(const Side& x_side, const Side& y_side) const {
    const bool x_wanted = x_side.target.wanted();
    const bool y_wanted = y_side.target.wanted();
    if (x_side.y_rows == 0) return;
    const int64_t x_rows = padded_rows(x_side.rows);
    const int64_t y_rows = padded_rows(x_side.y_rows);
    for (int64_t x = 0; x < x_rows; x += scratch_.blocks.x_rows) {
      for (int64_t y = 0; y < y_rows; y += scratch_.blocks.y_rows) {
        const int64_t x_count = std::min(scratch_.blocks.x_rows, x_rows - x);
        const int64_t y_count = std::min(scratch_.blocks.y_rows, y_rows - y);
        const GBlock g{scratch_.g, y_count, x, x_count, y, y_count};
        const GBlock transposed{scratch_.g_transposed, x_count, y, y_count, x, x_count};
        make_blocks(x_side, g, transposed, y_wanted);
        if (x_wanted) add_block(g, x_side);
        if (y_wanted) add_block(transposed, y_side);
      }
    }
  }

  int64_t plane_stride() const { return scratch_.blocks.x_rows * scratch_.blocks.y_rows; }

  void make_blocks(const Side& x, const GBlock& g, const GBlock& transposed, bool transposed_wanted) const {
    launch_g_tiles({.operands = operands(x),
                    .coefficients = coefficients(),
                    .x_first = g.first,
                    .y_first = g.depth_first,
                    .x_count = g.count,
                    .y_count = g.depth_count,
                    .g_scale = gradient_scale(),
                    .x_relative = rows_.x.relative,
                    .y_relative = rows_.y.relative,
                    .g = scratch_.g,
                    .g_transposed = transposed_wanted ? scratch_.g_transposed : nullptr,
                    .g_pitch = g.pitch,
                    .g_plane_stride = plane_stride(),
                    .transposed_pitch = transposed.pitch,
                    .transposed_plane_stride = plane_stride()},
                   method_.arithmetic, call_.stream);
  }

  /// Adds a block times the other side's rows to a side's sums, a part of `depth` rows after another, whatever the
  /// block holds.
  void add_block(const GBlock& block, const Side& side) const {
    const int64_t element = tile::element_bytes(method_.arithmetic);
    const int64_t real = method_.arithmetic == Arithmetic::kFloat64 ? 8 : 4;
    const PackedMatrix& b = side.y;
    for (int64_t part = 0; part < block.depth_count; part += scratch_.blocks.depth) {
      const tile::AccumulateParams params{
          .call = call_.call_state,
          .method = index_,
          .planes = method_.planes,
          .add = side.add || block.depth_first + part > 0,
          .rows = block.count,
          .columns = b.pitch,
          .depth = std::min(scratch_.blocks.depth, block.depth_count - part),
          .a = at(block.g, part * element),
          .a_pitch = block.pitch,
          .a_plane_stride = plane_stride(),
          .b = method_.packed ? at(b.planes, (block.depth_first + part) * b.pitch * element) : nullptr,
          .b_pitch = b.pitch,
          .b_plane_stride = b.plane_stride,
          .from_caller = !method_.packed,
          .b_caller = b.caller,
          .b_first_row = block.depth_first + part,
          .c = at(side.sums, block.first * b.pitch * real),
          .c_pitch = b.pitch,
      };
      launch_accumulate(params, method_.arithmetic, call_.stream);
      if (side.g_sums == nullptr) continue;
      launch_g_sums({.call = call_.call_state,
                     .method = index_,
                     .add = params.add,
                     .rows = block.count,
                     .columns = params.depth,
                     .pitch = block.pitch,
                     .g = params.a,
                     .sums = side.g_sums + block.first},
                    method_.arithmetic, call_.stream);
    }
  }

  static PackedRows packed_rows(const PackedMatrix& matrix) {
    return {.planes = matrix.planes,
            .plane_stride = matrix.plane_stride,
            .pitch = matrix.pitch,
            .scales = matrix.scales,
            .caller = matrix.caller};
  }

  void finish(const Side& side) const {
    if (!side.target.wanted() || side.rows == 0) return;
    const bool summed = side.y_rows > 0;
    launch_finish_gradient(
        {.call = call_.call_state,
         .method = index_,
         .planes = method_.planes,
         .from_caller = !method_.packed,
         .similarity = problem_.similarity,
         .rows = side.rows,
         .dim = problem_.desc.dim,
         .x = packed_rows(side.x),
         .positives = packed_rows(side.positives),
         .positive_rows = side.positive_rows,
         .views_half = problem_.views_half(),
         .positive_coefficients = scratch_.positive_coefficients,
         .sums = summed ? side.sums : nullptr,
         .split_stride = padded_rows(side.rows) * side.x.pitch,
         .splits = side.splits,
         .sums_factor =
             tensor_ ? 1.0 / (static_cast<double>(kTensorGradientScale) * static_cast<double>(kPlaneScale)) : 1.0,
         .y_range = rows_.packing == Packing::kPower ? side.y_range : nullptr,
         .g_sums = summed ? side.g_sums : nullptr,
         .norms = side.norms,
         .target = side.target,
         .first_row = side.first_row,
         .argument = side.argument,
         .second_argument = Argument::kKeysGradient},
        method_.arithmetic, call_.stream);
  }

  const Call& call_;
  const Problem& problem_;
  const State& state_;
  const int32_t index_;
  const Method method_;
  const bool tensor_;
  const MethodState rows_;
  const MethodBackward scratch_;
};

}  // namespace

void enqueue_backward(const Call& call) {
  for (int32_t index = 0; index < static_cast<int32_t>(call.methods.size()); ++index) {
    Carver carver = call.rest;
    const Backward backward(call, index, carver);
    if (index == 0) launch_slopes(backward.coefficients_params(), call.stream);
    backward.enqueue();
  }
}

}  // namespace nce::cuda::dense
