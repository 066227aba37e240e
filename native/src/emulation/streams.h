#pragma once
// Work that is not run when it is enqueued: of streams that are captured into a graph, and of late ones.

#include <cuda_runtime.h>

#include <functional>
#include <vector>

/// What a graph or a stream has to do.
using Work = std::vector<std::function<cudaError_t()>>;

namespace nce::emulation {

/// Whether the stream is captured, or late; `work` is then remembered, in place of being run.
bool remember(cudaStream_t stream, std::function<cudaError_t()> work);

/// Whether this thread may now call what allocates. A call that it may not make ends the capture that forbids it.
bool unsafe_calls_allowed();

/// Likewise for what waits for the stream.
bool waiting_allowed(cudaStream_t stream);

/// Runs what a late stream still has to do; all of them have. The first error.
cudaError_t run_late(cudaStream_t stream);
cudaError_t run_all_late();

/// Before a stream is gone: what it has to do is done.
cudaError_t end_stream(cudaStream_t stream);

}  // namespace nce::emulation
