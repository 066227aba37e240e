#pragma once
// What the processor that runs this has.

#include <cstdint>
#include <vector>

#include "infonce.h"

namespace nce::cpu {

/// The best instruction set of processor and operating system that the library has kernels for, no higher than `cap`
/// (NCE_ISA_BEST: no cap).
nce_isa choose_isa(nce_isa cap);

/// All that processor and operating system have, and the library has kernels for, in rising order.
std::vector<nce_isa> available_isas();

/// Whether products of bfloat16 have an instruction beside NCE_ISA_AVX512.
bool multiplies_bfloat16();

/// One core's second-level cache; 1 MiB where the system does not tell.
int64_t second_level_cache_bytes();

/// Processors that this process may use, which a container or taskset may have made fewer than the machine's.
int available_processors();

}  // namespace nce::cpu
