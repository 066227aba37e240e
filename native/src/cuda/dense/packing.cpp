#include "cuda/dense/packing.h"

namespace nce::cuda::dense {
namespace {

class Packer {
 public:
  Packer(const Call& call, int32_t index, const MethodState& state)
      : call_(call),
        problem_(call.problem),
        index_(index),
        method_(call.methods[static_cast<std::size_t>(index)]),
        state_(state) {}

  void pack(const Matrix& matrix) const {
    const PackedMatrix& to = matrix.to;
    launch_pack({.call = call_.call_state,
                 .method = index_,
                 .packing = state_.packing,
                 .rows = matrix.source,
                 .count = matrix.rows,
                 .allocated = matrix.allocated,
                 .dim = problem_.desc.dim,
                 .norms = matrix.norms,
                 .range = matrix.range,
                 .center = problem_.euclidean() ? call_.scratch.center : nullptr,
                 .planes = to.planes,
                 .plane_count = method_.planes,
                 .plane_stride = to.plane_stride,
                 .pitch = to.pitch,
                 .scales = to.scales,
                 .relative = to.relative,
                 .squares = to.squares},
                method_.arithmetic, call_.stream);
    if (problem_.euclidean()) find_squares(to, matrix.rows);
    if (to.fitted != nullptr) fit_scales(to, matrix.rows, matrix.allocated);
  }

 private:
  /// Squared norms by the arithmetic of the tiles.
  void multiply_by_itself(const PackedMatrix& matrix, int64_t rows, double* squares) const {
    tile::Operands operands = operands_of(call_, index_, matrix, rows, matrix, rows);
    operands.x.scales = operands.y.scales = nullptr;
    operands.similarity = NCE_SIMILARITY_DOT;
    operands.excluded = loss::Excluded::kNone;
    launch_diagonal_tiles({.operands = operands, .x_first = 0, .y_first = 0, .count = rows, .similarities = squares},
                          method_.arithmetic, call_.stream);
  }

  /// What tensor cores cut off makes vectors look shorter, and cosines near 1 too small: so a cosine is relative to
  /// what a row's product with itself is there.
  void fit_scales(const PackedMatrix& matrix, int64_t rows, int64_t allocated) const {
    multiply_by_itself(matrix, rows, state_.wide_squares);
    launch_fit_scales({.call = call_.call_state,
                       .method = index_,
                       .squares = state_.wide_squares,
                       .scales = matrix.fitted,
                       .count = rows,
                       .allocated = allocated},
                      call_.stream);
  }

  /// For equal rows to be at distance 0.
  void find_squares(const PackedMatrix& matrix, int64_t rows) const {
    const bool narrowed = method_.arithmetic == Arithmetic::kFloat32;
    multiply_by_itself(matrix, rows, narrowed ? state_.wide_squares : static_cast<double*>(matrix.squares));
    if (!narrowed) return;
    launch_narrow({.call = call_.call_state,
                   .method = index_,
                   .in = state_.wide_squares,
                   .out = static_cast<float*>(matrix.squares),
                   .count = rows},
                  call_.stream);
  }

  const Call& call_;
  const Problem& problem_;
  const int32_t index_;
  const Method method_;
  const MethodState& state_;
};

/// From a row on. Beyond the first matrix first_rows is negative: so many rows further on in the second.
RowSource offset(RowSource rows, int64_t begin) {
  rows.first = static_cast<const std::byte*>(rows.first) + begin * rows.first_stride * loss::dtype_bytes(rows.dtype);
  rows.first_rows -= begin;
  return rows;
}

Matrix with_groups(const int32_t* groups, Matrix matrix) {
  matrix.to.groups = groups;
  return matrix;
}

/// With the caller's rows, for a method that reads these.
Matrix with_caller(const Call& call, const MethodState& state, Matrix matrix) {
  if (!state.packed) {
    matrix.to.caller = {.source = matrix.source,
                        .count = matrix.rows,
                        .dim = call.problem.desc.dim,
                        .lengths = state.packing == Packing::kUnit ? matrix.norms.length : nullptr};
  }
  return matrix;
}

}  // namespace

void pack(const Call& call, int32_t index, const MethodState& state, const Matrix& matrix) {
  if (state.packed && matrix.rows > 0) Packer(call, index, state).pack(matrix);
}

Matrix x_matrix(const Call& call, const MethodState& state) {
  return with_groups(call.row_groups(), with_caller(call, state,
                                                    {.source = call.x,
                                                     .rows = call.problem.x_rows,
                                                     .allocated = call.state.x_allocated,
                                                     .norms = call.state.x_norms,
                                                     .range = &call.state.ranges[0],
                                                     .to = state.x}));
}

Matrix z_part(const Call& call, const MethodState& state, const PackedMatrix& to, int64_t begin, int64_t count) {
  return with_caller(call, state,
                     {.source = offset(call.z, begin),
                      .rows = count,
                      .allocated = tile::padded_rows(count),
                      .norms = offset(call.state.z_norms, begin),
                      .range = &call.state.ranges[call.problem.shared ? 2 : 1],
                      .to = to});
}

Matrix z_matrix(const Call& call, const MethodState& state) {
  PackedMatrix nowhere;
  nowhere.pitch = state.x.pitch;
  return z_part(call, state, nowhere, 0, call.carved.z_rows);
}

Matrix own_matrix(const Call& call, const MethodState& state) {
  return with_groups(call.state.owners, with_caller(call, state,
                                                    {.source = call.z,
                                                     .rows = call.problem.z_rows,
                                                     .allocated = call.state.z_allocated,
                                                     .norms = call.state.z_norms,
                                                     .range = &call.state.ranges[2],
                                                     .to = state.own}));
}

Matrix owner_matrix(const Call& call, const MethodState& state) {
  return with_groups(call.state.row_numbers, x_matrix(call, state));
}

tile::Operands own_operands(const Call& call, int32_t index, const MethodState& state) {
  const Problem& problem = call.problem;
  tile::Operands operands = operands_of(call, index, owner_matrix(call, state).to, problem.x_rows,
                                        own_matrix(call, state).to, problem.z_rows);
  operands.excluded = loss::Excluded::kNone;
  operands.kept_groups = tile::kSameGroup;
  operands.x.limits = call.state.limits;
  return operands;
}

Matrix y_matrix(const Call& call, const MethodState& state, int64_t strip) {
  const int64_t begin = call.strips.begin(strip);
  const int32_t* const groups = call.column_groups();
  return with_groups(groups == nullptr ? nullptr : groups + begin,
                     with_caller(call, state,
                                 {.source = offset(call.y, begin),
                                  .rows = call.strips.size(strip),
                                  .allocated = call.state.y_allocated,
                                  .norms = offset(call.state.y_norms, begin),
                                  .range = &call.state.ranges[1],
                                  .to = state.y}));
}

}  // namespace nce::cuda::dense
