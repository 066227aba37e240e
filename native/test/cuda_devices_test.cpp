// Which devices can be opened, and for which compute capability.

#include <cuda_runtime.h>

#include <string>
#include <thread>
#include <tuple>

#include "cuda/built_for.h"
#include "device/device_test.h"
#include "emulation/control.h"

namespace nce::test {
namespace {

constexpr const char* kAll = "75-real,80-real,86-real,89-real,90-real,100-real,120";

/// The emulated devices have this capability for one test.
class OfCapability {
 public:
  explicit OfCapability(int capability) { emulation::options().compute_capability = capability; }
  ~OfCapability() { emulation::options().compute_capability = emulation::Options{}.compute_capability; }
  OfCapability(const OfCapability&) = delete;
  OfCapability& operator=(const OfCapability&) = delete;
};

constexpr nce_context_desc emulated_device(int32_t cap, int32_t index = 0) {
  return {.struct_size = sizeof(nce_context_desc),
          .backend = NCE_BACKEND_EMULATED,
          .device_index = index,
          .threads = 0,
          .max_isa = NCE_ISA_BEST,
          .max_compute_capability = cap};
}

/// Opens a device, which has the capability that is asked for.
class Opened {
 public:
  explicit Opened(int32_t capability, int32_t index = 0)
      : device_(selftest::linked_library(), emulated_device(capability, index)) {
    EXPECT_EQ(device_.compute_capability(), capability);
  }
  operator const selftest::Device&() const { return device_; }

