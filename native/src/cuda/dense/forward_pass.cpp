#include <algorithm>
#include <utility>

#include "cuda/dense/packing.h"

namespace nce::cuda::dense {
namespace {

using tile::padded_rows;

/// The forward pass of one method; its launches do nothing for calls of another.
class Forward {
 public:
  Forward(const Call& call, int32_t index, Carver& carver)
      : call_(call),
        problem_(call.problem),
        state_(call.state),
        index_(index),
        method_(call.methods[static_cast<std::size_t>(index)]),
        rows_(carver, call.carved, state_, method_),
        positives_(positives_of(call, index, rows_, carver)),
        scratch_(carver, call.carved, state_, method_, call.architecture),
        metrics_(call.out.metrics != nullptr) {}

  void enqueue() const {
    pack(call_, index_, rows_, x_matrix(call_, rows_));
    if (!problem_.tower && !call_.strips.many()) pack(call_, index_, rows_, y_matrix(call_, rows_, 0));
    if (!problem_.by_labels) find_positives();
    if (problem_.threshold.any()) find_limits();
    if (metrics_ && !problem_.cosine()) prepare_row_metrics();
    for (int64_t strip = 0; call_.has_y() && strip < call_.strips.count(); ++strip) {
      if (call_.strips.many()) pack(call_, index_, rows_, y_matrix(call_, rows_, strip));
      if (metrics_) prepare_column_metrics(strip);
      if (problem_.by_labels) sum_positives();
      sum_tiles(strip);
    }
    if (problem_.own > 0) sum_own();
    if (problem_.blocks.any()) sum_blocks();
    finish_rows(false);
  }

  void write_losses_of_far_calls() const { finish_rows(true); }

 private:
  static MethodPositives positives_of(const Call& call, int32_t index, const MethodState& rows, Carver carver) {
    const auto at = static_cast<std::size_t>(index);
    return {carver, call.carved, rows, call.methods[at], call.cuts[at]};
  }

  PackedMatrix x() const { return x_matrix(call_, rows_).to; }

  void find_positives() const {
    if (problem_.tower) {
      const int64_t half = problem_.views_half();
      find_positives(x(), problem_.x_rows, 0, half, half);
      find_positives(x(), problem_.x_rows, half, 0, half);
    } else if (call_.carved.shared) {
      const int64_t step = call_.cuts[static_cast<std::size_t>(index_)].positive_rows;
      for (int64_t begin = 0; begin < problem_.x_rows; begin += step) {
        const int64_t count = std::min(step, problem_.x_rows - begin);
        const Matrix part = z_part(call_, rows_, positives_.z, begin, count);
        pack(call_, index_, rows_, part);
        find_positives(part.to, count, begin, 0, count);
      }
    } else {
      find_positives(y_matrix(call_, rows_, 0).to, problem_.y_rows, 0, 0, problem_.x_rows);
    }
  }

  /// Of rows x_first on of X, in rows y_first on of another matrix.
  void find_positives(const PackedMatrix& y, int64_t y_rows, int64_t x_first, int64_t y_first, int64_t count) const {
    launch_diagonal_tiles({.operands = operands_of(call_, index_, x(), problem_.x_rows, y, y_rows),
                           .x_first = x_first,
                           .y_first = y_first,
                           .count = count,
                           .similarities = state_.positive},
                          method_.arithmetic, call_.stream);
  }

  void find_limits() const {
    launch_find_limits({.call = call_.call_state,
                        .method = index_,
                        .rows = problem_.x_rows,
                        .allocated = state_.limits_allocated,
                        .threshold = problem_.threshold,
                        .positive = state_.positive,
                        .limits = state_.limits},
                       call_.stream);
  }

  void prepare_row_metrics() const {
    launch_metric_factors({.call = call_.call_state,
                           .method = index_,
                           .norms = state_.x_norms,
                           .scales = rows_.x.scales,
                           .count = problem_.x_rows,
                           .allocated = state_.x_allocated,
                           .inverse_norms = scratch_.x_inverse,
                           .factors = nullptr},
                          method_.arithmetic, call_.stream);
  }

