#include "emulation/mma.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace nce::emulation {
namespace {

constexpr int kRows = 16;
constexpr int kColumns = 8;
constexpr int kDepth = 16;
constexpr int kStep = 8;             // products added at once
constexpr int kFractionBits = 24;    // kept below the largest exponent
constexpr int kZeroExponent = -126;  // of a zero, which may then be the largest of a sum

/// sign * significand * 2^(exponent - fraction bits of the type)
struct Parts {
  int32_t significand;  // with sign
  int32_t exponent;
  bool finite;
};

Parts parts_of(uint16_t bits, bool bfloat16) {
  const int fraction_bits = bfloat16 ? 7 : 10;
  const int bias = bfloat16 ? 127 : 15;
  const int top = bfloat16 ? 255 : 31;
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const int exponent = bits >> fraction_bits & top;
  const int significand = exponent == 0 ? fraction : fraction | 1 << fraction_bits;
  Parts parts{(bits & 0x8000) != 0 ? -significand : significand, (exponent == 0 ? 1 : exponent) - bias,
              exponent != top};
  if (significand == 0) parts.exponent = kZeroExponent;
  return parts;
}

Parts parts_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const auto fraction = static_cast<int32_t>(bits & 0x7fffffU);
  const auto exponent = static_cast<int32_t>(bits >> 23 & 255U);
  const int32_t significand = exponent == 0 ? fraction : fraction | 1 << 23;
  Parts parts{(bits >> 31) != 0 ? -significand : significand, (exponent == 0 ? 1 : exponent) - 127, exponent != 255};
  if (significand == 0) parts.exponent = kZeroExponent;
  return parts;
}

/// sum * 2^(exponent - kFractionBits), cut towards zero.
float to_float(int32_t sum, int32_t exponent) {
  if (sum == 0) return 0.0F;
  const uint32_t magnitude = static_cast<uint32_t>(sum < 0 ? -sum : sum);
  const int high = 31 - __builtin_clz(magnitude);
  int drop = high > 23 ? high - 23 : 0;
  const int lowest = exponent - kFractionBits;  // weight of the last bit
  constexpr int kSmallest = -149;
  if (lowest + drop < kSmallest) drop = kSmallest - lowest;
  if (drop > 31 || magnitude >> drop == 0) return 0.0F;  // of either sign
  const auto kept = static_cast<float>(magnitude >> drop << drop);
  const float result = std::ldexp(kept, lowest);
  return sum < 0 ? -result : result;
}

/// Where something is not finite: as IEEE says, with one NaN.
float special(const uint16_t* a, const uint16_t* b, float d, bool bfloat16) {
  const auto value = [bfloat16](uint16_t bits) {
    const Parts p = parts_of(bits, bfloat16);
    if (p.finite) return std::ldexp(static_cast<double>(p.significand), p.exponent - (bfloat16 ? 7 : 10));
    if ((bits & (bfloat16 ? 0x7f : 0x3ff)) != 0) return std::numeric_limits<double>::quiet_NaN();
    return (bits & 0x8000) != 0 ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  };
  auto sum = static_cast<double>(d);
  for (int k = 0; k < kDepth; ++k) sum += value(a[k]) * value(b[k]);
  if (std::isnan(sum)) {
    constexpr uint32_t kNan = 0x7fffffffU;
    float nan;
    std::memcpy(&nan, &kNan, sizeof nan);
    return nan;
  }
  return static_cast<float>(sum);
}

struct Decoded {
  alignas(64) int32_t a_significand[kRows][kDepth];
  alignas(64) int32_t a_exponent[kRows][kDepth];
  alignas(64) int32_t b_significand[kDepth][kColumns];
  alignas(64) int32_t b_exponent[kDepth][kColumns];
};

/// One row of D, kStep of k.
#if defined(__x86_64__)
__attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#endif
void add_step(const Decoded& in, int i, int first, int product_shift, float* d) {
  alignas(32) int32_t c_significand[kColumns], c_exponent[kColumns], largest[kColumns], sum[kColumns];
  for (int j = 0; j < kColumns; ++j) {
    const Parts c = parts_of(d[j]);
    c_significand[j] = c.significand;
    c_exponent[j] = c.exponent;
    largest[j] = c.exponent;
  }
  for (int k = first; k < first + kStep; ++k) {
    for (int j = 0; j < kColumns; ++j) {
      const int32_t e = in.a_exponent[i][k] + in.b_exponent[k][j];
      largest[j] = e > largest[j] ? e : largest[j];
    }
  }
  for (int j = 0; j < kColumns; ++j) {
    int32_t shift = largest[j] - c_exponent[j];
    shift = shift > 31 ? 31 : shift;
    const int32_t sign = c_significand[j] >> 31;
    const int32_t magnitude = (((c_significand[j] ^ sign) - sign) << (kFractionBits - 23)) >> shift;
    sum[j] = (magnitude ^ sign) - sign;
  }
  for (int k = first; k < first + kStep; ++k) {
    for (int j = 0; j < kColumns; ++j) {
      const int32_t product = in.a_significand[i][k] * in.b_significand[k][j];
      int32_t shift = largest[j] - (in.a_exponent[i][k] + in.b_exponent[k][j]);
      shift = shift > 31 ? 31 : shift;
      const int32_t sign = product >> 31;
      const int32_t magnitude = (((product ^ sign) - sign) << product_shift) >> shift;
      sum[j] += (magnitude ^ sign) - sign;
    }
  }
  for (int j = 0; j < kColumns; ++j) {
    // An infinity of the first half stays; where one was given, special() has the say.
    if (std::isfinite(d[j])) d[j] = to_float(sum[j], largest[j]);
  }
}

}  // namespace

void multiply_add_tile(const uint16_t (&a)[16][16], const uint16_t (&b)[8][16], float (&d)[16][8], bool bfloat16) {
  Decoded in;
  bool row_finite[kRows], column_finite[kColumns], all_finite = true;
  for (int i = 0; i < kRows; ++i) {
    row_finite[i] = true;
    for (int k = 0; k < kDepth; ++k) {
      const Parts p = parts_of(a[i][k], bfloat16);
      in.a_significand[i][k] = p.significand;
      in.a_exponent[i][k] = p.exponent;
      row_finite[i] = row_finite[i] && p.finite;
    }
    all_finite = all_finite && row_finite[i];
  }
  for (int j = 0; j < kColumns; ++j) {
    column_finite[j] = true;
    for (int k = 0; k < kDepth; ++k) {
      const Parts p = parts_of(b[j][k], bfloat16);
      in.b_significand[k][j] = p.significand;
      in.b_exponent[k][j] = p.exponent;
      column_finite[j] = column_finite[j] && p.finite;
    }
    all_finite = all_finite && column_finite[j];
  }
  float before[kRows][kColumns];
  std::memcpy(before, d, sizeof before);
  const int product_shift = kFractionBits - 2 * (bfloat16 ? 7 : 10);
  for (int i = 0; i < kRows; ++i) {
    for (int first = 0; first < kDepth; first += kStep) add_step(in, i, first, product_shift, d[i]);
  }
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) {
      if (all_finite && std::isfinite(before[i][j])) continue;
      if (!row_finite[i] || !column_finite[j] || !std::isfinite(before[i][j])) {
        d[i][j] = special(a[i], b[j], before[i][j], bfloat16);
      }
    }
  }
}

}  // namespace nce::emulation
