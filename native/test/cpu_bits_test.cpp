// The CPU backend to the same bits for any number of threads, and by strips of whole rows.

#include <algorithm>
#include <cstring>

#include "cpu/dense/kernels.h"
#include "cpu/dense/workspace.h"
#include "device/device_test.h"

namespace nce::test {
namespace {

using oracle::kShared;
using oracle::kSymmetric;

/// Whether a call left the tiles that it kept for another nce_backward. Its header is where a dense workspace begins.
bool tiles_were_kept(const DeviceRun& run) { return static_cast<const cpu::dense::Header*>(run.workspace)->kept != 0; }

class CpuBits : public DeviceTest {};

TEST_P(CpuBits, OfDenseLossesDoNotDependOnThreads) {
  for (const Problem& problem : problems_to_the_bit(emulated())) {
    if (!turn()) continue;
    SCOPED_TRACE(problem.label());
    const Result first = run(problem);
    for (const int threads : {1, 2, 3, 8}) {
      EXPECT_EQ(DeviceRun(*with_threads(threads), problem)(Calls::kTogether).difference(first), "") << threads;
    }
  }
}

TEST_P(CpuBits, OfRowwiseLossesDoNotDependOnThreads) {
  for (const Kind& kind : oracle::kRowwiseKinds) {
    for (const int32_t measure : measures_of(kind)) {
      // Many chunks.
      const Problem problem =
          problem_of({.kind = kind, .measure = measure, .size = {700, 5, 37}, .tau = 0.2, .seed = 5});
      SCOPED_TRACE(problem.label());
      const Result first = run(problem);
      for (const int threads : {1, 3, 16}) {
        EXPECT_EQ(DeviceRun(*with_threads(threads), problem)(Calls::kTogether).difference(first), "") << threads;
      }
    }
  }
}

/// Whether every pass of a problem, in a workspace of its own size, gives the bits of `expected`.
void expect_each_pass(const selftest::Device& device, const Problem& problem, const Result& expected) {
  const selftest::Plan plan(device, problem.desc);
  EXPECT_LE(plan.workspace_bytes(NCE_PASS_FORWARD), plan.workspace_bytes(NCE_PASS_FORWARD_BACKWARD));
  const Result forward = DeviceRun(device, problem, {.pass = NCE_PASS_FORWARD})(Calls::kForward);
  EXPECT_EQ(forward.loss, expected.loss);
  EXPECT_EQ(std::memcmp(&forward.metrics, &expected.metrics, sizeof expected.metrics), 0);
  EXPECT_EQ(DeviceRun(device, problem)(Calls::kTogether).difference(expected), "");
  EXPECT_EQ(DeviceRun(device, problem)(Calls::kSeparate).difference(expected), "");
}

TEST_P(CpuBits, DoNotDependOnThreadsMoreThanThereAreRows) {
  std::vector<Kind> kinds(std::begin(oracle::kDenseKinds), std::end(oracle::kDenseKinds));
  kinds.insert(kinds.end(), std::begin(oracle::kRowwiseKinds), std::end(oracle::kRowwiseKinds));
  const auto one = with_threads(1);
  const auto many = with_threads(100);
  for (const Kind& kind : kinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT16}) {
      for (const oracle::Extent& size : {oracle::Extent{2, 3, 5}, oracle::Extent{60, 70, 9}}) {
        if (!turn()) continue;
        const Problem problem = problem_of({.kind = kind, .dtype = dtype, .size = size, .tau = 0.2, .seed = 8});
        SCOPED_TRACE(problem.label());
        const Result expected = DeviceRun(*one, problem)(Calls::kTogether);
        expect_each_pass(*one, problem, expected);
        expect_each_pass(*many, problem, expected);
      }
    }
  }
}

TEST_P(CpuBits, OfRowwiseForwardPassesDoNotDependOnThreads) {
  const auto many = with_threads(8);
  for (const Kind& kind : oracle::kRowwiseKinds) {
    const Problem problem = problem_of({.kind = kind, .size = {2000, 5, 37}, .tau = 0.2, .seed = 5});
    SCOPED_TRACE(problem.label());
    expect_each_pass(*many, problem, run(problem));
  }
}