  void prepare_column_metrics(int64_t strip) const {
    prepare_column_metrics(rows_.y, offset(state_.y_norms, call_.strips.begin(strip)), call_.strips.size(strip),
                           state_.y_allocated);
  }

  void prepare_column_metrics(const PackedMatrix& columns, const Norms& norms, int64_t count, int64_t allocated) const {
    launch_metric_factors({.call = call_.call_state,
                           .method = index_,
                           .norms = norms,
                           .scales = columns.scales,
                           .count = count,
                           .allocated = allocated,
                           .inverse_norms = scratch_.y_inverse,
                           .factors = scratch_.y_factors},
                          method_.arithmetic, call_.stream);
  }

  MetricSums metric_sums() const {
    if (!metrics_) return {};
    return {.count = scratch_.count,
            .above = scratch_.above,
            .tied = scratch_.tied,
            .similarity = scratch_.similarity,
            .uniformity = scratch_.uniformity,
            .x_inverse_norms = scratch_.x_inverse,
            .y_inverse_norms = scratch_.y_inverse,
            .y_factors = scratch_.y_factors};
  }

  /// Of positives by labels first the similarities, then their exponentials relative to the mean. Before negatives are
  /// summed, since ranks are of that mean.
  void sum_positives() const {
    // Of what metrics sum up, the number and the similarities; all else goes where sums of negatives come to lie.
    launch_sum_tiles(positives(nullptr, scratch_.rows,
                               {.count = scratch_.positive_count,
                                .above = scratch_.positives.value,
                                .tied = scratch_.positives.weighted,
                                .similarity = scratch_.positive_high,
                                .uniformity = scratch_.positive_low,
                                .x_inverse_norms = nullptr,
                                .y_inverse_norms = nullptr,
                                .y_factors = nullptr}),
                     method_.arithmetic, call_.stream);
    launch_finish_positives({.call = call_.call_state,
                             .method = index_,
                             .rows = problem_.x_rows,
                             .groups = scratch_.groups.y,
                             .stride = padded_rows(problem_.x_rows),
                             .counts = scratch_.positive_count,
                             .high = scratch_.positive_high,
                             .low = scratch_.positive_low,
                             .count = state_.positive_count,
                             .positive = state_.positive},
                            call_.stream);
    weigh_rows(call_, index_);
    launch_sum_tiles(positives(state_.positive, scratch_.positives, {}), method_.arithmetic, call_.stream);
  }

  tile::SumTilesParams positives(const double* relative_to, const Sums& sums, const MetricSums& metrics) const {
    const Matrix y = y_matrix(call_, rows_, 0);
    tile::Operands operands = operands_of(call_, index_, x(), problem_.x_rows, y.to, y.rows);
    operands.kept_groups = tile::kSameGroup;
    return {.operands = operands,
            .x_positive = relative_to,
            .y_positive = nullptr,
            .x_groups = scratch_.groups.x,
            .y_groups = scratch_.groups.y,
            .add = false,
            .rows = sums,
            .columns = {},
            .metrics = metrics};
  }

  void sum_tiles(int64_t strip) const {
    const Matrix y = y_matrix(call_, rows_, strip);
    tile::Operands operands = operands_of(call_, index_, x(), problem_.x_rows, y.to, y.rows);
    operands.excluded = KeyStrips::excluded_in(problem_, strip);
    operands.x.limits = state_.limits;
    const bool columns_apart = problem_.symmetric && problem_.threshold.any();
    launch_sum_tiles({.operands = operands,
                      .x_positive = state_.positive,
                      .y_positive = problem_.symmetric ? state_.positive : nullptr,
                      .x_groups = scratch_.groups.x,
                      .y_groups = scratch_.groups.y,
                      .add = strip > 0,
                      .rows = scratch_.rows,
                      .columns = columns_apart ? Sums{} : scratch_.columns,
                      .metrics = metric_sums(),
                      .y_weights = call_.weights_of(strip)},
                     method_.arithmetic, call_.stream);
    if (columns_apart) sum_columns(operands);
  }

