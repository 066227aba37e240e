// Included once by each row_kernels_<isa>.cpp, which defines NCE_ROW_ISA, a namespace, and NCE_ROW_LANES, doubles a
// vector. Everything is static and without the standard library: an inline function compiled here for a newer processor
// must never be the copy that the linker keeps for all.

#include "cpu/rowwise/row_kernels.h"

namespace nce::cpu::NCE_ROW_ISA {
namespace {

constexpr int64_t kLanes = NCE_ROW_LANES;
typedef double Doubles __attribute__((vector_size(NCE_ROW_LANES * 8)));
typedef float Floats __attribute__((vector_size(NCE_ROW_LANES * 4)));

inline Doubles load(const double* data) {
  Doubles lanes;
  __builtin_memcpy(&lanes, data, sizeof lanes);
  return lanes;
}

inline Doubles load(const float* data) {
  Floats lanes;
  __builtin_memcpy(&lanes, data, sizeof lanes);
  return __builtin_convertvector(lanes, Doubles);
}

inline double sum_of(Doubles lanes) {
  double sum = 0.0;
  for (int64_t i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

template <typename T>
double widen(const T* row, double* wide, int64_t dim) {
  Doubles squares0 = {};
  Doubles squares1 = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= dim; i += 2 * kLanes) {
    const Doubles a = load(row + i);
    const Doubles b = load(row + i + kLanes);
    __builtin_memcpy(wide + i, &a, sizeof a);
    __builtin_memcpy(wide + i + kLanes, &b, sizeof b);
    squares0 += a * a;
    squares1 += b * b;
  }
  double sum = sum_of(squares0 + squares1);
  for (; i < dim; ++i) {
    const auto x = static_cast<double>(row[i]);
    wide[i] = x;
    sum += x * x;
  }
  return sum;
}

template <bool kDifference, typename T>
ProductSums product_sums_of(const double* x, const T* y, int64_t dim) {
  Doubles dot0 = {}, dot1 = {}, norm0 = {}, norm1 = {}, difference0 = {}, difference1 = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= dim; i += 2 * kLanes) {
    const Doubles x0 = load(x + i), x1 = load(x + i + kLanes);
    const Doubles y0 = load(y + i), y1 = load(y + i + kLanes);
    dot0 += x0 * y0;
    dot1 += x1 * y1;
    norm0 += y0 * y0;
    norm1 += y1 * y1;
    if constexpr (kDifference) {
      const Doubles d0 = x0 - y0, d1 = x1 - y1;
      difference0 += d0 * d0;
      difference1 += d1 * d1;
    }
  }
  ProductSums sums = {sum_of(dot0 + dot1), sum_of(difference0 + difference1), sum_of(norm0 + norm1)};
  for (; i < dim; ++i) {
    const auto v = static_cast<double>(y[i]);
    sums.dot += x[i] * v;
    sums.squared_norm += v * v;
    if constexpr (kDifference) {
      const double d = x[i] - v;
      sums.squared_difference += d * d;
    }
  }
  return sums;
}

template <typename T>
ProductSums product_sums(const double* x, const T* y, int64_t dim, bool difference) {
  return difference ? product_sums_of<true>(x, y, dim) : product_sums_of<false>(x, y, dim);
}

template <typename T>
double squared_difference(const double* x, double a, const T* y, double b, int64_t dim) {
  Doubles sums = {};
  int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    const Doubles d = a * load(x + i) - b * load(y + i);
    sums += d * d;
  }
  double sum = sum_of(sums);
  for (; i < dim; ++i) {
    const double d = a * x[i] - b * static_cast<double>(y[i]);
    sum += d * d;
  }
  return sum;
}

template <typename T>
void add(double* __restrict sum, double p, const T* __restrict y, int64_t dim) {
  for (int64_t i = 0; i < dim; ++i) sum[i] += p * static_cast<double>(y[i]);
}

template <typename T>
void add_difference(double* __restrict sum, double p, const double* __restrict x, const T* __restrict y, int64_t dim) {
  for (int64_t i = 0; i < dim; ++i) sum[i] += p * (static_cast<double>(y[i]) - x[i]);
}

/// out[i] (+)= number(i).
template <typename T, typename Number>
void write_numbers(T* __restrict out, int64_t dim, bool add, const Number& number) {
  if (add) {
    for (int64_t i = 0; i < dim; ++i) out[i] = static_cast<T>(static_cast<double>(out[i]) + number(i));
  } else {
    for (int64_t i = 0; i < dim; ++i) out[i] = static_cast<T>(number(i));
  }
}

template <typename T>
void write(T* __restrict out, double p, const double* __restrict x, double q, const T* __restrict y, int64_t dim,
           bool add) {
  write_numbers(out, dim, add, [=](int64_t i) { return p * x[i] + q * static_cast<double>(y[i]); });
}

template <typename T>
void write_difference(T* __restrict out, double p, const double* __restrict x, const T* __restrict y, int64_t dim,
                      bool add) {
  write_numbers(out, dim, add, [=](int64_t i) { return p * (x[i] - static_cast<double>(y[i])); });
}

template <typename T>
void write_sum(T* __restrict out, double scale, const double* __restrict sum, double q, const double* __restrict x,
               int64_t dim, bool add) {
  write_numbers(out, dim, add, [=](int64_t i) { return scale * (sum[i] + q * x[i]); });
}

template <typename T>
constexpr RowKernels<T> kKernels = {widen<T>,          product_sums<T>, squared_difference<T>, add<T>,
                                    add_difference<T>, write<T>,        write_difference<T>,   write_sum<T>};

}  // namespace

template <typename T>
const RowKernels<T>& row_kernels() {
  return kKernels<T>;
}

template const RowKernels<float>& row_kernels<float>();
template const RowKernels<double>& row_kernels<double>();

}  // namespace nce::cpu::NCE_ROW_ISA
