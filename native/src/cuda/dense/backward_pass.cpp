#include <utility>

#include "cuda/dense/packing.h"

namespace nce::cuda::dense {
namespace {

/// The rows of one matrix in the role of X: their gradient is asked for.
struct Side {
  Matrix x;
  PackedMatrix y;  ///< what they are compared with
  int64_t y_rows;  ///< 0: nothing, they are positives only
  loss::Excluded excluded;
  int64_t own;       ///< negatives that each of its rows has for itself; 0: none
  int64_t own_of_y;  ///< such are its own rows: so many are of each row of Y, and meet no other
  bool square;       ///< its first rows, as many as have a loss, are compared with one another too
  bool add;          ///< the sums go on with those of the strip before, or with zeros
  const RowRange* y_range;
  bool turned;            ///< X are the columns
  const double* weights;  ///< of the columns; null: all 1
  GradientCut cut;
  void* sums;
  double* g_sums;
  Matrix positives;
  int64_t positive_rows;  ///< rows that have a positive
  RowTarget target;
  Argument argument;  ///< its name
  int64_t first_row;  ///< of the strip
};

void* at(void* base, int64_t bytes) { return static_cast<std::byte*>(base) + bytes; }

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
        cuts_(call.cuts[static_cast<std::size_t>(index)]),
        scratch_(carver, call.carved, state_, method_, cuts_, call.strips.many()) {}

  void enqueue() const {
    launch_coefficients(coefficients_params(), method_.arithmetic, call_.stream);
    const bool many = call_.strips.many();
    for (int64_t strip = 0; strip < call_.strips.count(); ++strip) {
      const Side x = x_side(strip);
      const Side y = y_side(strip);
      if (!x.target.wanted() && !y.target.wanted()) break;
      if (call_.strips.count() > 1) pack(call_, index_, rows_, y_matrix(call_, rows_, strip));
      if (many) {
        sum(x, 0, x.x.rows);
      } else {
        differentiate(x);
      }
      differentiate(y);
    }
    if (many) finish(x_side(0), 0, problem_.x_rows);
    if (problem_.shared) finish(z_side(), 0, problem_.z_rows);
    if (problem_.own > 0) differentiate(own_side());
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
            .y_allocated = problem_.symmetric || columns_as_rows(problem_) ? state_.y_allocated : 0,
            .views_half = problem_.views_half(),
            .positive = state_.positive,
            .offsets = call_.in.key_offsets,
            .row_lse = state_.row_lse,
            .column_lse = state_.column_lse,
            .row_slope = state_.row_slope,
            .column_slope = state_.column_slope,
            .bias_slope = state_.bias_slope,
            .positive_count = problem_.by_labels ? state_.positive_count : nullptr,
            .positive_lse = state_.positive_lse,
            .x_coefficients = scratch_.x_coefficients,
            .x_references = scratch_.x_references,
            .y_coefficients = scratch_.y_coefficients,
            .y_references = scratch_.y_references,
            .columns_as_rows = columns_as_rows(problem_),
            .positive_coefficients = scratch_.positive_coefficients,
            .positive_as = scratch_.positive_as,
            .positive_references = scratch_.positive_references,
            .positive_constants = scratch_.positive_constants,
            .d_temperature = call_.out.d_temperature,
            .d_bias = call_.out.d_bias,
            .add = call_.out.accumulate != 0,
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
    const Matrix x = x_matrix(call_, rows_);
    const Matrix y = y_matrix(call_, rows_, strip);
    return {.x = x,
            .y = y.to,
            .y_rows = call_.strips.size(strip),
            .excluded = KeyStrips::excluded_in(problem_, strip),
            .own = problem_.own,
            .own_of_y = 0,
            .square = problem_.blocks.query_query,
            .add = strip > 0 || problem_.own > 0,
            .y_range = &state_.ranges[problem_.tower ? 0 : 1],
            .turned = false,
            .weights = call_.weights_of(strip),
            .cut = cuts_.x,
            .sums = scratch_.x_sums,
            .g_sums = scratch_.x_g_sums,
            .positives = problem_.tower        ? x
                         : call_.carved.shared ? z_matrix(call_, rows_)
                                               : y,
            .positive_rows = problem_.by_labels ? 0 : problem_.x_rows,
            .target = target,
            .argument = Argument::kQueriesGradient,
            .first_row = 0};
  }

