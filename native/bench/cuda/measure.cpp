#include "bench/cuda/measure.h"

#include <algorithm>
#include <vector>

#include "cuda/launch.h"

namespace nce::bench {
namespace {

using cuda::check;

constexpr int kFewest = 5;
constexpr int kMost = 300;
constexpr int kFirstCalls = 3;  ///< load modules, raise clocks

class Event {
 public:
  Event() { check(cudaEventCreate(&event_), "cudaEventCreate"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(cudaStream_t stream) { check(cudaEventRecord(event_, stream), "cudaEventRecord"); }
  double seconds_since(const Event& earlier) const {
    float milliseconds = 0.0F;
    check(cudaEventElapsedTime(&milliseconds, earlier.event_, event_), "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) * 1e-3;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace

DeviceMemory::DeviceMemory(int64_t bytes) {
  check(cudaMalloc(&memory_, static_cast<std::size_t>(bytes)), "cudaMalloc");
}

DeviceMemory::~DeviceMemory() { cudaFree(memory_); }

Spread measure(const std::function<void(int)>& enqueue, int sets, cudaStream_t stream, double seconds) {
  int call = 0;
  const auto next = [&] { enqueue(call++ % sets); };
  Event begin, end;
  for (int k = 0; k < kFirstCalls - 1; ++k) next();
  begin.record(stream);
  next();
  end.record(stream);
  check(cudaStreamSynchronize(stream), "warming up");
  const double once = std::max(1e-6, end.seconds_since(begin));
  const int count =
      static_cast<int>(std::clamp(seconds / once, static_cast<double>(kFewest), static_cast<double>(kMost)));
  // Clocks need some time under load.
  for (int k = 0; k < count / 4; ++k) next();
  std::vector<Event> events(static_cast<std::size_t>(count) + 1);
  events[0].record(stream);
  for (std::size_t k = 1; k < events.size(); ++k) {
    next();
    events[k].record(stream);
  }
  check(cudaStreamSynchronize(stream), "timed calls");
  std::vector<double> samples;
  for (std::size_t k = 1; k < events.size(); ++k) samples.push_back(events[k].seconds_since(events[k - 1]));
  return spread_of(std::move(samples));
}

Spread measure_graphs(const std::function<void(int)>& enqueue, int sets, cudaStream_t stream, double seconds) {
  std::vector<cudaGraphExec_t> graphs;
  for (int set = 0; set < sets; ++set) {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    try {
      enqueue(set);
    } catch (...) {
      // The stream must be of use to whoever comes next.
      cudaStreamEndCapture(stream, &graph);
      cudaGraphDestroy(graph);
      throw;
    }
    check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
    const cudaError_t code = cudaGraphInstantiate(&executable, graph, 0);
    cudaGraphDestroy(graph);
    check(code, "cudaGraphInstantiate");
    graphs.push_back(executable);
  }
  const Spread spread = measure(
      [&](int set) { check(cudaGraphLaunch(graphs[static_cast<std::size_t>(set)], stream), "cudaGraphLaunch"); }, sets,
      stream, seconds);
  for (const cudaGraphExec_t graph : graphs) cudaGraphExecDestroy(graph);
  return spread;
}

}  // namespace nce::bench
