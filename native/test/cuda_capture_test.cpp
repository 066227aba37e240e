// Calls that become a CUDA graph, the first of a process among them.

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "api/backend.h"
#include "cuda/launch.h"
#include "device/device_test.h"
#include "emulation/control.h"

namespace nce::test {
namespace {

constexpr nce_context_desc device_for(int32_t capability, int32_t index) {
  return {.struct_size = sizeof(nce_context_desc),
          .backend = NCE_BACKEND_EMULATED,
          .device_index = index,
          .threads = 0,
          .max_isa = NCE_ISA_BEST,
          .max_compute_capability = capability};
}

cudaStream_t stream_of(const DeviceRun& run) { return static_cast<cudaStream_t>(run.stream.get()); }

/// An executable graph of what `enqueue` enqueues on the run's stream.
class Graph {
 public:
  template <typename Enqueue>
  Graph(const DeviceRun& run, const Enqueue& enqueue) : stream_(stream_of(run)) {
    cuda::check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), "cudaStreamBeginCapture");
    const nce_status status = enqueue();
    cudaGraph_t graph = nullptr;
    cuda::check(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
    cuda::check(cudaGraphInstantiate(&executable_, graph, 0), "cudaGraphInstantiate");
    cuda::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
    if (status != NCE_STATUS_OK) throw selftest::Failure(nce_last_error());
  }
  ~Graph() { cudaGraphExecDestroy(executable_); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  void launch() const { cuda::check(cudaGraphLaunch(executable_, stream_), "cudaGraphLaunch"); }

 private:
  cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
};

/// Captures a call of a plan, then replays it: with these numbers, and with others in the same memory. Prints what goes
/// wrong.
bool captured_and_replayed(const selftest::Device& device, Problem problem) {
  bool good = true;
  const auto expect = [&](bool held, const std::string& what) {
    if (!held) std::fprintf(stderr, "%s: %s\n", problem.label().c_str(), what.c_str());
    good = good && held;
  };
  DeviceRun run(device, problem);
  const Graph graph(run, [&] { return run.call(Calls::kTogether); });
  expect(run.untouched(), "the call ran while it was captured");
  for (const double tau : {0.1, 0.2}) {
    problem.tau = tau;
    run.upload(problem);
    run.poison();
    graph.launch();
    run.wait();
    const Result replayed = run.read();
    const std::string difference = DeviceRun(device, problem)(Calls::kTogether).difference(replayed);
    expect(difference.empty(), difference + " of a graph differs from a direct call's");
    oracle::fill(problem, 0.5, 77);
  }
  return good;
}

Problem problem_to_capture(const Kind& kind, nce_dtype dtype, int64_t dim) {
  return problem_of({.kind = kind, .dtype = dtype, .size = {70, 70, dim}, .tau = 0.1, .seed = 8});
}

TEST(CudaCapture, CallsOfEveryEngineAreReplayed) {
  for (const int32_t capability : {75, 80}) {
    const selftest::Device device(selftest::linked_library(), device_for(capability, 0));
    for (const Kind& kind : {oracle::kSymmetric, oracle::kNtXent, oracle::kOwn}) {
      EXPECT_TRUE(captured_and_replayed(device, problem_to_capture(kind, NCE_DTYPE_FLOAT32, 20))) << capability;
    }
  }
}

/// The process is new, so that no kernel was ever launched in it: whatever is done once happens in the capture.
void capture_first(const Kind& kind, nce_dtype dtype, int64_t dim, bool more_shared) {
  bool good = false;
  try {
    const selftest::Device device(selftest::linked_library(), device_for(80, 1));
    good = captured_and_replayed(device, problem_to_capture(kind, dtype, dim));
    const emulation::DeviceUse& use = emulation::device_use()[1];
    if ((use.attributes_set > 0) != more_shared) {
      std::fprintf(stderr, "cudaFuncSetAttribute was called %d times\n", static_cast<int>(use.attributes_set));
      good = false;
    }
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.message().c_str());
  }
  std::exit(good ? 0 : 1);
}

class FirstCallDeathTest : public testing::Test {
 protected:
  void SetUp() override { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(FirstCallDeathTest, OfAProcessMayBeCapturedDense) {
  EXPECT_EXIT(capture_first(oracle::kSymmetric, NCE_DTYPE_FLOAT32, 96, true), testing::ExitedWithCode(0), "");
}
TEST_F(FirstCallDeathTest, OfAProcessMayBeCapturedInSixteenBits) {
  EXPECT_EXIT(capture_first(oracle::kNtXent, NCE_DTYPE_BFLOAT16, 320, true), testing::ExitedWithCode(0), "");
}
TEST_F(FirstCallDeathTest, OfAProcessMayBeCapturedRowByRow) {
  EXPECT_EXIT(capture_first(oracle::kOwn, NCE_DTYPE_FLOAT32, 40, false), testing::ExitedWithCode(0), "");
}

/// A captured stream, and what ends its capture.
class EmulatedCapture : public testing::Test {
 protected:
  EmulatedCapture() {
    EXPECT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    EXPECT_EQ(cudaMalloc(&memory_, 64), cudaSuccess);
  }
  ~EmulatedCapture() override {
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    EXPECT_EQ(cudaFree(memory_), cudaSuccess);
    static_cast<void>(cudaGetLastError());
  }

  void begin(cudaStreamCaptureMode mode) { ASSERT_EQ(cudaStreamBeginCapture(stream_, mode), cudaSuccess); }
  cudaError_t end() {
    cudaGraph_t graph = nullptr;
    const cudaError_t code = cudaStreamEndCapture(stream_, &graph);
    EXPECT_EQ(graph != nullptr, code == cudaSuccess);
    if (graph != nullptr) cudaGraphDestroy(graph);
    return code;
  }
  static cudaError_t allocate() {
    void* memory = nullptr;
    const cudaError_t code = cudaMalloc(&memory, 8);
    if (code == cudaSuccess) cudaFree(memory);
    return code;
  }

  cudaStream_t stream_ = nullptr;
  void* memory_ = nullptr;
};

TEST_F(EmulatedCapture, RemembersInPlaceOfRunning) {
  int number = 0;
  ASSERT_EQ(cudaMemsetAsync(memory_, 0, 4, nullptr), cudaSuccess);
  begin(cudaStreamCaptureModeGlobal);
  EXPECT_EQ(cudaMemsetAsync(memory_, 1, 4, stream_), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(&number, memory_, 4, cudaMemcpyDefault, nullptr), cudaSuccess);
  EXPECT_EQ(number, 0);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(executable, nullptr), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(&number, memory_, 4, cudaMemcpyDefault, nullptr), cudaSuccess);
  EXPECT_EQ(number, 0x01010101);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}

TEST_F(EmulatedCapture, UnsafeCallsEndIt) {
  begin(cudaStreamCaptureModeGlobal);
  EXPECT_EQ(allocate(), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  begin(cudaStreamCaptureModeThreadLocal);
  EXPECT_EQ(allocate(), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  begin(cudaStreamCaptureModeRelaxed);
  EXPECT_EQ(allocate(), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(end(), cudaErrorIllegalState);
}

TEST_F(EmulatedCapture, AnotherThreadMayCallThemUnlessTheModeIsGlobal) {
  for (const auto mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal}) {
    begin(mode);
    cudaError_t code = cudaSuccess;
    std::thread([&] { code = allocate(); }).join();
    const bool forbidden = mode == cudaStreamCaptureModeGlobal;
    EXPECT_EQ(code, forbidden ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
    EXPECT_EQ(end(), forbidden ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
  }
}

TEST_F(EmulatedCapture, TheDefaultStreamHasNone) {
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
}

/// As infonce.h says: streams that were made wait neither for the default one nor it for them.
TEST(EmulatedStreams, LateOnesRunWhenSomebodyWaits) {
  emulation::options().late_streams = true;
  const selftest::Device device(selftest::linked_library(), device_for(80, 0));
  const Problem problem = problem_to_capture(oracle::kOwn, NCE_DTYPE_FLOAT32, 5);
  DeviceRun run(device, problem);
  EXPECT_EQ(run.call(Calls::kTogether), NCE_STATUS_OK);
  double loss = 0.0, unwritten = 0.0;
  std::memset(&unwritten, 0x5A, sizeof unwritten);
  const auto copy = [&] { return nce_memory_copy(device.context(), &loss, run.out.loss, sizeof loss, nullptr); };
  EXPECT_EQ(copy(), NCE_STATUS_OK);
  EXPECT_EQ(loss, unwritten);
  EXPECT_EQ(nce_stream_synchronize(device.context(), run.stream.get()), NCE_STATUS_OK);
  EXPECT_EQ(copy(), NCE_STATUS_OK);
  emulation::options().late_streams = false;
  EXPECT_EQ(loss, DeviceRun(device, problem)(Calls::kTogether).loss[0]);
}

}  // namespace
}  // namespace nce::test
