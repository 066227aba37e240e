#include "cuda/dense_call.h"
#include "cuda/kernels.h"

namespace nce::cuda {
namespace {

/// The forward pass of one method; its launches do nothing for calls of another.
class Forward {
 public:
  Forward(const DenseCall& call, int32_t index, Carver& carver)
      : call_(call),
        problem_(call.problem),
        index_(index),
        method_(call.methods[static_cast<std::size_t>(index)]),
        rows_(carver, problem_, call.state, method_),
        scratch_(carver, problem_, call.state, method_, call.architecture),
        metrics_(call.out.metrics != nullptr) {}

  void enqueue() const {
    const DenseState& state = call_.state;
    pack(call_.x, problem_.x_rows, state.x_allocated, state.x_norms, &state.ranges[0], rows_.x, state.positive);
    if (!problem_.tower) {
      pack(call_.y, problem_.y_rows, state.y_allocated, state.y_norms, &state.ranges[1], rows_.y, nullptr);
    }
    pack(call_.z, problem_.z_rows, state.z_allocated, state.z_norms, &state.ranges[2], rows_.z, nullptr);
    find_positives();
    if (metrics_) prepare_metrics();
    if (call_.has_y()) sum_tiles();
    finish_rows();
  }

 private:
  void pack(const Rows& source, int64_t rows, int64_t allocated, const Norms& norms, const RowRange* range,
            const PackedMatrix& to, double* positive) const {
    if (rows == 0) return;
    PackParams params{};
    params.call = call_.call;
    params.method = index_;
    params.packing = rows_.packing;
    params.rows = source;
    params.count = rows;
    params.allocated = allocated;
    params.dim = problem_.desc.dim;
    params.norms = norms;
    params.range = range;
    params.planes = to.planes;
    params.plane_count = method_.planes;
    params.plane_stride = to.plane_stride;
    params.pitch = to.pitch;
    params.scales = to.scales;
    params.relative = to.relative;
    params.squares = to.squares;
    params.positive = positive;
    launch_pack(params, method_.arithmetic, call_.stream);
    if (problem_.euclidean()) find_squares(to, rows);
    if (to.fitted != nullptr) fit_scales(to, rows, allocated);
  }

  /// Squared norms by the arithmetic of the tiles.
  void multiply_by_itself(const PackedMatrix& matrix, int64_t rows, double* squares) const {
    DiagonalParams params{};
    params.pair = pair_of(call_, index_, matrix, rows, matrix, rows);
    params.pair.x.scales = params.pair.y.scales = nullptr;
    params.pair.similarity = NCE_SIMILARITY_DOT;
    params.pair.excluded = Excluded::kNone;
    params.count = rows;
    params.similarities = squares;
    launch_diagonal_tiles(params, method_.arithmetic, call_.stream);
  }

  /// What tensor cores cut off makes vectors look shorter, and cosines near 1 too small: so a cosine is relative to
  /// what a row's product with itself is there.
  void fit_scales(const PackedMatrix& matrix, int64_t rows, int64_t allocated) const {
    multiply_by_itself(matrix, rows, scratch_.wide_squares);
    launch_fit_scales(call_.call, index_, scratch_.wide_squares, matrix.fitted, rows, allocated, call_.stream);
  }

  /// For equal rows to be at distance 0.
  void find_squares(const PackedMatrix& matrix, int64_t rows) const {
    const bool narrowed = method_.arithmetic == Arithmetic::kFloat32;
    multiply_by_itself(matrix, rows, narrowed ? scratch_.wide_squares : static_cast<double*>(matrix.squares));
    if (narrowed) {
      launch_narrow(call_.call, index_, scratch_.wide_squares, static_cast<float*>(matrix.squares), rows, call_.stream);
    }
  }

