#pragma once
// How the workspace of a dense call is cut. CallState comes first, then what the forward pass leaves to the backward
// pass, then scratch that both passes share. What depends on the method lies over that of the other method: a call has
// only one.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cuda/call_state.h"
#include "cuda/dense_kernels.h"
#include "cuda/dense_problem.h"
#include "cuda/methods.h"

namespace nce::cuda {

/// Tiles read packed matrices from addresses that are multiples of this.
constexpr int64_t kArrayAlignment = 128;

/// Cuts consecutive, aligned arrays out of a block of memory behind a CallState; with a null base it only counts. The
/// count allows for a base that is aligned to NCE_WORKSPACE_ALIGNMENT only.
class Carver {
 public:
  explicit Carver(std::byte* base);

  template <typename T>
  T* take(int64_t count) {
    const int64_t at = used_;
    const int64_t bytes = std::max<int64_t>(count, 0) * static_cast<int64_t>(sizeof(T));
    used_ += (bytes + kArrayAlignment - 1) / kArrayAlignment * kArrayAlignment;
    return arrays_ == nullptr || count <= 0 ? nullptr : reinterpret_cast<T*>(arrays_ + at);
  }

  /// Bytes of the whole workspace so far.
  int64_t used() const;

 private:
  std::byte* arrays_ = nullptr;
  int64_t used_ = 0;
};

/// State that does not depend on the method. Y's arrays are X's for one tower.
struct DenseState {
  DenseState(Carver& carver, const DenseProblem& problem);

  int64_t x_allocated, y_allocated, z_allocated;  ///< rows with their padding
  RowRange* ranges;                               ///< of X, Y, Z
  Norms x_norms, y_norms, z_norms;
  double* positive;               ///< s+
  double *row_value, *row_slope;  ///< ln of the sum of e^z over negatives (NT-Logistic: sum of softplus); dl/dtau
  double *column_value, *column_slope;
};

/// Scratch that does not depend on the method.
struct DenseScratch {
  DenseScratch(Carver& carver, const DenseProblem& problem);

  std::byte* check;
  RowRange* range_parts;
  RowTotals* totals;
  SlopeTotals* slopes;
  double* alignment;
};

/// A packed matrix with what belongs to its rows.
struct PackedMatrix {
  void* planes = nullptr;
  int64_t plane_stride = 0;
  int64_t pitch = 0;
  float* scales = nullptr;
  float* relative = nullptr;
  float* fitted = nullptr;  ///< what makes cosines of the tiles' products, instead of scales; see Forward::fit_scales
  void* squares = nullptr;  ///< float, or double for kFloat64
};

/// State of one method: how rows are packed, and the packed rows.
struct MethodState {
  MethodState(Carver& carver, const DenseProblem& problem, const DenseState& state, const Method& method);

  Packing packing;
  PackedMatrix x, y, z;
};

struct MethodForward {
  MethodForward(Carver& carver, const DenseProblem& problem, const DenseState& state, const Method& method,
                const Architecture& architecture);

  Groups groups;  ///< 0 without columns
  Sums rows, columns;
  double *above, *similarity, *uniformity;
  float *x_inverse, *y_inverse, *y_factors;
  double* wide_squares;  ///< before they are narrowed to float, or become scales
};

struct MethodBackward {
  MethodBackward(Carver& carver, const DenseProblem& problem, const DenseState& state, const Method& method,
                 const Architecture& architecture);

  void *x_weights, *x_references, *y_weights, *y_references;
  double* positive_weights;
  bool tiles;  ///< gradient_tiles, one matrix after the other; else blocks of G for both
  int32_t x_splits, y_splits;
  void *x_sums, *y_sums;  ///< the same memory if `tiles`
  Blocks blocks;
  std::byte *g, *g_transposed;
  double *x_weight_sums, *y_weight_sums;
};

}  // namespace nce::cuda