/// More rows than a strip has, for tiles of any width.
int64_t rows_of_strips(nce_isa isa) {
  switch (isa) {
    case NCE_ISA_AVX512:
      return 4300;
    case NCE_ISA_AVX2:
      return 2150;
    case NCE_ISA_PORTABLE:
    case NCE_ISA_BEST:
      return 90 * cpu::dense::kernels_portable<float>().width;  // NEON's tiles are wider than SSE2's
  }
  oracle::unknown("no such instruction set");
}

TEST_P(CpuBits, DoNotDependOnStripsAndGroupsOfLargeShapes) {
  const int64_t n = rows_of_strips(device().isa());
  Problem problem = problem_of({.kind = kSymmetric, .size = {n, n, 3}, .tau = 0.1, .seed = 9});
  const Result first = run(problem);
  problem.desc.workspace_budget_bytes = int64_t{64} << 20;
  EXPECT_EQ(DeviceRun(*with_threads(4), problem)(Calls::kTogether).difference(first), "");
}

TEST_P(CpuBits, GradientsOfColumnsAddUpOverStrips) {
  const int64_t n = rows_of_strips(device().isa());
  const auto check = [&](int32_t similarity, nce_dtype dtype, nce_precision precision) {
    Problem problem = problem_of(
        {.kind = kShared, .measure = similarity, .dtype = dtype, .size = {n, 30, 3}, .tau = 0.5, .seed = 12});
    problem.desc.precision = precision;
    problem.desc.metrics = 0;
    check_dense(problem);
  };
  check(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, NCE_PRECISION_PRECISE);
  check(NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_DTYPE_FLOAT64, NCE_PRECISION_PRECISE);
}

/// The rows of the first strip have no weight.
std::vector<Problem> problems_of_strips(int64_t n) {
  std::vector<Problem> result = {
      problem_of({.size = {n, n, 3}, .tau = 0.1, .seed = 1}),
      problem_of(
          {.dtype = NCE_DTYPE_BFLOAT16, .size = {n, n + 30, 3}, .tau = 0.1, .seed = 2, .narrow_gradients = true}),
      problem_of({.size = {n, n, 3}, .tau = 0.001, .seed = 3}),
      problem_of({.measure = NCE_SIMILARITY_NEG_EUCLIDEAN,
                  .dtype = NCE_DTYPE_FLOAT64,
                  .size = {n, n, 3},
                  .tau = 0.1,
                  .seed = 4}),
      problem_of({.kind = kShared, .measure = NCE_SIMILARITY_DOT, .size = {n, 300, 3}, .tau = 0.1, .seed = 5}),
      problem_of({.kind = oracle::kSigLip, .size = {n, n, 3}, .tau = 0.1, .seed = 6})};
  for (Problem& problem : result) {
    problem.weights.assign(static_cast<std::size_t>(n), 1.5F);
    std::fill(problem.weights.begin(), problem.weights.begin() + n * 5 / 8, 0.0F);
    problem.desc.precision = NCE_PRECISION_FAST;  // one arithmetic, hence a workspace for tiles of one size
  }
  result.push_back(result.front());
  result.back().weights.clear();
  return result;
}

TEST_P(CpuBits, AreTheSameWhenStripsOfWholeRowsGoForwardAndBackward) {
  const auto threads = with_threads(2);
  for (Problem problem : problems_of_strips(rows_of_strips(device().isa()))) {
    if (!turn()) continue;
    SCOPED_TRACE(problem.label());
    const auto bytes = [&](int64_t budget) {
      problem.desc.workspace_budget_bytes = budget;
      return selftest::Plan(*threads, problem.desc).workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
    };
    const int64_t all = bytes(int64_t{1} << 30);
    const int64_t necessary = bytes(0);
    DeviceRun plain(*threads, problem);
    const Result first = plain(Calls::kTogether);
    EXPECT_TRUE(tiles_were_kept(plain));
    // Room for the tiles of a strip, but not for all.
    problem.desc.workspace_budget_bytes = necessary + (all - necessary) * 7 / 10;
    DeviceRun strips(*threads, problem);
    EXPECT_EQ(strips(Calls::kTogether).difference(first), "");
    EXPECT_FALSE(tiles_were_kept(strips)) << "the call did not go by strips";
    strips.poison_outputs();
    Result again = strips(Calls::kBackward);
    again.loss = first.loss;
    again.metrics = first.metrics;
    EXPECT_EQ(again.difference(first), "") << "backward again";
    strips.poison();
    EXPECT_EQ(strips(Calls::kSeparate).difference(first), "");
    EXPECT_TRUE(tiles_were_kept(strips));
  }
}

