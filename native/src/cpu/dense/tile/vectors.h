// Vectors of one instruction set. The including file defines NCE_TILE_ISA (a namespace) and NCE_TILE_BYTES.
#pragma once

#include <cstdint>

namespace nce::cpu::dense::NCE_TILE_ISA {

/// Vectors in a tile's row. With kSlice rows of them in registers, loads stay well below two an FMA pair.
constexpr int kVectors = 3;

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
