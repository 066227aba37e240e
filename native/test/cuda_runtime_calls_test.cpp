// How often a call asks the CUDA runtime for what it knows already, and what the emulator makes of such calls.

#include <cuda_runtime.h>

#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "cuda/device_scope.h"
#include "cuda/launch.h"
#include "device/device_test.h"
#include "emulation/control.h"
#include "emulation_kernels.h"

namespace nce::test {
namespace {

constexpr nce_context_desc device_of(int32_t index) {
  return {.struct_size = sizeof(nce_context_desc),
          .backend = NCE_BACKEND_EMULATED,
          .device_index = index,
          .threads = 0,
          .max_isa = NCE_ISA_BEST,
          .max_compute_capability = 80};
}

emulation::DeviceUse& use_of(int32_t index) { return emulation::device_use()[static_cast<std::size_t>(index)]; }

/// Tensor kernels with more shared memory than is usual, both passes.
Problem large_tiles() { return problem_of({.kind = oracle::kSymmetric, .size = {70, 70, 96}, .tau = 0.2, .seed = 3}); }

/// Device memory that the library knows nothing of, with a copy of what was at `from`.
class Foreign {
 public:
  Foreign(const void* from, int64_t bytes) {
    const auto size = static_cast<std::size_t>(bytes);
    cuda::check(cudaMalloc(&memory_, size), "cudaMalloc");
    cuda::check(cudaMemcpyAsync(memory_, from, size, cudaMemcpyDeviceToDevice, nullptr), "cudaMemcpyAsync");
  }
  ~Foreign() { static_cast<void>(cudaFree(memory_)); }
  Foreign(const Foreign&) = delete;
  Foreign& operator=(const Foreign&) = delete;
  void* get() const { return memory_; }