  /// Adds rows' own negatives to the sums of rows.
  void sum_own() const {
    const Matrix own = own_matrix(call_, rows_);
    pack(call_, index_, rows_, own);
    if (metrics_) prepare_column_metrics(rows_.own, own.norms, own.rows, own.allocated);
    const int64_t side = tile::tile_size(method_.arithmetic, method_.planes).side;
    launch_sum_tiles({.operands = own_operands(call_, index_, rows_),
                      .x_positive = state_.positive,
                      .y_positive = nullptr,
                      .x_groups = static_cast<int32_t>(divide_up(problem_.x_rows, side)),
                      .y_groups = 1,
                      .add = true,
                      .rows = scratch_.rows,
                      .columns = {},
                      .metrics = metric_sums(),
                      .own = problem_.own},
                     method_.arithmetic, call_.stream);
  }

  /// Adds to the sums of rows.
  void sum_blocks() const {
    const PackedMatrix queries = x();
    const PackedMatrix keys = y_matrix(call_, rows_, 0).to;
    if (problem_.blocks.query_query) sum_block(queries, queries);
    if (problem_.blocks.key_query) sum_block(keys, queries);
    if (problem_.blocks.key_key) sum_block(keys, keys);
  }

  /// The first rows of two matrices, as many as have a loss.
  void sum_block(const PackedMatrix& x, const PackedMatrix& y) const {
    tile::Operands operands = operands_of(call_, index_, x, problem_.x_rows, y, problem_.x_rows);
    operands.x.limits = state_.limits;
    launch_sum_tiles({.operands = operands,
                      .x_positive = state_.positive,
                      .y_positive = nullptr,
                      .x_groups = scratch_.groups.x,
                      .y_groups = scratch_.groups.y,
                      .add = true,
                      .rows = scratch_.rows,
                      .columns = {},
                      .metrics = {}},
                     method_.arithmetic, call_.stream);
  }

  /// Columns as rows, where the two leave out different pairs.
  void sum_columns(const tile::Operands& of_rows) const {
    tile::Operands operands = of_rows;
    std::swap(operands.x, operands.y);
    operands.x.limits = state_.limits;
    operands.y.limits = nullptr;
    launch_sum_tiles({.operands = operands,
                      .x_positive = state_.positive,
                      .y_positive = nullptr,
                      .x_groups = scratch_.groups.y,
                      .y_groups = scratch_.groups.x,
                      .add = false,
                      .rows = scratch_.columns,
                      .columns = {},
                      .metrics = {}},
                     method_.arithmetic, call_.stream);
  }

  /// See FinishRowsParams.
  void finish_rows(bool late) const {
    launch_finish_rows({.call = call_.call_state,
                        .late = late,
                        .method = index_,
                        .rule = problem_.row,
                        .reducer = call_.reducer(),
                        .rows = problem_.x_rows,
                        .row_groups = scratch_.groups.y,
                        .column_groups = problem_.symmetric ? scratch_.groups.x : 0,
                        .row_stride = padded_rows(problem_.x_rows),
                        .column_stride = padded_rows(problem_.y_rows),
                        .row_sums = scratch_.rows,
                        .column_sums = scratch_.columns,
                        .metrics = metrics_,
                        .metric_sums = metric_sums(),
                        .alignment = call_.scratch.alignment,
                        .x_norms = state_.x_norms,
                        .positive = state_.positive,
                        .offsets = call_.in.key_offsets,
                        .labelled = {.sums = scratch_.positives,
                                     .count = problem_.by_labels ? state_.positive_count : nullptr,
                                     .lse = state_.positive_lse},
                        .top_k = problem_.desc.top_k,
                        .row_lse = state_.row_lse,
                        .column_lse = state_.column_lse,
                        .row_slope = state_.row_slope,
                        .column_slope = state_.column_slope,
                        .bias_slope = state_.bias_slope,
                        .losses = problem_.reduction == NCE_REDUCTION_NONE ? call_.out.loss : nullptr,
                        .add = call_.out.accumulate != 0,
                        .totals = call_.scratch.totals},
                       call_.stream);
  }