  Side y_side(int64_t strip) const {
    if (problem_.tower) return {};
    const nce_outputs& out = call_.out;
    const int64_t begin = call_.strips.begin(strip);
    const int64_t rows = call_.strips.problem_of(problem_, strip).rows_with_gradient();
    if (rows == 0) return {};
    const Matrix x = x_matrix(call_, rows_);
    Matrix y = y_matrix(call_, rows_, strip);
    y.rows = rows;  // those of the queue are padding to this side
    return {.x = y,
            .y = x.to,
            .y_rows = problem_.x_rows,
            .excluded = KeyStrips::excluded_in(problem_, strip),
            .own = 0,
            .own_of_y = 0,
            .square = problem_.blocks.key_key,
            .add = false,
            .y_range = &state_.ranges[0],
            .turned = true,
            .weights = call_.weights_of(strip),
            .cut = cuts_.y,
            .sums = scratch_.y_sums,
            .g_sums = scratch_.y_g_sums,
            .positives = x,
            .positive_rows = problem_.shared || problem_.by_labels || strip > 0 ? 0 : problem_.x_rows,
            .target = problem_.shared ? target_of(out.d_negatives, out.d_negatives_stride, rows, begin)
                                      : target_of(out.d_keys, out.d_keys_stride, rows, begin),
            .argument = problem_.shared ? Argument::kNegativesGradient : Argument::kKeysGradient,
            .first_row = begin};
  }

  Side z_side() const {
    return {.x = z_matrix(call_, rows_),
            .y = {},
            .y_rows = 0,
            .excluded = loss::Excluded::kNone,
            .own = 0,
            .own_of_y = 0,
            .square = false,
            .add = false,
            .y_range = nullptr,
            .turned = false,
            .weights = nullptr,
            .cut = {},
            .sums = nullptr,
            .g_sums = nullptr,
            .positives = x_matrix(call_, rows_),
            .positive_rows = problem_.x_rows,
            .target = target_of(call_.out.d_keys, call_.out.d_keys_stride, problem_.z_rows),
            .argument = Argument::kKeysGradient,
            .first_row = 0};
  }

  /// Rows' own negatives.
  Side own_side() const {
    const Matrix owners = owner_matrix(call_, rows_);
    return {.x = own_matrix(call_, rows_),
            .y = owners.to,
            .y_rows = problem_.x_rows,
            .excluded = loss::Excluded::kNone,
            .own = 0,
            .own_of_y = problem_.own,
            .square = false,
            .add = false,
            .y_range = &state_.ranges[0],
            .turned = true,
            .weights = nullptr,
            .cut = cuts_.own,
            .sums = scratch_.y_sums,
            .g_sums = scratch_.y_g_sums,
            .positives = owners,
            .positive_rows = 0,
            .target = target_of(call_.out.d_negatives, call_.out.d_negatives_stride, problem_.z_rows),
            .argument = Argument::kNegativesGradient,
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
            .second_stride = 0,
            .add = call_.out.accumulate != 0};
  }

  /// Of X's rows and Y's; one tower has the same on both sides.
  tile::Coefficients coefficients(const void* x, const void* references) const {
    if (problem_.tower) return of_both(x, references);
    const bool columns = problem_.symmetric || problem_.blocks.key_query;
    return {.x = x,
            .y = columns ? scratch_.y_coefficients : nullptr,
            .x_references = references,
            .y_references = columns ? scratch_.y_references : nullptr};
  }

  static tile::Coefficients of_both(const void* coefficients, const void* references) {
    return {.x = coefficients, .y = coefficients, .x_references = references, .y_references = references};
  }

  static tile::Coefficients turned(const tile::Coefficients& of) {
    return {.x = of.y, .y = of.x, .x_references = of.y_references, .y_references = of.x_references};
  }

  tile::Operands operands(const Side& side) const {
    tile::Operands operands = operands_of(call_, index_, side.x.to, side.x.rows, side.y, side.y_rows);
    operands.excluded = side.excluded;
    return operands;
  }

  /// A side's gradient, a chunk of rows after the other.
  void differentiate(const Side& side) const {
    if (!side.target.wanted()) return;
    const int64_t step = side.y_rows > 0 ? side.cut.chunk_rows : side.x.rows;
    for (int64_t begin = 0; begin < side.x.rows; begin += step) {
      const int64_t end = std::min(begin + step, side.x.rows);
      sum(side, begin, end);
      finish(side, begin, end);
    }
  }

