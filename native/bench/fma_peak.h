#pragma once
// The rate of fused multiply-adds that one core reaches on this machine: what kernels are measured against.

#include "infonce.h"

namespace nce::bench {

/// GFLOP/s (an FMA counts 2) of one core, fp32 or fp64, best of several runs, in processor time.
double fma_peak(nce_isa isa, bool single);

/// GFLOP/s of so many threads together, fp32 or fp64, best of several runs, in wall-clock time; 0 if there is no
/// kernel.
double fma_peak_of_threads(nce_isa isa, bool single, int threads);

}  // namespace nce::bench
