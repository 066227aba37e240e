// exp2, exp and log1p on vectors, as far as losses need them.
#pragma once

#include <cstddef>

#include "cpu/dense/tile/vectors.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

constexpr double kLog2E = 1.4426950408889634;

template <typename Real>
struct Exp2;

template <>
struct Exp2<float> {
  static constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  static constexpr int kShift = 23;
  // Near-minimax of (2^f - 1) / f on [-1/2, 1/2]; relative error of 2^f 9e-9 before rounding.
  static constexpr float kTerms[] = {0x1.62e43p-1f,  0x1.ebfbep-3f,   0x1.c6af6cp-5f,
                                     0x1.3b2a1cp-7f, 0x1.5f0896p-10f, 0x1.444004p-13f};
};

template <>
struct Exp2<double> {
  static constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int kShift = 52;
  // (ln 2)^k / k!: relative error of 2^f 2e-16 before rounding.
  static constexpr double kTerms[] = {6.93147180559945286e-01, 2.40226506959100722e-01, 5.55041086648215831e-02,
                                      9.61812910762847688e-03, 1.33335581464284433e-03, 1.54035303933816088e-04,
                                      1.52527338040598411e-05, 1.32154867901443095e-06, 1.01780860092396999e-07,
                                      7.05491162080112336e-09, 4.44553827187081162e-10, 2.56784359934882055e-11};
};

/// A factor in two parts, so that the product with a similarity keeps its fraction when its integer part is large.
template <typename Real>
struct Scale {
  Real high;
  Real low;
  Real smallest;  ///< the argument whose exponential is the smallest normal one

  explicit Scale(double factor)
      : high(static_cast<Real>(factor)),
        low(static_cast<Real>(factor - static_cast<double>(high))),
        smallest(Simd<Real>::kSmallestExponent / high) {}
};

/// s * scale as what E::kMagic rounds it to, which stays in the low bits of `shifted`, and the rest f. The rounded part
/// leaves by FMA before anything else is rounded. Step by step for all vectors, as all of exp2: their chains of
/// dependent operations run side by side.
template <typename E, typename Real, size_t kCount>
[[gnu::always_inline]] inline void split(const Vec<Real> (&s)[kCount], const Scale<Real>& scale,
                                         Vec<Real> (&shifted)[kCount], Vec<Real> (&f)[kCount]) {
#pragma GCC unroll 8
  for (size_t v = 0; v < kCount; ++v) shifted[v] = s[v] * scale.high + E::kMagic;
#pragma GCC unroll 8
  for (size_t v = 0; v < kCount; ++v) f[v] = s[v] * scale.high - (shifted[v] - E::kMagic);
#pragma GCC unroll 8
  for (size_t v = 0; v < kCount; ++v) f[v] = s[v] * scale.low + f[v];
}

#if NCE_TILE_BYTES == 64
/// Two registers hold 2^(i / 32): the rest is within 1/64, where a parabola does. That takes three multiplications
/// fewer than Exp2, in the units that are busy with products.
struct Exp2Table {
  static constexpr float kMagic = 393216.0f;  // 1.5 * 2^18: adding it rounds to a multiple of 1/32 in the low bits
  static constexpr int kShift = 18;
  // Minimax of (2^f - 1) / f on [-1/64, 1/64]; relative error of 2^f 5.4e-8 before rounding, 1.7e-7 with it.
  static constexpr float kSlope = 0x1.62e584p-1f;
  static constexpr float kCurve = 0x1.ebfbdep-3f;
  // Bits of 2^(i / 32) less i * 2^kShift, which the shifted low bits add.
  static constexpr Bits<float> kPowers[] = {
      {0x3f800000, 0x3f7ecd87, 0x3f7daac3, 0x3f7c980f, 0x3f7b95c2, 0x3f7aa43a, 0x3f79c3d3, 0x3f78f4f0, 0x3f7837f0,
       0x3f778d3a, 0x3f76f532, 0x3f767043, 0x3f75fed7, 0x3f75a15b, 0x3f75583f, 0x3f7523f6},
      {0x3f7504f3, 0x3f74fbaf, 0x3f7508a4, 0x3f752c4d, 0x3f75672a, 0x3f75b9be, 0x3f76248c, 0x3f76a81e, 0x3f7744fd,
       0x3f77fbb8, 0x3f78ccdf, 0x3f79b907, 0x3f7ac0c7, 0x3f7be4ba, 0x3f7d257d, 0x3f7e83b3}};
};

