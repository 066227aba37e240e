// Each kind of defect is reported in words that name it, its kernel, block, thread, place and source line; the same
// kernel without the defect is not. Whatever the order of blocks, warps and threads, whenever copies arrive.

#include <algorithm>
#include <regex>

#include "api/backend.h"
#include "cuda_tile_problem.h"
#include "emulation_kernels.h"
#include "emulation_options.h"

namespace nce::cuda::test {
namespace {

using emulation::Arrival;
using emulation::test::Emulation;
using emulation::test::text_of_line;

/// Fresh memory for a kernel of the table.
struct Buffers {
  Buffer<float> x{std::vector<float>(kThreads, 0.5f)};
  Buffer<float> y{2 * kThreads};
  Buffer<unsigned int> counter{std::vector<unsigned int>(1, 0u)};

  Memory memory(const float* other) const { return {x.get(), other, y.get(), counter.get()}; }
};

/// What the launch says; "" for nothing.
std::string said_by(const Defect& defect, Kernel kernel, const float* other) {
  const Buffers buffers;
  try {
    launch({defect.name, dim3(defect.blocks), kThreads, kSharedBytes, nullptr}, kernel, buffers.memory(other));
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), NCE_STATUS_DEVICE_ERROR);
    EXPECT_NE(error.message().find(emulation::last_report()), std::string::npos) << error.message();
    return error.message();
  }
  return "";
}

/// Fails unless a source line that the report names is marked as one where the defect is caught.
void expect_marked_line(const std::string& report) {
  static const std::regex place("emulation_kernels\\.cpp:\\d+");
  std::smatch found;
  ASSERT_TRUE(std::regex_search(report, found, place)) << report;
  const std::string line = text_of_line(found[0]);
  EXPECT_NE(line.find("// caught"), std::string::npos) << report << "\n" << line;
}

class Defects : public testing::TestWithParam<int> {};

TEST_P(Defects, AreReportedAndTheRightKernelIsNot) {
  const Defect& defect = kDefects[GetParam()];
  const std::vector<float> host(kThreads, 0.0f);
  const std::regex words(defect.said);
  const std::regex head("kernel " + std::string(defect.name) + ", block \\(\\d+, 0, 0\\)");
  for (const Arrival arrival : {Arrival::kLate, Arrival::kEarly, Arrival::kShuffled}) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      const Emulation emulation(seed, arrival);
      SCOPED_TRACE("seed " + std::to_string(seed) + ", arrival " + std::to_string(static_cast<int>(arrival)));
      const std::string said = said_by(defect, defect.wrong, host.data());
      EXPECT_TRUE(std::regex_search(said, words)) << said;
      EXPECT_TRUE(std::regex_search(said, head)) << said;
      expect_marked_line(said);
      EXPECT_EQ(said_by(defect, defect.right, host.data()), "");
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Emulation, Defects, testing::Range(0, kDefectCount),
                         [](const testing::TestParamInfo<int>& defect) {
                           return std::string(kDefects[defect.param].name);
                         });

const Defect& reads_other_memory() {
  return *std::find_if(kDefects, kDefects + kDefectCount,
                       [](const Defect& d) { return std::string(d.name) == "reads_other_memory"; });
}

TEST(EmulatedMemory, FreedMemoryIsCalledSoThoughOtherMemoryCameSince) {
  const float* gone = nullptr;
  {
    const Buffer<float> short_lived(std::vector<float>(kThreads, 0.0f));
    gone = short_lived.get();
  }
  const std::string said = said_by(reads_other_memory(), reads_other_memory().wrong, gone);
  EXPECT_TRUE(std::regex_search(said, std::regex("byte \\d+ of freed memory of 512"))) << said;
}

TEST(EmulatedMemory, NullIsNoDeviceMemory) {
  const std::string said = said_by(reads_other_memory(), reads_other_memory().wrong, nullptr);
  EXPECT_NE(said.find("which is not device memory"), std::string::npos) << said;
}

/// An instruction that an older device lacks must not do nothing there.
TEST(EmulatedLaunch, TensorCoresAreMissedByAnOlderDevice) {
  const Emulation emulation(1, Arrival::kLate);
  const Buffer<float> x(std::vector<float>(24 * 8, 0.0f)), y(16 * 8);
  const auto multiply = [&] {
    launch({"multiply_float16", dim3(1), 32, kSharedBytes, nullptr}, &multiply_float16,
           Memory{x.get(), nullptr, y.get(), nullptr});
  };
  EXPECT_NO_THROW(multiply()) << emulation::last_report();
  emulation::options().compute_capability = 75;
  EXPECT_THROW(multiply(), Error);
  EXPECT_NE(emulation::last_report().find("multiply_add on a device of compute capability 75"), std::string::npos)
      << emulation::last_report();
}

TEST(EmulatedLaunch, ConfigurationsThatNoDeviceHasAreRefused) {
  const Buffers buffers;
  const auto refused = [&](dim3 grid, int threads, int64_t shared_bytes) {
    return emulation::launch("sum_block", grid, threads, shared_bytes, nullptr, &sum_block, buffers.memory(nullptr)) ==
           cudaErrorInvalidValue;
  };
  EXPECT_TRUE(refused(dim3(0), kThreads, kSharedBytes));
  EXPECT_TRUE(refused(dim3(1, 65536), kThreads, kSharedBytes));
  EXPECT_TRUE(refused(dim3(1), 0, kSharedBytes));
  EXPECT_TRUE(refused(dim3(1), 1056, kSharedBytes));
  EXPECT_TRUE(refused(dim3(1), kThreads, (227 << 10) + 1));
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

}  // namespace
}  // namespace nce::cuda::test
