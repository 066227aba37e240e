#pragma once
// Tests of devices, whichever the program has: through the C interface, against the oracle.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "oracle/compare.h"
#include "oracle/elements.h"
#include "selftest/linked.h"
#include "selftest/run.h"

namespace nce::test {

using oracle::Answer;
using oracle::Bounds;
using oracle::Case;
using oracle::empty_problem_of;
using oracle::Extent;
using oracle::Kind;
using oracle::Problem;
using oracle::problem_of;
using oracle::Result;
using selftest::Calls;
using DeviceRun = selftest::Run;
using selftest::RunOptions;

/// A backend with an instruction set or a compute capability.
struct TestDevice {
  const char* name;
  nce_context_desc desc;
  bool sampled = false;  ///< runs one case in seventeen: it differs from another device in choices alone
  int quarter = -1;      ///< runs this quarter of the cases, 0 to 3; -1: all
};
inline void PrintTo(const TestDevice& device, std::ostream* out) { *out << device.name; }

/// Of the program that the tests are linked into. A name is there even where the machine lacks the device.
std::span<const TestDevice> test_devices();
/// Makes the machine one that has the device; null: as it was.
void set_machine(const TestDevice* device);

/// While it lives, blocks and threads of a call run in another order, if the program decides that.
class OtherOrder {
 public:
  OtherOrder();
  ~OtherOrder();
  OtherOrder(const OtherOrder&) = delete;
  OtherOrder& operator=(const OtherOrder&) = delete;

 private:
  uint64_t before_ = 0;
};

class DeviceTest : public testing::TestWithParam<TestDevice> {
 protected:
  DeviceTest();
  void SetUp() override;
  void TearDown() override;

  const selftest::Device& device() const { return *device_; }
  bool emulated() const { return GetParam().desc.backend == NCE_BACKEND_EMULATED; }
  /// The CPU runs larger cases in the time that the emulator takes for small ones.
  template <typename T>
  std::span<const T> by_device(std::span<const T> of_cpu, std::span<const T> of_emulator) const {
    return emulated() ? of_emulator : of_cpu;
  }
  /// The same device with so many threads, where it is the CPU.
  std::unique_ptr<selftest::Device> with_threads(int32_t threads) const;
  /// Whether the next case is one that this device runs.
  bool turn();

  Result run(const Problem& problem, Calls calls = Calls::kTogether, const RunOptions& options = {}) const {
    return DeviceRun(device(), problem, options)(calls);
  }
  /// Right to more digits than the device has.
  static Answer answer_to(const Problem& problem);
  /// With the first seed from the given one on with which no similarity is so near to a threshold's limit that rounding
  /// would decide.
  static Problem decided_problem_of(Case of);
  void expect_close(const Problem& problem, const Result& result, const Answer& answer, const Bounds& bounds);
  /// A case that this device may leave to others.
  void check_decided(const Case& of);
  // What losses of every kind have to stand: each similarity, type and temperature; shapes that fill no tile; weights
  // and upstream gradients in every reduction; and no bit that depends on budgets, calls apart, or threads.
  void check_measures_and_types(std::span<const Kind> kinds, uint64_t seed, const Extent& on_cpu);
  void check_ragged_shapes(std::span<const Kind> kinds, uint64_t seed);
  void check_reductions(std::span<const Kind> kinds, uint64_t seed);
  void check_bits(std::span<const Kind> kinds);
  void check_bits(Problem problem);
  /// And gradients that are asked for, which do not depend on those that are not.
  void check_unwanted_gradients(const Problem& problem) const;

  /// Runs, and expects the answer within what dense losses, or rowwise ones, promise on this device.
  void check_dense(const Problem& problem);
  void check_rowwise(const Problem& problem);
  Bounds dense_bounds(const Problem& problem) const;
  static Bounds rowwise_bounds(const Problem& problem, const Answer& answer);

  /// Expects a call that ends like this, in one call and in two, with all outputs as they were.
  void expect_refused(const Problem& problem, nce_status status, const std::string& message) const;

 private:
  std::unique_ptr<selftest::Device> device_;
  uint64_t cases_ = 0;
  std::map<std::string, double> worst_;  ///< errors as shares of what is allowed
};

/// Fails where a and b differ by more, or where either is no number.
void expect_near(const std::vector<double>& a, const std::vector<double>& b, double allowed);
/// The largest |value|; NaN if there is one among them.
double largest(const std::vector<double>& values);

/// Dense losses of every kind and element type, some in "fast", for what must be the same to the bit.
std::vector<Problem> problems_to_the_bit(bool emulated);

std::vector<std::vector<double>*> matrices(Problem& problem);
std::vector<std::vector<double>*> gradients(Result& result);
std::vector<const std::vector<double>*> gradients(const Result& result);

/// The tests of a suite run on every device.
#define NCE_ON_EVERY_DEVICE(suite)                                                                                \
  INSTANTIATE_TEST_SUITE_P(Devices, suite,                                                                        \
                           testing::ValuesIn(nce::test::test_devices().begin(), nce::test::test_devices().end()), \
                           [](const auto& of) { return std::string(of.param.name); })

}  // namespace nce::test
