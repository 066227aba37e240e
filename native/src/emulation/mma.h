#pragma once
#include <cstdint>

namespace nce::emulation {

/// d[i][j] += sum over k of a[i][k] b[j][k], as sm_80 adds: two halves of k in turn; of each, the exact products and
/// the sum so far are aligned to the largest exponent, cut to 24 bits, added, and the result cut to a float.
void multiply_add_tile(const uint16_t (&a)[16][16], const uint16_t (&b)[8][16], float (&d)[16][8], bool bfloat16);

}  // namespace nce::emulation
