#pragma once
// A matrix of the caller becomes one that tiles read.

#include "cuda/dense/call.h"

namespace nce::cuda::dense {

/// A matrix and what packing it makes.
struct Matrix {
  RowSource source;
  int64_t rows;
  int64_t allocated;
  Norms norms;
  const RowRange* range;
  PackedMatrix to;
};

/// Packs rows for method `index` of the call, with their squares or fitted scales, if it is a method of packed rows.
void pack(const Call& call, int32_t index, const MethodState& state, const Matrix& matrix);

Matrix x_matrix(const Call& call, const MethodState& state);
/// Rows [begin, begin + count) of Z, that `to` has a place for.
Matrix z_part(const Call& call, const MethodState& state, const PackedMatrix& to, int64_t begin, int64_t count);
/// Z, packed nowhere.
Matrix z_matrix(const Call& call, const MethodState& state);
/// Rows' own negatives, and the queries as they meet these: with their numbers for groups.
Matrix own_matrix(const Call& call, const MethodState& state);
Matrix owner_matrix(const Call& call, const MethodState& state);
/// The queries against these, of which each meets its own.
tile::Operands own_operands(const Call& call, int32_t index, const MethodState& state);
/// A strip of Y, or Y as it is.
Matrix y_matrix(const Call& call, const MethodState& state, int64_t strip);

}  // namespace nce::cuda::dense