  /// Sums over the negatives of rows [begin, end) of one chunk.
  void sum(const Side& side, int64_t begin, int64_t end) const {
    if (!side.target.wanted() || begin == end || side.y_rows == 0) return;
    if (side.own > 0 || side.own_of_y > 0) clear_sums(side, begin, end);
    if (side.own_of_y > 0) {
      sum_of_owners(side, begin, end);
    } else if (problem_.threshold.any()) {
      sum_limited(side, begin, end);
    } else {
      sum_all(side, begin, end);
    }
    if (side.square && begin < problem_.x_rows) sum_square(side, begin, end);
    if (side.own > 0) sum_own(side, begin, end);
  }

  /// The rows' own negatives, added to the sums.
  void sum_own(const Side& side, int64_t begin, int64_t end) const {
    sum(side, begin, end, own_operands(call_, index_, rows_), rows_.own.relative, row_coefficients(), true, side.own);
  }

  /// The rows that have the side's rows for their own.
  void sum_of_owners(const Side& side, int64_t begin, int64_t end) const {
    tile::Operands operands = own_operands(call_, index_, rows_);
    std::swap(operands.x, operands.y);
    sum(side, begin, end, operands, turned(row_coefficients()), true);
  }

  /// Of rows alone.
  tile::Coefficients row_coefficients() const {
    return of_rows(coefficients(scratch_.x_coefficients, scratch_.x_references));
  }

  /// Where a tile of X meets fewer tiles of Y than its cut has, a share may have nothing to write.
  void clear_sums(const Side& side, int64_t begin, int64_t end) const {
    const int64_t rows = side.cut.of(end - begin).slots() * side.cut.tile_rows;
    const auto clear = [&](void* sums, int64_t bytes) {
      launch_clear_sums({.call = call_.call_state, .method = index_, .sums = sums, .bytes = bytes}, call_.stream);
    };
    clear(side.sums, rows * side.x.to.pitch * tile::real_bytes(method_.arithmetic));
    if (problem_.euclidean()) clear(side.g_sums, rows * static_cast<int64_t>(sizeof(double)));
  }

  /// The pairs within one matrix, added to the sums; a row and a column have the same coefficients and limits.
  void sum_square(const Side& side, int64_t begin, int64_t end) const {
    const PackedMatrix& matrix = side.x.to;
    tile::Operands operands = operands_of(call_, index_, matrix, problem_.x_rows, matrix, problem_.x_rows);
    const tile::Coefficients both = side.turned ? of_both(scratch_.y_coefficients, scratch_.y_references)
                                                : of_both(scratch_.x_coefficients, scratch_.x_references);
    if (!problem_.threshold.any()) return sum(side, begin, end, operands, matrix.relative, both, true);
    operands.x.limits = state_.limits;
    sum(side, begin, end, operands, matrix.relative, of_rows(both), true);
    operands.x.limits = nullptr;
    operands.y.limits = state_.limits;
    sum(side, begin, end, operands, matrix.relative, of_columns(both), true);
  }

  static tile::Coefficients of_rows(const tile::Coefficients& of) {
    return {.x = of.x, .y = nullptr, .x_references = of.x_references, .y_references = nullptr};
  }
  static tile::Coefficients of_columns(const tile::Coefficients& of) {
    return {.x = nullptr, .y = of.y, .x_references = nullptr, .y_references = of.y_references};
  }

  void sum_all(const Side& side, int64_t begin, int64_t end) const {
    sum(side, begin, end, operands(side), coefficients_of(side, scratch_.x_coefficients, scratch_.x_references),
        side.add);
    if (!problem_.by_labels) return;
    // Positives go by exponentials and by constants of their own, in two more passes that add to the first.
    tile::Operands positives = operands(side);
    positives.kept_groups = tile::kSameGroup;
    const bool exponentials = !(problem_.row.function == loss::RowFunction::kDecoupled &&
                                problem_.row.aggregation == NCE_AGGREGATION_OUTSIDE);
    if (exponentials) {
      sum(side, begin, end, positives, coefficients_of(side, scratch_.positive_as, scratch_.positive_references), true);
    }
    positives.constant = true;
    sum(side, begin, end, positives, coefficients_of(side, scratch_.positive_constants, scratch_.positive_references),
        true);
  }

