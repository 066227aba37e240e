#include "emulation/streams.h"

#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "emulation/control.h"

struct CUgraph_st {
  Work work;
};
struct CUgraphExec_st {
  Work work;
};

namespace {

struct Capture {
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  bool valid = true;
  Work work;
};

struct Captures {
  std::mutex mutex;  // of late work too
  std::map<cudaStream_t, Capture> live;
  std::map<cudaStream_t, Work> late;
};

cudaError_t run(const Work& all) {
  cudaError_t first = cudaSuccess;
  for (const auto& work : all) {
    const cudaError_t code = work();
    if (first == cudaSuccess) first = code;
  }
  return first;
}

Captures& captures() {
  static Captures instance;
  return instance;
}

/// Ends those that forbid this thread an unsafe call; false if there are any.
bool end_forbidding() {
  bool allowed = true;
  for (auto& [stream, capture] : captures().live) {
    const bool mine = capture.thread == std::this_thread::get_id();
    const bool forbids =
        capture.mode == cudaStreamCaptureModeGlobal || (capture.mode == cudaStreamCaptureModeThreadLocal && mine);
    if (!forbids) continue;
    capture.valid = false;
    allowed = false;
  }
  return allowed;
}

}  // namespace

namespace nce::emulation {

bool remember(cudaStream_t stream, std::function<cudaError_t()> work) {
  const std::lock_guard lock(captures().mutex);
  const auto found = captures().live.find(stream);
  if (found != captures().live.end()) {
    found->second.work.push_back(std::move(work));
    return true;
  }
  if (stream == nullptr || !options().late_streams) return false;
  captures().late[stream].push_back(std::move(work));
  return true;
}

bool unsafe_calls_allowed() {
  const std::lock_guard lock(captures().mutex);
  return end_forbidding();
}

bool waiting_allowed(cudaStream_t stream) {
  const std::lock_guard lock(captures().mutex);
  const auto found = captures().live.find(stream);
  if (found == captures().live.end()) return true;
  found->second.valid = false;
  return false;
}

cudaError_t run_late(cudaStream_t stream) {
  Work work;
  {
    const std::lock_guard lock(captures().mutex);
    const auto found = captures().late.find(stream);
    if (found == captures().late.end()) return cudaSuccess;
    work = std::move(found->second);
    captures().late.erase(found);
  }
  return run(work);
}

cudaError_t run_all_late() {
  std::map<cudaStream_t, Work> late;
  {
    const std::lock_guard lock(captures().mutex);
    late.swap(captures().late);
  }
  cudaError_t first = cudaSuccess;
  for (const auto& [stream, work] : late) {
    const cudaError_t code = run(work);
    if (first == cudaSuccess) first = code;
  }
  return first;
}

cudaError_t end_stream(cudaStream_t stream) {
  const cudaError_t code = run_late(stream);
  const std::lock_guard lock(captures().mutex);
  captures().live.erase(stream);
  return code;
}

}  // namespace nce::emulation

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (stream == nullptr) return cudaErrorStreamCaptureUnsupported;
  const std::lock_guard lock(captures().mutex);
  const bool fresh = captures().live.try_emplace(stream, Capture{mode, std::this_thread::get_id(), true, {}}).second;
  return fresh ? cudaSuccess : cudaErrorIllegalState;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  const std::lock_guard lock(captures().mutex);
  const auto found = captures().live.find(stream);
  if (found == captures().live.end()) return cudaErrorIllegalState;
  const Capture capture = std::move(found->second);
  captures().live.erase(found);
  if (capture.mode != cudaStreamCaptureModeRelaxed && capture.thread != std::this_thread::get_id()) {
    return cudaErrorStreamCaptureWrongThread;
  }
  if (!capture.valid) return cudaErrorStreamCaptureInvalidated;
  *graph = new CUgraph_st{capture.work};
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const auto& work : executable->work) {
    if (nce::emulation::remember(stream, work)) continue;
    if (const cudaError_t code = work(); code != cudaSuccess) return code;
  }
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
