// Vectors of one instruction set. The including file defines NCE_TILE_ISA (a namespace), NCE_TILE_BYTES, and
// NCE_TILE_BFLOAT16X2 where words of products are two bfloat16.
#pragma once

#include <cstdint>

#if defined(NCE_TILE_BFLOAT16X2)
#include <immintrin.h>
#endif

namespace nce::cpu::dense::NCE_TILE_ISA {

#if defined(__aarch64__)
constexpr bool kNeon = true;
#else
constexpr bool kNeon = false;
#endif

/// Vectors in a tile's row. With kSlice rows of them in registers, loads stay well below two for each FMA. NEON has
/// as many registers as AVX-512 but a quarter of the lanes: 8 rows do not divide 3 of its vectors, 4 rows divide 6.
constexpr int kVectors = kNeon ? 6 : 3;

template <typename Real>
struct Simd;

template <>
struct Simd<float> {
  typedef float Vec __attribute__((vector_size(NCE_TILE_BYTES)));
  typedef int32_t Int __attribute__((vector_size(NCE_TILE_BYTES)));
  typedef uint32_t Bits __attribute__((vector_size(NCE_TILE_BYTES)));
  using Index = int32_t;
  static constexpr float kLowest = -1e38f;
  static constexpr float kSmallestExponent = -125.0f;  // 2^this is normal
};

template <>
struct Simd<double> {
  typedef double Vec __attribute__((vector_size(NCE_TILE_BYTES)));
  typedef int64_t Int __attribute__((vector_size(NCE_TILE_BYTES)));
  typedef uint64_t Bits __attribute__((vector_size(NCE_TILE_BYTES)));
  using Index = int64_t;
  static constexpr double kLowest = -1e307;
  static constexpr double kSmallestExponent = -1020.0;
};

template <typename Real>
using Vec = typename Simd<Real>::Vec;
template <typename Real>
using Int = typename Simd<Real>::Int;
template <typename Real>
using Bits = typename Simd<Real>::Bits;

template <typename Real>
constexpr int kLanes = NCE_TILE_BYTES / static_cast<int>(sizeof(Real));
template <typename Real>
constexpr int kWidth = kVectors * kLanes<Real>;

template <typename Real>
[[gnu::always_inline]] inline Vec<Real> load(const Real* from) {
  Vec<Real> v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <typename Real>
[[gnu::always_inline]] inline void store(Real* to, const Vec<Real>& v) {
  __builtin_memcpy(to, &v, sizeof v);
}

template <typename Real>
[[gnu::always_inline]] inline Vec<Real> broadcast(Real x) {
  return x - Vec<Real>{};  // folds to one broadcast, as adding to 0 would not (-0)
}

template <typename Real>
[[gnu::always_inline]] inline Vec<Real> larger(const Vec<Real>& a, const Vec<Real>& b) {
  return a > b ? a : b;
}

/// Lane l is lane index[l] of a and b, one behind the other.
template <typename Real, typename Lanes, typename Index>
[[gnu::always_inline]] inline Lanes shuffled(const Lanes& a, const Lanes& b, const Index& index) {
#if defined(__clang__)
  // Without GCC's instruction for it; what Clang compiles is for fuzzing.
  Lanes result{};
  for (int l = 0; l < kLanes<Real>; ++l) {
    const auto from = static_cast<int>(index[l]) & (2 * kLanes<Real> - 1);
    result[l] = from < kLanes<Real> ? a[from] : b[from - kLanes<Real>];
  }
  return result;
#else
  return __builtin_shuffle(a, b, index);
#endif
}

/// How many elements of a product's inner dimension a word holds: a Real, or the bits of two bfloat16, the first in
/// the low half.
#if defined(NCE_TILE_BFLOAT16X2)
constexpr int kWordElements = 2;
#else
constexpr int kWordElements = 1;
#endif

/// sum + left * right; of two bfloat16 both products.
template <typename Real>
[[gnu::always_inline]] inline Vec<Real> multiply_add(const Vec<Real>& left, const Vec<Real>& right,
                                                     const Vec<Real>& sum) {
#if defined(NCE_TILE_BFLOAT16X2)
  return reinterpret_cast<Vec<Real>>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(left),
                                                      reinterpret_cast<__m512bh>(right)));
#else
  return sum + left * right;
#endif
}

/// The panel's row of dimension d: kVectors vectors of numbers, whatever its words.
template <typename Real>
[[gnu::always_inline]] inline Vec<Real> panel_row(const Real* panel, int64_t d, int v) {
  const Vec<Real> words = load(panel + d / kWordElements * kWidth<Real> + v * kLanes<Real>);
  if constexpr (kWordElements == 1) {
    return words;
  } else {
    const auto bits = reinterpret_cast<Bits<Real>>(words);
    return reinterpret_cast<Vec<Real>>(d % 2 == 0 ? bits << 16 : bits & 0xffff0000U);
  }
}

/// A vector of doubles, and as many elements of a narrower type.
typedef double Wide __attribute__((vector_size(NCE_TILE_BYTES)));
constexpr int kWideLanes = NCE_TILE_BYTES / 8;
template <typename Element>
struct Narrow {
  typedef Element Vec __attribute__((vector_size(kWideLanes * sizeof(Element))));
};

/// kWideLanes numbers as doubles.
template <typename Number>
[[gnu::always_inline]] inline Wide widened(const Number* from) {
  typename Narrow<Number>::Vec numbers;
  __builtin_memcpy(&numbers, from, sizeof numbers);
  return __builtin_convertvector(numbers, Wide);
}

/// kLanes numbers from wide(l), the doubles from lane l on.
template <typename Real, typename Function>
[[gnu::always_inline]] inline Vec<Real> narrowed(const Function& wide) {
  if constexpr (sizeof(Real) == sizeof(double)) {
    return wide(0);
  } else {
    const auto low = __builtin_convertvector(wide(0), typename Narrow<Real>::Vec);
    const auto high = __builtin_convertvector(wide(kWideLanes), typename Narrow<Real>::Vec);
    if constexpr (kWideLanes == 8) {
      return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    } else if constexpr (kWideLanes == 4) {
      return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
    } else {
      return __builtin_shufflevector(low, high, 0, 1, 2, 3);
    }
  }
}

/// A tile row's worth of doubles, narrowed.
template <typename Real>
[[gnu::always_inline]] inline void load_row(const double* from, Vec<Real> (&to)[kVectors]) {
  Real narrow[kWidth<Real>];
  for (int l = 0; l < kWidth<Real>; ++l) narrow[l] = static_cast<Real>(from[l]);
  for (int v = 0; v < kVectors; ++v) to[v] = load(narrow + v * kLanes<Real>);
}

/// to[l] += from[l], widened.
template <typename Real>
[[gnu::always_inline]] inline void add_row(const Vec<Real> (&from)[kVectors], double* to) {
  Real narrow[kWidth<Real>];
  for (int v = 0; v < kVectors; ++v) store(narrow + v * kLanes<Real>, from[v]);
  for (int l = 0; l < kWidth<Real>; ++l) to[l] += static_cast<double>(narrow[l]);
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