  /// What rows leave out, columns may have, and the other way round: a pass for each, the second adding to the first.
  void sum_limited(const Side& side, int64_t begin, int64_t end) const {
    const tile::Coefficients both = coefficients(scratch_.x_coefficients, scratch_.x_references);
    tile::Operands operands = this->operands(side);
    const auto pass = [&](const tile::Coefficients& of_pass, bool of_columns, bool add) {
      const bool of_y = side.turned != of_columns;
      operands.x.limits = of_y ? nullptr : state_.limits;
      operands.y.limits = of_y ? state_.limits : nullptr;
      sum(side, begin, end, operands, side.turned ? turned(of_pass) : of_pass, add);
    };
    pass(of_rows(both), false, side.add);
    if (both.y != nullptr) pass(of_columns(both), true, true);
  }

  /// As the side has them.
  tile::Coefficients coefficients_of(const Side& side, const void* x, const void* references) const {
    const tile::Coefficients of_pass = coefficients(x, references);
    return side.turned ? turned(of_pass) : of_pass;
  }

  void sum(const Side& side, int64_t begin, int64_t end, const tile::Operands& operands,
           const tile::Coefficients& of_pass, bool add) const {
    sum(side, begin, end, operands, side.y.relative, of_pass, add);
  }

  void sum(const Side& side, int64_t begin, int64_t end, const tile::Operands& operands, const float* y_relative,
           const tile::Coefficients& of_pass, bool add, int64_t own = 0) const {
    const tile::GradientSumsParams params{.operands = operands,
                                          .coefficients = of_pass,
                                          .g_scale = tensor_ ? kTensorGradientScale : 1.0f,
                                          .y_relative = y_relative,
                                          .x_first = begin,
                                          .cut = side.cut.of(end - begin),
                                          .add = add,
                                          .sums = side.sums,
                                          .own = own,
                                          .own_of_y = side.own_of_y};
    if (side.cut.tiles) return tile::launch_gradient_tiles(params, method_.arithmetic, call_.stream);
    const double* const weights = own > 0 ? nullptr : side.weights;  // own negatives have no offsets
    tile::launch_gradient_strips({.of = params,
                                  .scratch = scratch_.scratch,
                                  .g_sums = problem_.euclidean() ? side.g_sums : nullptr,
                                  .x_weights = side.turned ? weights : nullptr,
                                  .y_weights = side.turned ? nullptr : weights},
                                 method_.arithmetic, call_.stream);
  }

  static PackedRows packed_rows(const Matrix& matrix) {
    return {.planes = matrix.to.planes,
            .plane_stride = matrix.to.plane_stride,
            .pitch = matrix.to.pitch,
            .scales = matrix.to.scales,
            .source = matrix.source,
            .norms = matrix.norms};
  }

  /// From the sums of rows [begin, end) to their gradient.
  void finish(const Side& side, int64_t begin, int64_t end) const {
    if (!side.target.wanted() || begin == end) return;
    const bool summed = side.y_rows > 0;
    launch_finish_gradient(
        {.call = call_.call_state,
         .method = index_,
         .planes = method_.planes,
         .packing = rows_.packing,
         .center = problem_.euclidean() ? call_.scratch.center : nullptr,
         .similarity = problem_.similarity,
         .begin = begin,
         .end = end,
         .dim = problem_.desc.dim,
         .x = packed_rows(side.x),
         .positives = packed_rows(side.positives),
         .positive_rows = side.positive_rows,
         .views_half = problem_.views_half(),
         .positive_coefficients = scratch_.positive_coefficients,
         .sums = summed ? side.sums : nullptr,
         .cut = summed ? side.cut.of(end - begin) : tile::Cut{},
         .tile_rows = side.cut.tile_rows,
         .sums_factor =
             tensor_ ? 1.0 / (static_cast<double>(kTensorGradientScale) * static_cast<double>(kPlaneScale)) : 1.0,
         .y_range = rows_.packing == Packing::kPower ? side.y_range : nullptr,
         .g_sums = summed ? side.g_sums : nullptr,
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
  const MethodCuts& cuts_;
  const MethodBackward scratch_;
};

}  // namespace

void enqueue_backward(const Call& call) {
  for (int32_t index = 0; call.problem.by_labels && index < static_cast<int32_t>(call.methods.size()); ++index) {
    weigh_rows(call, index);
  }
  for (int32_t index = 0; index < static_cast<int32_t>(call.methods.size()); ++index) {
    Carver carver = call.rest;
    const Backward backward(call, index, carver);
    if (index == 0) launch_slopes(backward.coefficients_params(), call.stream);
    backward.enqueue();
  }
}

}  // namespace nce::cuda::dense