  void find_positives() const {
    const int64_t rows = problem_.x_rows;
    DiagonalParams params{};
    params.similarities = call_.state.positive;
    if (problem_.tower) {
      params.pair = pair_of(call_, index_, rows_.x, rows, rows_.x, rows);
      params.count = rows / 2;
      params.y_first = rows / 2;
      launch_diagonal_tiles(params, method_.arithmetic, call_.stream);
      std::swap(params.x_first, params.y_first);
    } else {
      params.pair = problem_.shared ? pair_of(call_, index_, rows_.x, rows, rows_.z, problem_.z_rows)
                                    : pair_of(call_, index_, rows_.x, rows, rows_.y, problem_.y_rows);
      params.count = rows;
    }
    launch_diagonal_tiles(params, method_.arithmetic, call_.stream);
  }

  void prepare_metrics() const {
    const DenseState& state = call_.state;
    MetricFactorsParams params{};
    params.call = call_.call;
    params.method = index_;
    params.norms = state.y_norms;
    params.scales = rows_.y.scales;
    params.count = problem_.y_rows;
    params.allocated = state.y_allocated;
    params.inverse_norms = scratch_.y_inverse;
    params.factors = scratch_.y_factors;
    launch_metric_factors(params, call_.stream);
    if (problem_.cosine()) return;
    params.norms = state.x_norms;
    params.scales = rows_.x.scales;
    params.count = problem_.x_rows;
    params.allocated = state.x_allocated;
    params.inverse_norms = scratch_.x_inverse;
    params.factors = nullptr;
    launch_metric_factors(params, call_.stream);
  }

  MetricSums metric_sums() const {
    if (!metrics_) return {};
    return {scratch_.above,     scratch_.similarity, scratch_.uniformity,
            scratch_.x_inverse, scratch_.y_inverse,  scratch_.y_factors};
  }

  void sum_tiles() const {
    SumTilesParams params{};
    params.pair = pair_of(call_, index_, rows_.x, problem_.x_rows, rows_.y, problem_.y_rows);
    params.x_positive = call_.state.positive;
    params.y_positive = problem_.symmetric ? call_.state.positive : nullptr;
    params.x_groups = scratch_.groups.x;
    params.y_groups = scratch_.groups.y;
    params.rows = scratch_.rows;
    params.columns = scratch_.columns;
    params.metrics = metric_sums();
    launch_sum_tiles(params, method_.arithmetic, call_.stream);
  }

  void finish_rows() const {
    const DenseState& state = call_.state;
    FinishRowsParams params{};
    params.call = call_.call;
    params.method = index_;
    params.logistic = problem_.logistic ? 1 : 0;
    params.rows = problem_.x_rows;
    params.row_groups = scratch_.groups.y;
    params.column_groups = problem_.symmetric ? scratch_.groups.x : 0;
    params.row_stride = padded_rows(problem_.x_rows);
    params.column_stride = padded_rows(problem_.y_rows);
    params.row_sums = scratch_.rows;
    params.column_sums = scratch_.columns;
    params.metrics = metrics_ ? 1 : 0;
    params.metric_sums = metric_sums();
    params.alignment = call_.scratch.alignment;
    params.x_norms = state.x_norms;
    params.positive = state.positive;
    params.weights = call_.in.weights;
    params.negative_factor = problem_.negative_factor;
    params.top_k = problem_.desc.top_k;
    params.row_value = state.row_value;
    params.row_slope = state.row_slope;
    params.column_value = state.column_value;
    params.column_slope = state.column_slope;
    params.losses = problem_.desc.reduction == NCE_REDUCTION_NONE ? call_.out.loss : nullptr;
    params.totals = call_.scratch.totals;
    launch_finish_rows(params, call_.stream);
  }

