#pragma once
// What left the range of its type, told by whichever threads find it.

#include "cuda/call_state.h"
#include "cuda/primitives.cuh"

namespace nce::cuda {

NCE_DEVICE void tell_overflow(CallState& call, Argument argument, int64_t row) {
  atomicMax(&call.overflow, overflow_key(argument, row));
}

}  // namespace nce::cuda
