#pragma once
// The inner loops of the rowwise losses. Elements are widened to double as they are read: what is summed and subtracted
// here keeps the digits of the inputs, and the loops wait for memory either way.

#include <cstdint>

#include "infonce.h"

namespace nce::cpu {

/// Sums over the elements of two rows x and y.
struct ProductSums {
  double dot;                 // x y
  double squared_difference;  // (x - y)^2; 0 unless asked for
  double squared_norm;        // y^2; finite only if every y is, or nearly overflows
};

/// Loops over rows of `dim` elements of T. All pointers may have any alignment and must not overlap.
template <typename T>
struct RowKernels {
  /// wide = row; returns the sum of squares.
  double (*widen)(const T* row, double* wide, int64_t dim);
  /// `difference`: also the squared difference.
  ProductSums (*product_sums)(const double* x, const T* y, int64_t dim, bool difference);
  /// sum of (a x - b y)^2.
  double (*squared_difference)(const double* x, double a, const T* y, double b, int64_t dim);
  /// sum += p y.
  void (*add)(double* sum, double p, const T* y, int64_t dim);
  /// sum += p (y - x): what of a near comparison is left keeps its digits.
  void (*add_difference)(double* sum, double p, const double* x, const T* y, int64_t dim);
  // Those that write an output; with `add` they add to it.
  /// out (+)= p x + q y.
  void (*write)(T* out, double p, const double* x, double q, const T* y, int64_t dim, bool add);
  /// out (+)= p (x - y).
  void (*write_difference)(T* out, double p, const double* x, const T* y, int64_t dim, bool add);
  /// out (+)= scale (sum + q x).
  void (*write_sum)(T* out, double scale, const double* sum, double q, const double* x, int64_t dim, bool add);
};

/// The kernels of an instruction set that this processor has.
template <typename T>
const RowKernels<T>& row_kernels(nce_isa isa);

namespace portable {
template <typename T>
const RowKernels<T>& row_kernels();
}
namespace avx2 {
template <typename T>
const RowKernels<T>& row_kernels();
}
namespace avx512 {
template <typename T>
const RowKernels<T>& row_kernels();
}

}  // namespace nce::cpu
