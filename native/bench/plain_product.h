#pragma once
// The products of tiles alone: what the engine could reach if exponentials, sums and packing cost nothing.

#include <cstdint>

#include "infonce.h"

namespace nce::bench {

/// GFLOP/s of one core over panels of `dim` that stay in the second-level cache, best of several runs, in processor
/// time; 0 for instruction sets that this machine's compiler does not do.
double plain_product(nce_isa isa, bool single, int64_t dim);

/// GFLOP/s of so many threads together, each with panels of its own, best of several runs, in wall-clock time; 0
/// likewise.
double plain_product_of_threads(nce_isa isa, bool single, int64_t dim, int threads);

}  // namespace nce::bench