template <size_t kCount>
[[gnu::always_inline]] inline void exp2_scaled(const Vec<float> (&s)[kCount], const Scale<float>& scale,
                                               Vec<float> (&power)[kCount]) {
  using E = Exp2Table;
  Vec<float> shifted[kCount];
  Vec<float> f[kCount];
  split<E, float, kCount>(s, scale, shifted, f);
#pragma GCC unroll 8
  for (size_t v = 0; v < kCount; ++v) {
    const auto bits = reinterpret_cast<Bits<float>>(shifted[v]);
    const Bits<float> fraction = shuffled<float>(E::kPowers[0], E::kPowers[1], bits);
    power[v] = reinterpret_cast<Vec<float>>(fraction + (bits << E::kShift));
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < kCount; ++v) power[v] += (power[v] * f[v]) * (f[v] * E::kCurve + E::kSlope);
}
#endif

/// 2^(s * scale) where that is a normal number.
template <typename Real, size_t kCount>
[[gnu::always_inline]] inline void exp2_scaled(const Vec<Real> (&s)[kCount], const Scale<Real>& scale,
                                               Vec<Real> (&power)[kCount]) {
#if NCE_TILE_BYTES == 64
  if constexpr (sizeof(Real) == sizeof(float)) return exp2_scaled<kCount>(s, scale, power);
#endif
  using E = Exp2<Real>;
  constexpr int kTerms = sizeof(E::kTerms) / sizeof(Real);
  Vec<Real> shifted[kCount];
  Vec<Real> f[kCount];
  split<E, Real, kCount>(s, scale, shifted, f);
#pragma GCC unroll 8
  for (size_t v = 0; v < kCount; ++v) power[v] = f[v] * E::kTerms[kTerms - 1] + E::kTerms[kTerms - 2];
#pragma GCC unroll 16
  for (int k = kTerms - 3; k >= 0; --k) {
#pragma GCC unroll 8
    for (size_t v = 0; v < kCount; ++v) power[v] = power[v] * f[v] + E::kTerms[k];
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < kCount; ++v) power[v] = power[v] * f[v] + Real{1};
#pragma GCC unroll 8
  for (size_t v = 0; v < kCount; ++v) {
    power[v] = reinterpret_cast<Vec<Real>>(reinterpret_cast<Bits<Real>>(power[v]) +
                                           (reinterpret_cast<Bits<Real>>(shifted[v]) << E::kShift));
  }
}

template <typename Real>
[[gnu::always_inline]] inline Vec<Real> exp2_scaled(const Vec<Real>& s, const Scale<Real>& scale) {
  const Vec<Real> one[] = {s};
  Vec<Real> power[1];
  exp2_scaled<Real, 1>(one, scale, power);
  return power[0];
}

/// The same for any s <= 0 (or a little above), flushing to the smallest normal number.
template <typename Real>
[[gnu::always_inline]] inline Vec<Real> exp2_clamped(const Vec<Real>& s, const Scale<Real>& scale) {
  return exp2_scaled<Real>(larger<Real>(s, broadcast(scale.smallest)), scale);
}

/// ln(1 + e) for e in [0, 1], with a small relative error: 2 artanh(e / (2 + e)), whose argument is at most 1/3.
template <typename Real>
[[gnu::always_inline]] inline Vec<Real> log1p_unit(const Vec<Real>& e) {
  constexpr int kTerms = sizeof(Real) == 4 ? 8 : 17;
  const Vec<Real> w = e / (e + Real{2});
  const Vec<Real> square = w * w;
  Vec<Real> p = broadcast(Real{1} / Real{2 * kTerms - 1});
#pragma GCC unroll 20
  for (int k = kTerms - 2; k >= 0; --k) p = p * square + Real{1} / static_cast<Real>(2 * k + 1);
  return (w + w) * p;
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
