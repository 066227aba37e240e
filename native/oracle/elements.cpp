#include "oracle/elements.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace nce::oracle {
namespace {

constexpr int kFloat16Exponent = 5, kBfloat16Exponent = 8;

template <typename T>
void put(T value, std::byte* to) {
  std::memcpy(to, &value, sizeof value);
}

template <typename T>
T take(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

[[noreturn]] void unknown() { throw std::invalid_argument("no such element type"); }

}  // namespace

int64_t bytes_of(nce_dtype dtype) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return 8;
    case NCE_DTYPE_FLOAT32:
      return 4;
    case NCE_DTYPE_FLOAT16:
    case NCE_DTYPE_BFLOAT16:
      return 2;
  }
  unknown();
}

const char* name_of(nce_dtype dtype) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return "float64";
    case NCE_DTYPE_FLOAT32:
      return "float32";
    case NCE_DTYPE_FLOAT16:
      return "float16";
    case NCE_DTYPE_BFLOAT16:
      return "bfloat16";
  }
  unknown();
}

void store(nce_dtype dtype, double x, std::byte* to) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return put(x, to);
    case NCE_DTYPE_FLOAT32:
      return put(static_cast<float>(x), to);
    case NCE_DTYPE_FLOAT16:
      return put(half_bits(x, kFloat16Exponent), to);
    case NCE_DTYPE_BFLOAT16:
      return put(half_bits(x, kBfloat16Exponent), to);
  }
  unknown();
}

double load(nce_dtype dtype, const std::byte* from) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return take<double>(from);
    case NCE_DTYPE_FLOAT32:
      return static_cast<double>(take<float>(from));
    case NCE_DTYPE_FLOAT16:
      return half_value(take<uint16_t>(from), kFloat16Exponent);
    case NCE_DTYPE_BFLOAT16:
      return half_value(take<uint16_t>(from), kBfloat16Exponent);
  }
  unknown();
}

double rounded(double x, nce_dtype dtype) {
  std::byte memory[8];
  store(dtype, x, memory);
  return load(dtype, memory);
}

uint16_t half_bits(double x, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto sign = static_cast<uint16_t>(std::signbit(x) ? 0x8000 : 0);
  const auto infinite = static_cast<uint16_t>(((1 << exponent_bits) - 1) << mantissa_bits);
  const double size = std::fabs(x);
  if (std::isnan(x)) return static_cast<uint16_t>(sign | infinite | 1);
  if (size == 0.0) return sign;
  const int e = std::isinf(size) ? 2 * bias : std::max(std::ilogb(size), 1 - bias);
  if (e > bias) return static_cast<uint16_t>(sign | infinite);
  // In units of the last place; a carry runs into the exponent, as it should.
  const auto units = static_cast<uint32_t>(std::nearbyint(std::ldexp(size, mantissa_bits - e)));
  return static_cast<uint16_t>(sign | (units + (static_cast<uint32_t>(e + bias - 1) << mantissa_bits)));
}

double half_value(uint16_t bits, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits & 0x7fff) >> mantissa_bits;
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  double size = 0.0;
  if (exponent == (1 << exponent_bits) - 1) {
    size = mantissa != 0 ? std::nan("") : HUGE_VAL;
  } else if (exponent == 0) {
    size = std::ldexp(mantissa, 1 - bias - mantissa_bits);
  } else {
    size = std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
  }
  return (bits & 0x8000) != 0 ? -size : size;
}

}  // namespace nce::oracle
