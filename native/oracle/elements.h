#pragma once
// Elements of matrices: from and to double.

#include <cstddef>
#include <cstdint>

#include "infonce.h"

namespace nce::oracle {

int64_t bytes_of(nce_dtype dtype);
const char* name_of(nce_dtype dtype);

/// The nearest number that the type holds, ties to even; beyond its range infinity.
void store(nce_dtype dtype, double x, std::byte* to);
double load(nce_dtype dtype, const std::byte* from);
double rounded(double x, nce_dtype dtype);

/// The same for the bits of a 16-bit float; `exponent_bits` is 5 (float16) or 8 (bfloat16).
uint16_t half_bits(double x, int exponent_bits);
double half_value(uint16_t bits, int exponent_bits);

}  // namespace nce::oracle
