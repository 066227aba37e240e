// Keys that are many come in strips: in memory that hardly grows with them, and with the answers of keys at once.

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

#include "api/backend.h"
#include "cuda/dense/dense_plan.h"
#include "device/device_test.h"
#include "loss/problem.h"

namespace nce::test {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

class CudaKeyStrips : public DeviceTest {
 protected:
  /// Whether this device runs a case: Sm80 all, each other device every so many, another than the device beside it.
  bool runs(std::size_t number, std::size_t every) const {
    const auto devices = test_devices();
    const auto here = std::find_if(devices.begin(), devices.end(), [](const TestDevice& device) {
      return std::string_view(device.name) == GetParam().name;
    });
    return !GetParam().sampled || (number + static_cast<std::size_t>(here - devices.begin())) % every == 0;
  }

  /// Runs a problem whose workspace may take nothing beside its keys, so that these come in strips of the least length.
  Result run_in_strips(const Problem& problem, Calls calls) const {
    DeviceRun run(device(), problem);
    const std::unique_ptr<nce::Plan> plan = cuda::make_dense_plan(
        loss::Problem(problem.desc), 0, cuda::dense::architecture_for(GetParam().desc.max_compute_capability),
        {.beside_keys = 0});
    const int64_t bytes = plan->workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
    EXPECT_NE(bytes, run.workspace_bytes) << "not in strips";
    // Strips of few keys save less than their sums cost.
    const selftest::Buffer memory(device(), run.stream, bytes);
    const Workspace workspace{static_cast<std::byte*>(memory.data()), bytes};
    if (calls == Calls::kSeparate) {
      plan->forward(run.in, run.out, workspace, nullptr);
      plan->backward(run.in, run.out, workspace, nullptr);
    } else {
      plan->forward_backward(run.in, run.out, workspace, nullptr);
    }
    plan->status(memory.data(), nullptr);
    return run.read();
  }
};

TEST_P(CudaKeyStrips, HaveTheAnswersOfKeysAtOnce) {
  constexpr nce_similarity kSimilarities[] = {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_EUCLIDEAN};
  constexpr nce_dtype kTypes[] = {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16};
  uint64_t seed = 8100;
  std::size_t turn = 0, number = 0;
  for (const Kind& kind : {oracle::kInfoNce, oracle::kShared, oracle::kGrouped, oracle::kSigLip, oracle::kAbsolute,
                           oracle::kSharedRelative, oracle::kOffsets, oracle::kOffsetsAbsolute}) {
    for (std::size_t i = 0; i < std::size(kTypes); ++i) {
      if (!runs(number++, 3)) continue;
      const Problem problem = decided_problem_of({.kind = kind,
                                                  .measure = kSimilarities[(turn + i) % std::size(kSimilarities)],
                                                  .dtype = kTypes[i],
                                                  .size = {5, 1200, 12},
                                                  .tau = 0.4,
                                                  .seed = ++seed});
      SCOPED_TRACE(problem.label());
      const Result together = run_in_strips(problem, Calls::kTogether);
      expect_close(problem, together, answer_to(problem), dense_bounds(problem));
      if (i > 0) continue;
      EXPECT_EQ(run_in_strips(problem, Calls::kSeparate).difference(together), "");
    }
    ++turn;
  }
}

/// Strips have 512 rows: the border lies in the first, at its end, in a tile of the second, and in the last.
TEST_P(CudaKeyStrips, GoOnIntoTheQueue) {
  constexpr nce_similarity kSimilarities[] = {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_EUCLIDEAN};
  constexpr nce_dtype kTypes[] = {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16, NCE_DTYPE_FLOAT32};
  uint64_t seed = 8400;
  std::size_t number = 0;
  for (Kind kind : {oracle::kQueue, oracle::kQueueGrouped}) {
    for (const int64_t keys : {5, 512, 700, 1030}) {
      ++number;
      if (!runs(number, 4)) continue;
      kind.queue = 1200 - keys;
      Problem problem = problem_of({.kind = kind,
                                    .measure = kSimilarities[number % std::size(kSimilarities)],
                                    .dtype = kTypes[number % std::size(kTypes)],
                                    .size = {5, keys, 12},
                                    .tau = 0.4,
                                    .seed = ++seed});
      problem.gaps = {.queries = 3, .keys = 4, .d_keys = 2, .queue = 8};
      SCOPED_TRACE(problem.label());
      const Result together = run_in_strips(problem, Calls::kTogether);
      expect_close(problem, together, answer_to(problem), dense_bounds(problem));
      EXPECT_EQ(run_in_strips(problem, Calls::kSeparate).difference(together), "");
      if (problem.dtype() != NCE_DTYPE_FLOAT32) continue;
      // Doubles of the caller's rows.
      problem.tau = 0.001;
      expect_close(problem, run_in_strips(problem, Calls::kTogether), answer_to(problem), dense_bounds(problem));
    }
  }
}

TEST_P(CudaKeyStrips, TellRowsByTheirPlaceAmongAllKeys) {
  const auto told = [&](const Problem& problem) {
    try {
      static_cast<void>(run_in_strips(problem, Calls::kTogether));
    } catch (const Error& error) {
      return error.message();
    }
    return std::string("nothing");
  };
  const Problem good = problem_of({.size = {5, 1200, 3}, .tau = 1.0, .noise = 3.0, .seed = 8200});
  Problem tiny = good;
  for (std::size_t d = 0; d < 3; ++d) {
    tiny.keys[900 * 3 + d] = oracle::rounded(tiny.keys[900 * 3 + d] * 1e-43, NCE_DTYPE_FLOAT32);
  }
  EXPECT_NE(told(tiny).find("d_keys overflows its element type in row 900"), std::string::npos) << told(tiny);
  Problem broken = good;
  broken.keys[1000 * 3] = std::nan("");
  EXPECT_NE(told(broken).find("keys holds a NaN or an infinity in row 1000"), std::string::npos) << told(broken);
  Kind kind = oracle::kQueue;
  kind.queue = 700;
  broken = problem_of({.kind = kind, .size = {5, 500, 3}, .tau = 1.0, .noise = 3.0, .seed = 8200});
  broken.queue[600 * 3] = std::nan("");
  EXPECT_NE(told(broken).find("queue holds a NaN or an infinity in row 600"), std::string::npos) << told(broken);
}

/// Where doubles take over, strips are rows of the caller's.
TEST_P(CudaKeyStrips, HaveTheDigitsOfDoubleAtLogitsOfAThousand) {
  uint64_t seed = 8150;
  std::size_t number = 0;
  for (const Kind& kind : {oracle::kInfoNce, oracle::kShared, oracle::kGrouped, oracle::kSigLip, oracle::kOffsets}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT16}) {
      if (!runs(number++, 4)) continue;
      Problem problem =
          problem_of({.kind = kind, .dtype = dtype, .size = {5, 1200, 21}, .tau = 0.001, .noise = 3.0, .seed = ++seed});
      problem.gaps = {.queries = 3, .keys = 4, .negatives = 1, .d_queries = 1, .d_keys = 2, .d_negatives = 5};
      SCOPED_TRACE(problem.label());
      Bounds bounds = dense_bounds(problem);
      bounds.loss = bounds.loss_floor = bounds.temperature = 1e-10;
      bounds.gradient = 0x1p-23;
      bounds.similarity = 0.0;
      const Result together = run_in_strips(problem, Calls::kTogether);
      expect_close(problem, together, answer_to(problem), bounds);
      EXPECT_EQ(run_in_strips(problem, Calls::kSeparate).difference(together), "");
    }
  }
}