  const DenseCall& call_;
  const DenseProblem& problem_;
  const int32_t index_;
  const Method method_;
  const MethodState rows_;
  const MethodForward scratch_;
  const bool metrics_;
};

void measure(const DenseCall& call) {
  const DenseProblem& problem = call.problem;
  const DenseState& state = call.state;
  const auto matrix = [&](const Rows& rows, int64_t count, const Norms& norms, int index) {
    launch_measure(call.call, rows, count, problem.desc.dim, norms, call.scratch.range_parts, &state.ranges[index],
                   call.stream);
  };
  matrix(call.x, problem.x_rows, state.x_norms, 0);
  if (!problem.tower) matrix(call.y, problem.y_rows, state.y_norms, 1);
  if (problem.shared) matrix(call.z, problem.z_rows, state.z_norms, 2);
}

void choose(const DenseCall& call) {
  const DenseProblem& problem = call.problem;
  ChooseParams params{};
  params.call = call.call;
  params.ranges = call.state.ranges;
  params.similarity = problem.desc.similarity;
  params.logistic = problem.logistic ? 1 : 0;
  params.tower = problem.tower ? 1 : 0;
  params.shared = problem.shared ? 1 : 0;
  params.methods = static_cast<int32_t>(call.methods.size());
  params.first_is_double = call.methods[0].arithmetic == Arithmetic::kFloat64 ? 1 : 0;
  params.first_view = problem.desc.n;
  params.most_terms = static_cast<double>(std::max<int64_t>({1, problem.x_rows, problem.y_rows}));
  launch_choose(params, call.stream);
}

void align(const DenseCall& call) {
  const DenseProblem& problem = call.problem;
  const DenseState& state = call.state;
  AlignmentParams params{};
  params.call = call.call;
  params.x = call.x;
  params.x_norms = state.x_norms;
  params.positives = problem.shared ? call.z : call.y;
  params.positive_norms = problem.shared ? state.z_norms : state.y_norms;
  params.x_rows = problem.x_rows;
  params.dim = problem.desc.dim;
  params.views_half = problem.tower ? problem.x_rows / 2 : 0;
  params.alignment = call.scratch.alignment;
  launch_alignment(params, call.stream);
}

void finish_loss(const DenseCall& call, uint64_t plan) {
  const DenseProblem& problem = call.problem;
  FinishLossParams params{};
  params.call = call.call;
  params.plan = plan;
  params.totals = call.scratch.totals;
  params.ranges = call.state.ranges;
  params.matrices = problem.tower ? 1 : problem.shared ? 3 : 2;
  params.reduction = problem.desc.reduction;
  params.logistic = problem.logistic ? 1 : 0;
  params.rows = problem.x_rows;
  params.negatives = problem.negatives;
  params.loss = problem.desc.reduction == NCE_REDUCTION_NONE ? nullptr : call.out.loss;
  params.metrics = call.out.metrics;
  launch_finish_loss(params, call.stream);
}

}  // namespace

Operand operand_of(const PackedMatrix& matrix, int64_t rows) {
  const float* const scales = matrix.fitted != nullptr ? matrix.fitted : matrix.scales;
  return {matrix.planes, matrix.plane_stride, matrix.pitch, rows, scales, matrix.squares};
}

Pair pair_of(const DenseCall& call, int32_t index, const PackedMatrix& x, int64_t x_rows, const PackedMatrix& y,
             int64_t y_rows) {
  const DenseProblem& problem = call.problem;
  const Method& method = call.methods[static_cast<std::size_t>(index)];
  Pair pair{};
  pair.x = operand_of(x, x_rows);
  pair.y = operand_of(y, y_rows);
  pair.planes = method.planes;
  pair.product_scale = is_tensor(method.arithmetic) ? 1.0f / (kPlaneScale * kPlaneScale) : 1.0f;
  pair.similarity = problem.cosine() ? NCE_SIMILARITY_DOT : problem.desc.similarity;
  pair.excluded = problem.tower ? Excluded::kViews : problem.shared ? Excluded::kNone : Excluded::kDiagonal;
  pair.views_half = problem.tower ? problem.x_rows / 2 : 0;
  pair.call = call.call;
  pair.method = index;
  return pair;
}

void enqueue_forward(const DenseCall& call, uint64_t plan) {
  measure(call);
  choose(call);
  if (call.out.metrics != nullptr) align(call);
  for (int32_t index = 0; index < static_cast<int32_t>(call.methods.size()); ++index) {
    Carver carver = call.rest;
    Forward(call, index, carver).enqueue();
  }
  finish_loss(call, plan);
}

}  // namespace nce::cuda
