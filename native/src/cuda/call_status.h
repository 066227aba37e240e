#pragma once
// From what the device found to the error that the CPU backend would have thrown, word for word.

#include <cuda_runtime.h>

#include "cuda/call_state.h"

namespace nce::cuda {

/// Throws unless the call ended well.
void throw_unless_ok(const CallState& call);

/// Waits for the stream and throws unless the last call on the workspace ended well. The workspace starts with its
/// CallState.
void throw_unless_ok(const void* workspace, cudaStream_t stream);

}  // namespace nce::cuda