/// Rows of norm 0 in strips of their own.
TEST_P(CudaKeyStrips, HaveZeroRows) {
  std::size_t number = 0;
  for (const Kind& kind : {oracle::kInfoNce, oracle::kShared, oracle::kGrouped, oracle::kSigLip}) {
    if (!runs(number++, 2)) continue;
    Problem problem = problem_of({.kind = kind, .size = {5, 1200, 3}, .tau = 0.4, .seed = 8300});
    for (const std::size_t row : {2u, 600u, 1199u}) {
      std::vector<double>& y = problem.negatives.empty() ? problem.keys : problem.negatives;
      std::fill_n(y.begin() + static_cast<std::ptrdiff_t>(3 * row), 3, 0.0);
    }
    SCOPED_TRACE(problem.label());
    const Answer answer = answer_to(problem);
    EXPECT_EQ(answer.metrics.zero_rows, 3);
    Bounds bounds = dense_bounds(problem);
    bounds.metrics = 1e-5;
    expect_close(problem, run_in_strips(problem, Calls::kTogether), answer, bounds);
  }
}

TEST_P(CudaKeyStrips, KeepTheWorkspaceWithinTheKeysAndAConstant) {
  for (const Kind& kind : {oracle::kInfoNce, oracle::kShared, oracle::kGrouped, oracle::kSigLip}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16}) {
      for (const nce_similarity similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN}) {
        for (const int64_t n : {64, 4096}) {
          for (const int64_t m : {int64_t{1} << 16, int64_t{1} << 20, int64_t{1} << 24}) {
            const Problem problem = empty_problem_of(
                {.kind = kind, .measure = similarity, .dtype = dtype, .size = {n, m, 128}, .tau = 0.1});
            const int64_t keys = m * 128 * loss::dtype_bytes(dtype);
            EXPECT_LE(selftest::Plan(device(), problem.desc).workspace_bytes(NCE_PASS_FORWARD_BACKWARD),
                      keys + 64 * kMiB)
                << problem.label();
            if (kind.loss != NCE_LOSS_INFONCE || kind.negatives != NCE_NEGATIVES_IN_BATCH) continue;
            nce_plan_desc queued = problem.desc;
            queued.m = n;
            queued.queue = m - n;
            EXPECT_LE(selftest::Plan(device(), queued).workspace_bytes(NCE_PASS_FORWARD_BACKWARD), keys + 64 * kMiB)
                << "most of them in a queue: " << problem.label();
          }
        }
      }
    }
  }
}

NCE_ON_EVERY_DEVICE(CudaKeyStrips);

}  // namespace
}  // namespace nce::test
