#pragma once
// How a call's workspace is cut. State of the forward pass comes first, scratch of either pass shares the rest.

#include <algorithm>
#include <cstdint>

#include "api/backend.h"
#include "cpu/dense/kernels.h"
#include "cpu/dense/problem.h"
#include "cpu/dense/rows.h"

namespace nce::cpu::dense {

/// All panel widths divide this; arrays of one double a row are padded to it.
constexpr int64_t kRowPadding = 48;

inline int64_t padded(int64_t rows) { return (rows + kRowPadding - 1) / kRowPadding * kRowPadding; }

/// Cuts consecutive, aligned arrays out of a block of memory; with a null base it only counts.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}

  template <typename T>
  T* take(int64_t count) {
    const int64_t at = used_;
    const int64_t bytes = std::max<int64_t>(count, 0) * static_cast<int64_t>(sizeof(T));
    used_ += (bytes + NCE_WORKSPACE_ALIGNMENT - 1) / NCE_WORKSPACE_ALIGNMENT * NCE_WORKSPACE_ALIGNMENT;
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + at);
  }

  int64_t used() const { return used_; }

 private:
  std::byte* base_;
  int64_t used_ = 0;
};

/// What a forward pass leaves for the backward pass to recognise.
struct Header {
  uint64_t magic;
  uint64_t plan;
  double tau;
  int32_t double_tiles;
  int32_t form;
};

/// State that does not depend on the arithmetic. One double a row each; Y's arrays are X's for one tower.
struct State {
  State(Carver& carver, const Problem& problem);

  Header* header;
  Norms x_norms, y_norms, z_norms;
  double *x_squares, *y_squares, *z_squares;
  double* positive;               ///< s+
  double *row_value, *row_slope;  ///< ln of the sum of e^z over negatives (NT-Logistic: sum of softplus); dl/dtau
  double *column_value, *column_slope;
};

/// Packed panels, the biggest part of the state.
template <typename Real>
struct Panels {
  Panels(Carver& carver, const Problem& problem, const Kernels<Real>& kernels);

  int64_t padded_dim;
  int64_t stride;
  int64_t x_count, y_count, z_count;
  Real *x, *y, *z;
};

/// How the forward pass is cut into tasks; from the shape alone, so that results do not depend on threads.
struct Grid {
  Grid(int64_t x_panels, int64_t y_panels);

  int64_t x_groups;
  int64_t y_groups;
};

/// Scratch of the forward pass: partial sums of each group, [group][padded rows].
template <typename Real>
struct ForwardScratch {
  ForwardScratch(Carver& carver, const Problem& problem, const Kernels<Real>& kernels, const Panels<Real>& panels,
                 int threads);

  Grid grid;
  Sums rows;
  Sums columns;
  double *above, *similarity, *uniformity;
  double *x_inverse, *y_inverse, *y_factors;
  double* losses;
  double* alignment;
  int64_t worker_stride;
  Real* workers;
};

/// Scratch of the backward pass.
template <typename Real>
struct BackwardScratch {
  BackwardScratch(Carver& carver, const Problem& problem, const Kernels<Real>& kernels, const Panels<Real>& panels,
                  int threads);

  double *x_weights, *y_weights;
  double *x_references, *y_references;
  double* positive_weights;
  double *row_factors, *column_factors;
  int64_t worker_stride;
  int64_t worker_sums_stride;
  Real* workers;
  double* worker_sums;
};

}  // namespace nce::cpu::dense