  const Call& call_;
  const Problem& problem_;
  const State& state_;
  const int32_t index_;
  const Method method_;
  const MethodState rows_;
  const MethodPositives positives_;
  const MethodForward scratch_;
  const bool metrics_;
};

void measure(const Call& call) {
  const Problem& problem = call.problem;
  const State& state = call.state;
  const auto matrix = [&](const RowSource& rows, int64_t count, const Norms& norms, int index) {
    launch_measure({.call = call.call_state,
                    .rows = rows,
                    .count = count,
                    .dim = problem.desc.dim,
                    .norms = norms,
                    .part_ranges = call.scratch.range_parts,
                    .range = &state.ranges[index]},
                   call.stream);
  };
  matrix(call.x, problem.x_rows, state.x_norms, 0);
  if (!problem.tower) matrix(call.y, problem.y_rows, state.y_norms, 1);
  if (problem.z_rows > 0) matrix(call.z, problem.z_rows, state.z_norms, 2);
}

void number_rows(const Call& call) {
  const Problem& problem = call.problem;
  launch_number_rows({.call = call.call_state, .rows = problem.x_rows, .own = 1, .numbers = call.state.row_numbers},
                     call.stream);
  launch_number_rows(
      {.call = call.call_state, .rows = problem.z_rows, .own = problem.own, .numbers = call.state.owners}, call.stream);
}

/// Whether its losses have to be looked at for their weight alone.
bool weighs_much(const Problem& problem) { return problem.loss_weight > loss::kLargestSureWeight; }

void choose(const Call& call) {
  const Problem& problem = call.problem;
  launch_choose({.call = call.call_state,
                 .ranges = call.state.ranges,
                 .similarity = problem.similarity,
                 .function = problem.row.function,
                 .tower = problem.tower,
                 .shared = problem.shared,
                 .own = problem.own > 0,
                 .blocks = problem.blocks,
                 .second_method = call.methods.size() == 2,
                 .first_is_double = call.methods[0].arithmetic == Arithmetic::kFloat64,
                 .first_view = problem.desc.n,
                 .keys = problem.rows_with_gradient(),
                 .most_terms = static_cast<double>(std::max<int64_t>({1, problem.x_rows, problem.y_rows}) +
                                                   problem.blocks.count() * problem.x_rows + problem.own),
                 .offsets = problem.offsets,
                 .weighs_much = weighs_much(problem)},
                call.stream);
}

/// Whether numbers of this plan's types can have similarities, a bias or losses beyond what nobody needs to look at.
bool can_be_far(const Call& call) {
  const Problem& problem = call.problem;
  if (weighs_much(problem)) return true;
  if (problem.cosine() && !problem.has_bias()) return false;
  return problem.dtype == NCE_DTYPE_FLOAT64 || problem.precision == NCE_PRECISION_FAST;
}

void check_far(const Call& call) {
  const Problem& problem = call.problem;
  launch_check_far({.call = call.call_state,
                    .x = call.x,
                    .y = call.y,
                    .z = call.z,
                    .x_rows = problem.x_rows,
                    .y_rows = problem.y_rows,
                    .z_rows = problem.z_rows,
                    .dim = problem.desc.dim,
                    .own = problem.own,
                    .tower = problem.tower,
                    .blocks = problem.blocks,
                    .similarity = problem.similarity},
                   call.stream);
}

void find_center(const Call& call) {
  launch_center({.call = call.call_state,
                 .rows = call.y,
                 .count = call.problem.y_rows,
                 .dim = call.problem.desc.dim,
                 .center = call.scratch.center},
                call.stream);
}

void align(const Call& call) {
  const Problem& problem = call.problem;
  const State& state = call.state;
  launch_alignment({.call = call.call_state,
                    .x = call.x,
                    .positives = problem.shared ? call.z : call.y,
                    .x_norms = state.x_norms,
                    .positive_norms = problem.shared ? state.z_norms : state.y_norms,
                    .x_rows = problem.x_rows,
                    .dim = problem.desc.dim,
                    .views_half = problem.views_half(),
                    .alignment = call.scratch.alignment},
                   call.stream);
}

void finish_loss(const Call& call, uint64_t plan) {
  const Problem& problem = call.problem;
  launch_finish_loss({.call = call.call_state,
                      .plan = plan,
                      .totals = call.scratch.totals,
                      .ranges = call.state.ranges,
                      .matrices = problem.tower        ? 1
                                  : problem.z_rows > 0 ? 3
                                                       : 2,
                      .function = problem.row.function,
                      .range = loss::similarity_range(problem),
                      .reducer = call.reducer(),
                      .rows = problem.x_rows,
                      .further_negatives = problem.block_pairs(),
                      .by_labels = problem.by_labels,
                      .loss = problem.reduction == NCE_REDUCTION_NONE ? nullptr : call.out.loss,
                      .add = call.out.accumulate != 0,
                      .metrics = call.out.metrics},
                     call.stream);
}

tile::Operand operand_of(const PackedMatrix& matrix, int64_t rows) {
  return {.planes = matrix.planes,
          .plane_stride = matrix.plane_stride,
          .pitch = matrix.pitch,
          .rows = rows,
          .scales = matrix.fitted != nullptr ? matrix.fitted : matrix.scales,
          .squares = matrix.squares,
          .caller = matrix.caller,
          .groups = matrix.groups};
}

}  // namespace

tile::Operands operands_of(const Call& call, int32_t index, const PackedMatrix& x, int64_t x_rows,
                           const PackedMatrix& y, int64_t y_rows) {
  const Problem& problem = call.problem;
  const Method& method = call.methods[static_cast<std::size_t>(index)];
  return {.x = operand_of(x, x_rows),
          .y = operand_of(y, y_rows),
          .planes = method.planes,
          .from_caller = !method.packed,
          .product_scale = tile::is_tensor(method.arithmetic) ? 1.0f / (kPlaneScale * kPlaneScale) : 1.0f,
          .similarity = problem.cosine() ? NCE_SIMILARITY_DOT : problem.similarity,
          .excluded = problem.excluded,
          .views_half = problem.views_half(),
          .kept_groups = tile::kOtherGroups,
          .constant = false,
          .call = call.call_state,
          .method = index};
}

void weigh_rows(const Call& call, int32_t index) {
  const Problem& problem = call.problem;
  launch_weigh_rows({.call = call.call_state,
                     .method = index,
                     .given = call.in.weights,
                     .positive_count = call.state.positive_count,
                     .rows = problem.x_rows,
                     .weights = call.state.counted_weights},
                    call.stream);
}

void enqueue_forward(const Call& call, uint64_t plan) {
  measure(call);
  choose(call);
  if (call.problem.own > 0) number_rows(call);
  if (can_be_far(call) && !call.problem.cosine()) check_far(call);
  if (call.problem.euclidean()) find_center(call);
  if (call.out.metrics != nullptr && !call.problem.by_labels) align(call);
  for (int32_t index = 0; index < static_cast<int32_t>(call.methods.size()); ++index) {
    Carver carver = call.rest;
    Forward(call, index, carver).enqueue();
  }
  finish_loss(call, plan);
  if (!can_be_far(call) || call.problem.reduction != NCE_REDUCTION_NONE || call.out.loss == nullptr) return;
  for (int32_t index = 0; index < static_cast<int32_t>(call.methods.size()); ++index) {
    Carver carver = call.rest;
    Forward(call, index, carver).write_losses_of_far_calls();
  }
}

}  // namespace nce::cuda::dense
