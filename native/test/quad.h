#pragma once
// Arithmetic of 113 bits for oracles: long double where it has them, as on AArch64, else libquadmath's.

#if __LDBL_MANT_DIG__ == 113
#include <cmath>
#else
#include <quadmath.h>
#endif

namespace nce::test {

#if __LDBL_MANT_DIG__ == 113
using Quad = long double;

inline Quad expq(Quad x) { return std::exp(x); }
inline Quad log1pq(Quad x) { return std::log1p(x); }
inline Quad sqrtq(Quad x) { return std::sqrt(x); }
inline Quad fabsq(Quad x) { return std::abs(x); }
#else
__extension__ typedef __float128 Quad;

using ::expq;
using ::fabsq;
using ::log1pq;
using ::sqrtq;
#endif

}  // namespace nce::test
