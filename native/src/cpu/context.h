#pragma once
// The CPU as a device: instruction set, threads, host memory.

#include <memory>

#include "api/backend.h"

namespace nce::cpu {

/// `threads` is 1 or more, or 0 for one a processor that this process may use.
std::unique_ptr<Context> make_context(int threads, nce_isa cap);

}  // namespace nce::cpu
