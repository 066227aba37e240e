// What losses of large batches ask for as workspace, beside what InfoNCE and NT-Xent do.

#include <algorithm>

#include "device_test.h"

namespace nce::test {
namespace {

constexpr int64_t kRows = 65536;
constexpr int64_t kMiB = int64_t{1} << 20;

class FamilyMemory : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    two_threads_ = with_threads(2);
  }

  /// Of both passes, without metrics, float32, 128 columns.
  int64_t bytes_of(const Kind& kind, int64_t rows = kRows) const {
    nce_plan_desc desc =
        oracle::empty_problem_of({.kind = kind, .size = {kind.one_matrix ? rows / 2 : rows, rows, 128}}).desc;
    desc.metrics = desc.top_k = 0;
    return selftest::Plan(*two_threads_, desc).workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
  }

  std::unique_ptr<selftest::Device> two_threads_;
};

/// Labels and groups are two numbers of 4 bytes a row and a column; a limit is one of 8 a row.
TEST_P(FamilyMemory, OfExponentialsAndSigmoidsIsThatOfOneLossAndNumbersOfRows) {
  const int64_t towers = std::max(bytes_of(oracle::kInfoNce), 256 * kMiB) + 8 * 2 * kRows;
  for (const Kind& kind : {oracle::kSigLip, oracle::kSigLipGrouped, oracle::kGrouped, oracle::kSymmetricGrouped,
                           oracle::kAbsolute, oracle::kSymmetricRelative}) {
    EXPECT_LE(bytes_of(kind), towers) << kind.name;
  }
  const int64_t tower = std::max(bytes_of(oracle::kNtXentOneMatrix), 256 * kMiB) + 8 * kRows;
  for (const Kind& kind : {oracle::kSupCon, oracle::kMultiInstance, oracle::kSupConDecoupled, oracle::kDclRelative}) {
    EXPECT_LE(bytes_of(kind), tower) << kind.name;
  }
}

TEST_P(FamilyMemory, OfMinedTripletsIsAStrip) {
  for (const Kind& kind : oracle::kMinedKinds) EXPECT_LE(bytes_of(kind), 256 * kMiB) << kind.name;
}

TEST_P(FamilyMemory, OfWeighedPairsIsAStrip) {
  for (const Kind& kind : oracle::kWeighedKinds) EXPECT_LE(bytes_of(kind), 256 * kMiB) << kind.name;
}

/// With eight times the rows a matrix of their pairs would be 64 times as large.
TEST_P(FamilyMemory, GrowsAsRowsDo) {
  for (const Kind& kind : {oracle::kInfoNce, oracle::kSupCon, oracle::kSupConTwoTowers, oracle::kSigLip, oracle::kGte,
                           oracle::kOwnToo, oracle::kDebiased}) {
    EXPECT_LE(bytes_of(kind, 8 * kRows), 10 * bytes_of(kind)) << kind.name;
  }
}

NCE_ON_EVERY_DEVICE(FamilyMemory);

}  // namespace
}  // namespace nce::test
