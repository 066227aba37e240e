// Metrics in device memory: the caller's struct may be of another version than the library's.

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "device/device_test.h"

namespace nce::test {
namespace {

constexpr nce_context_desc kDevice = {.struct_size = sizeof(nce_context_desc),
                                      .backend = NCE_BACKEND_EMULATED,
                                      .device_index = 0,
                                      .threads = 0,
                                      .max_isa = NCE_ISA_BEST,
                                      .max_compute_capability = 80};
constexpr uint32_t kKnown = sizeof(nce_metrics);
constexpr std::size_t kRoom = 8192;  // beyond any struct
constexpr unsigned char kSentinel = 0x5A;

using Room = std::vector<unsigned char>;

/// A call whose metrics lie at the start of a room.
class MetricsCall {
 public:
  explicit MetricsCall(const Kind& kind)
      : device_(selftest::linked_library(), kDevice),
        run_(device_, with_metrics(kind)),
        memory_(device_, run_.stream, kRoom) {
    run_.out.metrics = static_cast<nce_metrics*>(memory_.data());
  }

  /// The room before a call: a struct of that size with zeros in what this library does not know, then sentinels.
  static Room room_of(uint32_t struct_size) {
    Room room(kRoom, kSentinel);
    for (std::size_t i = kKnown; i < struct_size && i < kRoom; ++i) room[i] = 0;
    std::memcpy(room.data(), &struct_size, sizeof struct_size);
    return room;
  }

  nce_status ended(const Room& room, Calls calls = Calls::kTogether) {
    run_.poison();
    memory_.upload(room.data());
    return run_.ended(calls);
  }
  Room after() const {
    Room room(kRoom);
    memory_.download(room.data());
    return room;
  }
  bool untouched() { return run_.untouched(); }

 private:
  static Problem with_metrics(const Kind& kind) {
    Problem problem = problem_of({.kind = kind, .size = {9, 3, 5}, .tau = 0.5, .seed = 6});
    problem.desc.metrics = 1;
    problem.desc.top_k = 2;
    return problem;
  }

  selftest::Device device_;
  DeviceRun run_;
  selftest::Buffer memory_;
};

class CudaMetrics : public testing::TestWithParam<const Kind*> {
 protected:
  MetricsCall call_{*GetParam()};
};

TEST_P(CudaMetrics, AStructThatIsTooSmallOrTooLargeIsRefusedAndStaysAsItWas) {
  for (const uint32_t size : {0u, 8u, kKnown - 8, kKnown - 1, 4097u, 0x5A5A5A5Au}) {
    const Room room = MetricsCall::room_of(size);
    EXPECT_EQ(call_.ended(room), NCE_STATUS_INVALID_ARGUMENT) << size;
    EXPECT_EQ(std::string(nce_last_error()), "outputs->metrics->struct_size is " + std::to_string(size) +
                                                 "; allowed: " + std::to_string(kKnown) +
                                                 " to 4096, as sizeof of the struct");
    EXPECT_EQ(call_.after(), room) << size;
    EXPECT_TRUE(call_.untouched()) << size;
  }
}

TEST_P(CudaMetrics, OfAStructThatIsLargeEnoughTheKnownPartIsWritten) {
  for (const uint32_t size : {kKnown, kKnown + 1, kKnown + 24, 4096u}) {
    const Room room = MetricsCall::room_of(size);
    ASSERT_EQ(call_.ended(room), NCE_STATUS_OK) << size << ": " << nce_last_error();
    const Room after = call_.after();
    nce_metrics metrics;
    std::memcpy(&metrics, after.data(), sizeof metrics);
    EXPECT_EQ(metrics.struct_size, size);
    EXPECT_EQ(metrics.rows, 9);
    EXPECT_GE(metrics.alignment, 0.0);
    EXPECT_LE(metrics.alignment, 4.0);
    EXPECT_EQ(Room(after.begin() + kKnown, after.end()), Room(room.begin() + kKnown, room.end())) << size;
  }
}

TEST_P(CudaMetrics, FieldsThatTheLibraryDoesNotKnowMustBeZero) {
  for (const uint32_t at : {kKnown, kKnown + 5, 511u, 4095u}) {
    Room room = MetricsCall::room_of(at + 1);
    room[at] = 1;
    EXPECT_EQ(call_.ended(room), NCE_STATUS_INVALID_ARGUMENT) << at;
    EXPECT_EQ(std::string(nce_last_error()), "outputs->metrics sets fields beyond the " + std::to_string(kKnown) +
                                                 " bytes that this library knows; they must be 0");
    EXPECT_EQ(call_.after(), room) << at;
  }
}

TEST_P(CudaMetrics, ABackwardPassReadsNone) {
  ASSERT_EQ(call_.ended(MetricsCall::room_of(kKnown), Calls::kForward), NCE_STATUS_OK) << nce_last_error();
  const Room wrong = MetricsCall::room_of(0);
  EXPECT_EQ(call_.ended(wrong, Calls::kBackward), NCE_STATUS_OK) << nce_last_error();
  EXPECT_EQ(call_.after(), wrong);
}

INSTANTIATE_TEST_SUITE_P(Engines, CudaMetrics, testing::Values(&oracle::kSymmetric, &oracle::kOwn),
                         [](const auto& of) { return of.index == 0 ? "Dense" : "Rowwise"; });

}  // namespace
}  // namespace nce::test