 private:
  void* memory_ = nullptr;
};

TEST(EmulatedRuntime, AKernelMayHaveMoreSharedMemoryWhereAndAsFarAsItWasAllowed) {
  const auto run = [](int64_t shared_bytes) {
    std::vector<float> host(cuda::test::kThreads, 1.0f);
    const Foreign x(host.data(), cuda::test::kThreads * 4), y(host.data(), cuda::test::kThreads * 4);
    const cuda::test::Memory memory{static_cast<float*>(x.get()), nullptr, static_cast<float*>(y.get()), nullptr};
    return emulation::launch("sum_block", dim3(1), cuda::test::kThreads, shared_bytes, nullptr, &cuda::test::sum_block,
                             memory);
  };
  const auto* const kernel = reinterpret_cast<const void*>(&cuda::test::sum_block);
  const auto allow = [&](int bytes) {
    return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  };
  std::thread([&] {
    EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
    EXPECT_EQ(run(48 << 10), cudaSuccess);
    EXPECT_EQ(run((48 << 10) + 1), cudaErrorInvalidValue);
    EXPECT_EQ(allow(64 << 10), cudaSuccess);
    EXPECT_EQ(run(64 << 10), cudaSuccess);
    EXPECT_EQ(run((64 << 10) + 1), cudaErrorInvalidValue);
    EXPECT_EQ(allow((227 << 10) + 1), cudaErrorInvalidValue);
    EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
    EXPECT_EQ(run(64 << 10), cudaErrorInvalidValue) << "allowed on the other device";
    EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
    EXPECT_EQ(allow(48 << 10), cudaSuccess);
    emulation::forget_thread();
  }).join();
}

TEST(CudaRuntimeCalls, SharedMemoryIsAskedForOnceADeviceAndKernel) {
  const Problem problem = large_tiles();
  for (const int32_t index : {1, 0}) {
    const selftest::Device device(selftest::linked_library(), device_of(index));
    DeviceRun run(device, problem);
    emulation::reset_counters();
    run(Calls::kTogether);
    const auto kernels = static_cast<int64_t>(emulation::counters().size());
    run(Calls::kSeparate);
    emulation::device_use() = {};
    DeviceRun again(device, problem);
    again(Calls::kTogether);
    again(Calls::kSeparate);
    EXPECT_EQ(use_of(index).attributes_set, 0);
    EXPECT_GT(use_of(index).grids, kernels);
  }
}

TEST(CudaRuntimeCalls, ThreadsThatMeetAskForSharedMemoryOnceToo) {
  constexpr int kThreads = 4;
  const auto* const kernel = reinterpret_cast<const void*>(&cuda::test::read_shared);
  emulation::device_use() = {};
  for (const int device : {0, 1}) {
    cuda::hold_device(device);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([=] {
        const cuda::DeviceScope scope(device);
        for (int k = 0; k < 10; ++k) cuda::allow_more_shared(kernel, "read_shared");
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(use_of(0).attributes_set, 1);
  EXPECT_EQ(use_of(1).attributes_set, 1);
}

TEST(CudaRuntimeCalls, MemoryOfTheLibraryIsNotAskedAfter) {
  for (const Problem& problem : {large_tiles(), problem_of({.kind = oracle::kOwn, .size = {9, 3, 7}, .seed = 4})}) {
    const selftest::Device device(selftest::linked_library(), device_of(1));
    DeviceRun run(device, problem);
    emulation::device_use() = {};
    run(Calls::kTogether);
    run(Calls::kSeparate);
    EXPECT_EQ(use_of(0).pointer_queries, 0);
    EXPECT_EQ(use_of(1).pointer_queries, 0);
  }
}

TEST(CudaRuntimeCalls, OtherMemoryIsAskedAfterOnceAPlaceAndCall) {
  std::thread([] {
    const Problem problem = large_tiles();
    const selftest::Device device(selftest::linked_library(), device_of(1));
    DeviceRun run(device, problem);
    const auto queries = static_cast<int64_t>(70 * run.in.queries_stride * 4);
    EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
    const Foreign rows(run.in.queries, queries), tau(run.in.temperature, 8), loss(run.out.loss, 8);
    emulation::forget_thread();
    run.in.queries = rows.get();
    run.in.temperature = static_cast<const double*>(tau.get());
    run.out.loss = static_cast<double*>(loss.get());
    emulation::device_use() = {};
    EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_OK) << nce_last_error();
    EXPECT_EQ(use_of(1).pointer_queries, 3);
    run.in.keys = rows.get();
    EXPECT_EQ(run.ended(Calls::kForward), NCE_STATUS_OK) << nce_last_error();
    EXPECT_EQ(use_of(1).pointer_queries, 6);
    EXPECT_FALSE(use_of(0).context) << "a context was made on a device that nobody uses";
  }).join();
}

/// A region that goes beyond what was allocated, or that lies elsewhere, is refused in words, whoever allocated it.
TEST(CudaRuntimeCalls, MemoryThatIsTooShortIsRefused) {
  const Problem problem = large_tiles();
  const selftest::Device device(selftest::linked_library(), device_of(0));
  DeviceRun run(device, problem);
  const auto said = [&](const std::function<void()>& set) {
    const nce_inputs in = run.in;
    const nce_outputs out = run.out;
    set();
    EXPECT_EQ(run.call(Calls::kTogether), NCE_STATUS_INVALID_ARGUMENT);
    run.in = in;
    run.out = out;
    return std::string(nce_last_error());
  };
  EXPECT_EQ(said([&] { run.in.queries = static_cast<const float*>(run.in.queries) + 1; }),
            "inputs->queries reaches 4 bytes beyond what nce_memory_allocate gave; allowed: memory of the context, "
            "device 0");
  double host = 0.0;
  EXPECT_EQ(said([&] { run.out.loss = &host; }),
            "outputs->loss points to host memory; allowed: memory of the context, device 0");
  const Foreign loss(run.out.loss, 8);
  EXPECT_EQ(said([&] { run.in.keys = loss.get(); }),
            "inputs->keys reaches into host memory; allowed: memory of the context, device 0");
  EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_OK) << nce_last_error();
}

/// What was freed is forgotten: the runtime is asked, and knows better.
TEST(CudaRuntimeCalls, FreedMemoryIsRefused) {
  const Problem problem = large_tiles();
  const selftest::Device device(selftest::linked_library(), device_of(0));
  DeviceRun run(device, problem);
  void* loss = nullptr;
  ASSERT_EQ(nce_memory_allocate(device.context(), NCE_MEMORY_CONTEXT, 8, &loss), NCE_STATUS_OK);
  run.out.loss = static_cast<double*>(loss);
  EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_OK) << nce_last_error();
  ASSERT_EQ(nce_memory_free(device.context(), NCE_MEMORY_CONTEXT, loss), NCE_STATUS_OK);
  EXPECT_EQ(run.call(Calls::kTogether), NCE_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(nce_memory_free(device.context(), NCE_MEMORY_CONTEXT, loss), NCE_STATUS_DEVICE_ERROR) << "freed twice";
}

}  // namespace
}  // namespace nce::test
