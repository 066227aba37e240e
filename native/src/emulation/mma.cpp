#include "emulation/mma.h"

#include <cmath>
#include <cstring>

#include "api/half.h"

namespace nce::emulation {
namespace {

constexpr int kRows = 16;
constexpr int kColumns = 8;
constexpr int kDepth = 16;
constexpr int kStep = 8;             // products added at once
constexpr int kFractionBits = 24;    // kept below the largest exponent
constexpr int kZeroExponent = -126;  // of a zero, which may then be the largest of a sum

/// 2^exponent, for exponents of normal floats.
[[gnu::always_inline]] inline float power_of_two(int32_t exponent) {
  const int32_t bits = (exponent + 127) << 23;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

/// sum * 2^(exponent - kFractionBits), cut towards zero to a float. Without branches: lanes do it side by side.
[[gnu::always_inline]] inline float to_float(int32_t sum, int32_t exponent) {
  constexpr int32_t kSmallest = -149;
  const int32_t sign = sum >> 31;
  const int32_t magnitude = (sum ^ sign) - sign;
  const int32_t lowest = exponent - kFractionBits;  // weight of the last bit
  // Bits beyond 24, which a float of so many would round: the exponent of the nearest float says how many there are.
  const auto near = static_cast<float>(magnitude & ~0x7f);
  int32_t near_bits;
  std::memcpy(&near_bits, &near, sizeof near_bits);
  const int32_t high = (near_bits >> 23) - 127;
  int32_t drop = high > 23 ? high - 23 : 0;
  drop = lowest + drop < kSmallest ? kSmallest - lowest : drop;
  drop = drop > 31 ? 31 : drop;
  const auto kept = static_cast<float>(magnitude >> drop << drop);
  // In two steps, of which the first stays normal and the second is exact or an infinity.
  const int32_t first = lowest < -100 ? -60 : lowest > 90 ? 60 : 0;
  int32_t second = lowest - first;
  second = second < -126 ? -126 : second > 127 ? 127 : second;  // where nothing is kept, or all is an infinity
  const float result = kept * power_of_two(first) * power_of_two(second);
  return sign != 0 && result != 0.0F ? -result : result;
}

/// Where something is not finite: as IEEE says, with one NaN.
float special(const uint16_t* a, const uint16_t* b, float d, bool bfloat16) {
  const auto value = [bfloat16](uint16_t bits) {
    return static_cast<double>(bfloat16 ? from_bfloat16(bits) : from_float16(bits));
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
    int32_t bits;
    std::memcpy(&bits, &d[j], sizeof bits);
    const int32_t exponent = bits >> 23 & 255;
    const int32_t normal = exponent != 0 ? 1 : 0;
    const int32_t magnitude = (bits & 0x7fffff) | normal << 23;
    const int32_t sign = bits >> 31;
    c_significand[j] = (magnitude ^ sign) - sign;
    c_exponent[j] = magnitude == 0 ? kZeroExponent : exponent + 1 - normal - 127;
    largest[j] = c_exponent[j];
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
    const float result = to_float(sum[j], largest[j]);
    d[j] = c_exponent[j] == 128 ? d[j] : result;
  }
}

/// What is known of the kDepth numbers of a row or column.
struct Known {
  bool finite;
  bool moderate;                 ///< whether no exponent is above that of any float16
  bool nothing[kDepth / kStep];  ///< whether a step's numbers are all zero
};

/// Numbers as sign * significand * 2^(exponent - fraction bits of the type), without a branch.
template <bool kBfloat16>
[[gnu::always_inline]] inline Known decode(const uint16_t* bits, int32_t* significands, int32_t* exponents,
                                           int stride) {
  constexpr int kFraction = kBfloat16 ? 7 : 10;
  constexpr int kBias = kBfloat16 ? 127 : 15;
  constexpr int kTop = kBfloat16 ? 255 : 31;
  int32_t infinite = 0, large = 0;
  int32_t any[kDepth] = {};
  for (int k = 0; k < kDepth; ++k) {
    const int32_t exponent = bits[k] >> kFraction & kTop;
    const int32_t normal = exponent != 0 ? 1 : 0;
    const int32_t magnitude = (bits[k] & ((1 << kFraction) - 1)) | normal << kFraction;
    const int32_t sign = -(bits[k] >> 15);
    significands[k * stride] = (magnitude ^ sign) - sign;
    exponents[k * stride] = magnitude == 0 ? kZeroExponent : exponent + 1 - normal - kBias;
    infinite |= exponent == kTop ? 1 : 0;
    large |= exponent - kBias > 15 ? 1 : 0;
    any[k] = magnitude;
  }
  Known known{infinite == 0, large == 0, {}};
  for (int step = 0; step < kDepth / kStep; ++step) {
    int32_t bits_of_step = 0;
    for (int k = 0; k < kStep; ++k) bits_of_step |= any[step * kStep + k];
    known.nothing[step] = bits_of_step == 0;
  }
  return known;
}

struct AllKnown {
  Known rows[kRows];
  Known columns[kColumns];
};

template <bool kBfloat16>
#if defined(__x86_64__)
__attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#endif
void decode_all(const uint16_t (&a)[16][16], const uint16_t (&b)[8][16], Decoded& in, AllKnown& known) {
  for (int i = 0; i < kRows; ++i) {
    known.rows[i] = decode<kBfloat16>(a[i], in.a_significand[i], in.a_exponent[i], 1);
  }
  for (int j = 0; j < kColumns; ++j) {
    known.columns[j] = decode<kBfloat16>(b[j], &in.b_significand[0][j], &in.b_exponent[0][j], kColumns);
  }
}

bool no_columns(const AllKnown& known, int step) {
  for (const Known& column : known.columns) {
    if (!column.nothing[step]) return false;
  }
  return true;
}

/// add_step where all products are zero and their exponents below those of the sums, which then stay as they are.
/// Returns whether that is so.
bool add_nothing(float* d) {
  for (int j = 0; j < kColumns; ++j) {
    if (d[j] != 0.0F && std::fabs(d[j]) < 0x1p-100F) return false;
  }
  for (int j = 0; j < kColumns; ++j) d[j] = d[j] == 0.0F ? 0.0F : d[j];
  return true;
}

bool all_moderate(const AllKnown& known) {
  bool all = true;
  for (const Known& row : known.rows) all = all && row.moderate;
  for (const Known& column : known.columns) all = all && column.moderate;
  return all;
}

}  // namespace

void multiply_add_tile(const uint16_t (&a)[16][16], const uint16_t (&b)[8][16], float (&d)[16][8], bool bfloat16) {
  Decoded in;
  AllKnown known;
  if (bfloat16) {
    decode_all<true>(a, b, in, known);
  } else {
    decode_all<false>(a, b, in, known);
  }
  float before[kRows][kColumns];
  std::memcpy(before, d, sizeof before);
  const int product_shift = kFractionBits - 2 * (bfloat16 ? 7 : 10);
  const bool moderate = all_moderate(known);
  for (int step = 0; step < kDepth / kStep; ++step) {
    const bool nothing = no_columns(known, step);
    for (int i = 0; i < kRows; ++i) {
      const bool skip = moderate && (nothing || known.rows[i].nothing[step]);
      if (!skip || !add_nothing(d[i])) add_step(in, i, step * kStep, product_shift, d[i]);
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) {
      if (!known.rows[i].finite || !known.columns[j].finite || !std::isfinite(before[i][j])) {
        d[i][j] = special(a[i], b[j], before[i][j], bfloat16);
      }
    }
  }
}

}  // namespace nce::emulation
