#pragma once
// The CPU as a device: instruction set, threads, host memory.

#include <memory>

#include "api/backend.h"

namespace nce::cpu {

/// The best instruction set of this processor and operating system, no higher than `cap` (NCE_ISA_BEST: no cap).
nce_isa choose_isa(nce_isa cap);

/// `threads` is 1 or more, or 0 for one a processor that this process may use.
std::unique_ptr<Context> make_context(int threads, nce_isa cap);

}  // namespace nce::cpu