 private:
  selftest::Device device_;
};

int32_t opened_for(int32_t cap) {
  return selftest::Device(selftest::linked_library(), emulated_device(cap)).compute_capability();
}

TEST(CudaDevices, MachineCodeRunsOnLaterMinorVersionsOnly) {
  for (const int32_t capability : {75, 80, 86, 87, 89, 90, 100, 103, 120, 121}) {
    EXPECT_TRUE(cuda::built_for(kAll, capability)) << capability;
  }
  for (const int32_t capability : {70, 72, 110}) EXPECT_FALSE(cuda::built_for(kAll, capability)) << capability;
  EXPECT_TRUE(cuda::built_for("90-real", 90));
  for (const int32_t capability : {75, 80, 89, 100, 120}) EXPECT_FALSE(cuda::built_for("90-real", capability));
  EXPECT_FALSE(cuda::built_for("86-real", 80));
}

TEST(CudaDevices, AnIntermediateFormRunsOnAllThatIsNewer) {
  for (const char* const architectures : {"80", "80-virtual"}) {
    EXPECT_FALSE(cuda::built_for(architectures, 75)) << architectures;
    for (const int32_t capability : {80, 90, 110, 120}) EXPECT_TRUE(cuda::built_for(architectures, capability));
  }
}

TEST(CudaDevices, CodeForOneArchitectureOrFamilyRunsOnNoOther) {
  EXPECT_TRUE(cuda::built_for("90a-real", 90));
  EXPECT_FALSE(cuda::built_for("100a-real", 103));
  EXPECT_FALSE(cuda::built_for("90a", 100));
  EXPECT_TRUE(cuda::built_for("100f-real", 103));
  EXPECT_FALSE(cuda::built_for("100f", 120));
}

TEST(CudaDevices, WordsThatAreNoNumbersCountAsCodeForAll) { EXPECT_TRUE(cuda::built_for("native", 75)); }

TEST(CudaDevices, ADeviceWithoutCodeIsUnsupported) {
  const OfCapability machine(110);
  int32_t count = -1;
  EXPECT_EQ(nce_device_count(NCE_BACKEND_EMULATED, &count), NCE_STATUS_OK);
  EXPECT_EQ(count, 0);
  const nce_context_desc desc = emulated_device(0);
  nce_context* context = nullptr;
  EXPECT_EQ(nce_context_create(&desc, &context), NCE_STATUS_UNSUPPORTED);
  EXPECT_EQ(context, nullptr);
  const std::string said = nce_last_error();
  EXPECT_NE(said.find("no code for the compute capability of any device: device 0 has 11.0"), std::string::npos)
      << said;
  EXPECT_NE(said.find(kAll), std::string::npos) << said;
}

TEST(CudaDevices, ADeviceThatIsTooOldIsNone) {
  const OfCapability machine(70);
  const nce_context_desc desc = emulated_device(0);
  nce_context* context = nullptr;
  EXPECT_EQ(nce_context_create(&desc, &context), NCE_STATUS_NO_DEVICE);
  EXPECT_NE(std::string(nce_last_error()).find("device 0 has 7.0"), std::string::npos) << nce_last_error();
}

TEST(CudaDevices, TheEmulatedDeviceIsOfAnyCapability) {
  for (const int32_t capability : {75, 80, 86, 87, 89, 90, 100, 103, 120})
    EXPECT_EQ(opened_for(capability), capability);
  EXPECT_EQ(opened_for(0), 80);
  EXPECT_EQ(opened_for(999), 120);
}

/// What plans choose for each, by whichever kernels, is the oracle's.
TEST(CudaDevices, PlansForEveryCapabilityAreRight) {
  for (const int32_t capability : {75, 80, 86, 87, 89, 90, 100, 103, 120}) {
    const OfCapability machine(capability);
    const Opened device(capability);
    uint64_t seed = 9000;
    for (const auto& [kind, similarity, dtype] :
         {std::tuple{oracle::kSymmetric, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32},
          std::tuple{oracle::kNtXent, NCE_SIMILARITY_DOT, NCE_DTYPE_BFLOAT16},
          std::tuple{oracle::kShared, NCE_SIMILARITY_NEG_EUCLIDEAN, NCE_DTYPE_FLOAT32}}) {
      const Problem problem = problem_of(
          {.kind = kind, .measure = similarity, .dtype = dtype, .size = {10, 20, 70}, .tau = 0.2, .seed = ++seed});
      const Bounds bounds{.loss = 1e-6,
                          .loss_floor = 1e-6,
                          .gradient = dtype == NCE_DTYPE_BFLOAT16 ? 5e-3 : 3e-6,
                          .temperature = 1e-5,
                          .similarity = 0x1p-22,
                          .metrics = 1e-4,
                          .effective = 1e-4,
                          .accuracy = 1e-12};
      oracle::compare(problem, DeviceRun(device, problem)(Calls::kTogether), oracle::oracle<double>(problem), bounds,
                      [&](const char* what, double error, double allowed) {
                        EXPECT_LE(error, allowed) << what << ": " << problem.label() << ", sm_" << capability;
                      });
    }
  }
}

/// Calls `use` in a thread that has never called CUDA, on a machine none of whose devices has a context.
template <typename Use>
void in_a_new_thread(const Use& use) {
  emulation::device_use() = {};
  std::thread(use).join();
}

/// Every call of the interface that goes to a device.
void use_device(int32_t index) {
  const Opened device(80, index);
  const Problem problem = problem_of({.size = {9, 12, 7}, .tau = 0.25, .seed = 5});
  DeviceRun run(device, problem);
  for (const Calls calls : {Calls::kTogether, Calls::kSeparate}) {
    run.poison();
    EXPECT_EQ(run.call(calls), NCE_STATUS_OK);
    EXPECT_EQ(run.status(), NCE_STATUS_OK);
  }
  static_cast<void>(run.read());
}

TEST(CudaDevices, TwoAreThere) {
  int32_t count = 0;
  EXPECT_EQ(nce_device_count(NCE_BACKEND_EMULATED, &count), NCE_STATUS_OK);
  EXPECT_EQ(count, 2);
  const nce_context_desc beyond = emulated_device(0, 2);
  nce_context* context = nullptr;
  EXPECT_EQ(nce_context_create(&beyond, &context), NCE_STATUS_NO_DEVICE);
  EXPECT_EQ(std::string(nce_last_error()), "desc->device_index is 2; allowed: 0 to 1");
}

TEST(CudaDevices, WorkRunsOnTheDeviceOfTheContext) {
  for (const int32_t index : {0, 1}) {
    in_a_new_thread([=] { use_device(index); });
    EXPECT_GT(emulation::device_use()[static_cast<std::size_t>(index)].grids, 0) << index;
    EXPECT_EQ(emulation::device_use()[static_cast<std::size_t>(1 - index)].grids, 0) << index;
  }
}

TEST(CudaDevices, AThreadWithoutAContextIsLeftWithoutOne) {
  in_a_new_thread([] {
    use_device(1);
    EXPECT_EQ(emulation::current_context(), -1);
    int device = -1;
    EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
    EXPECT_EQ(device, 0);
  });
  EXPECT_FALSE(emulation::device_use()[0].context) << "a context was made on a device that nobody uses";
  EXPECT_TRUE(emulation::device_use()[1].context);
}

TEST(CudaDevices, WhatAThreadHadIsThereAfterwards) {
  for (const int own : {0, 1}) {
    in_a_new_thread([=] {
      EXPECT_EQ(cudaSetDevice(own), cudaSuccess);
      for (const int32_t index : {1 - own, own}) {
        use_device(index);
        EXPECT_EQ(emulation::current_context(), own);
        int device = -1;
        EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
        EXPECT_EQ(device, own);
      }
    });
  }
}

TEST(CudaDevices, ARefusedCallLeavesTheThreadAsItWas) {
  in_a_new_thread([] {
    const Opened opened(80, 1);
    const selftest::Device& device = opened;
    void* memory = nullptr;
    EXPECT_EQ(nce_memory_allocate(device.context(), NCE_MEMORY_CONTEXT, int64_t{1} << 50, &memory),
              NCE_STATUS_OUT_OF_MEMORY);
    EXPECT_EQ(emulation::current_context(), -1);
  });
}

TEST(CudaDevices, MemoryOfAnotherDeviceIsRefused) {
  const Problem problem = problem_of({.size = {9, 12, 7}, .tau = 0.25, .seed = 5});
  const Opened first(80, 0);
  const Opened second(80, 1);
  DeviceRun here(first, problem);
  DeviceRun there(second, problem);
  here.in.queries = there.in.queries;
  EXPECT_EQ(here.call(Calls::kTogether), NCE_STATUS_INVALID_ARGUMENT);
  EXPECT_NE(std::string(nce_last_error()).find("memory of device 1"), std::string::npos) << nce_last_error();
}

}  // namespace
}  // namespace nce::test