/// More keys than a strip of 16 MiB has, which is 3910 of 260 double, but two strips only, and queries that are more
/// than one panel of the narrowest tiles: few, as sanitizers multiply the time. Each similarity with two of the types,
/// in turns.
std::vector<Problem> problems_of_many_keys() {
  constexpr nce_dtype kTypes[] = {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16};
  std::vector<Problem> result;
  std::size_t turn = 0;
  for (const Kind& kind : {oracle::kInfoNce, kShared, oracle::kSigLip}) {
    ++turn;
    for (const nce_similarity similarity :
         {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN}) {
      result.push_back(problem_of({.kind = kind,
                                   .measure = similarity,
                                   .dtype = kTypes[turn++ % std::size(kTypes)],
                                   .size = {7, 4001, 260},
                                   .tau = 0.3,
                                   .seed = 6,
                                   .narrow_gradients = true}));
    }
  }
  result.push_back(problem_of(
      {.kind = oracle::kGrouped, .dtype = NCE_DTYPE_FLOAT64, .size = {7, 4500, 260}, .tau = 0.3, .seed = 6}));
  return result;
}

TEST_P(CpuBits, GroupsHoldInEveryStripOfKeys) {
  const Problem problem = problems_of_many_keys().back();
  ASSERT_EQ(problem.desc.groups, 1);
  check_dense(problem);
}

TEST_P(CpuBits, DoNotDependOnHowStripsOfKeysAreCalled) {
  const auto threads = with_threads(2);
  for (Problem problem : problems_of_many_keys()) {
    if (!turn()) continue;
    SCOPED_TRACE(problem.label());
    DeviceRun together(*threads, problem);
    const Result first = together(Calls::kTogether);
    together.poison_outputs();
    Result again = together(Calls::kBackward);
    again.loss = first.loss;
    again.metrics = first.metrics;
    EXPECT_EQ(again.difference(first), "") << "backward again";
    EXPECT_EQ(DeviceRun(*with_threads(5), problem)(Calls::kSeparate).difference(first), "") << "other threads";
    problem.desc.workspace_budget_bytes = 0;
    EXPECT_EQ(DeviceRun(*with_threads(1), problem)(Calls::kTogether).difference(first), "") << "no kept tiles";
  }
}

/// Wherever they stand, on whichever side, and whether they are positives or not: else rounding would rank them.
TEST_P(CpuBits, OfSimilaritiesOfIdenticalRowsAreTheSame) {
  constexpr int64_t kDim = 37;
  constexpr std::size_t kDifferent = 5;
  for (const Kind& kind : oracle::kDenseKinds) {
    for (const int32_t similarity : measures_of(kind)) {
      for (const nce_dtype dtype : oracle::kDtypes) {
        if (!turn()) continue;
        // Two panels of the widest kernels; in towers a tile is read along both sides.
        Problem problem = problem_of(
            {.kind = kind, .measure = similarity, .dtype = dtype, .size = {50, 53, kDim}, .tau = 0.5, .seed = 8});
        const Problem different = problem_of({.dtype = dtype, .size = {kDifferent, kDifferent, kDim}, .seed = 9});
        std::size_t row = 0;
        for (auto* matrix : matrices(problem)) {
          for (std::size_t i = 0; i < matrix->size(); i += kDim, ++row) {
            const auto from = different.queries.begin() + static_cast<int64_t>(row * 7 % kDifferent) * kDim;
            std::copy(from, from + kDim, matrix->begin() + static_cast<int64_t>(i));
          }
        }
        SCOPED_TRACE(problem.label());
        const nce_metrics expected = answer_to(problem).metrics;
        const nce_metrics metrics = run(problem).metrics;
        EXPECT_NEAR(metrics.top1_accuracy, expected.top1_accuracy, 1e-12);
        EXPECT_NEAR(metrics.topk_accuracy, expected.topk_accuracy, 1e-12);
      }
    }
  }
}

NCE_ON_EVERY_DEVICE(CpuBits);

}  // namespace
}  // namespace nce::test
