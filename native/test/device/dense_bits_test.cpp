// Dense losses to the same bits: calls together and apart, strides, workspaces, budgets, gradients that are not wanted.

#include <utility>

#include "device_test.h"

namespace nce::test {

using oracle::kDenseKinds;
using oracle::kDtypes;
using oracle::kSymmetric;

std::vector<Problem> problems_to_the_bit(bool emulated) {
  std::vector<int32_t> similarities = {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_EUCLIDEAN};
  if (emulated) similarities = {NCE_SIMILARITY_DOT};
  std::vector<Problem> result;
  uint64_t seed = 0;
  std::size_t turn = 0;
  for (const nce_dtype dtype : kDtypes) {
    ++turn;
    for (const double tau : {emulated ? 0.5 : 0.1, emulated ? 0.003 : 0.01}) {
      for (const int32_t similarity : similarities) {
        for (const Kind& kind : kDenseKinds) {
          ++seed;
          // In the emulator each kind has each type at one of the temperatures, in turns.
          if (emulated && ++turn % 2 != 0) continue;
          result.push_back(problem_of({.kind = kind,
                                       .measure = similarity,
                                       .dtype = dtype,
                                       .size = emulated ? Extent{40, 51, 70} : Extent{101, 180, 37},
                                       .tau = tau,
                                       .seed = seed,
                                       .narrow_gradients = !emulated}));
        }
        if (emulated) continue;
        result.push_back(result.back());
        result.back().desc.precision = NCE_PRECISION_FAST;
      }
    }
  }
  return result;
}

namespace {

class DenseBits : public DeviceTest {};

TEST_P(DenseBits, DoNotDependOnStridesWorkspacesAndCallsApart) {
  for (Problem problem : problems_to_the_bit(emulated())) {
    if (!turn()) continue;
    SCOPED_TRACE(problem.label());
    const Result first = run(problem, Calls::kTogether, {.workspace_offset = NCE_WORKSPACE_ALIGNMENT});
    problem.gaps = {.queries = 3, .keys = 4, .negatives = 1, .d_queries = 1, .d_keys = 2, .d_negatives = 5};
    EXPECT_EQ(run(problem, Calls::kSeparate).difference(first), "");
  }
}

TEST_P(DenseBits, DoNotDependOnGradientsThatAreNotWanted) {
  const Extent plain = emulated() ? Extent{20, 30, 20} : Extent{101, 180, 37};
  const Extent wide = emulated() ? Extent{20, 20, 260} : plain;
  for (const Kind& kind : kDenseKinds) {
    if (!turn()) continue;
    const Problem problem = problem_of({.kind = kind, .size = kind.symmetric ? wide : plain, .tau = 0.2, .seed = 9});
    DeviceRun run(device(), problem);
    const nce_outputs all_outputs = run.out;
    const Result untouched = run.read();
    const Result all = run(Calls::kTogether);
    for (int wanted = 0; wanted < 7; ++wanted) {
      SCOPED_TRACE(problem.label() + ", gradients " + std::to_string(wanted));
      Result expected = all;
      run.out = all_outputs;
      if ((wanted & 1) == 0) run.out.d_queries = nullptr, expected.d_queries = untouched.d_queries;
      if ((wanted & 2) == 0) run.out.d_keys = nullptr, expected.d_keys = untouched.d_keys;
      if ((wanted & 4) == 0) run.out.d_negatives = nullptr, expected.d_negatives = untouched.d_negatives;
      run.poison();
      EXPECT_EQ(run(Calls::kTogether).difference(expected), "");
    }
  }
}

TEST_P(DenseBits, DoNotDependOnTheWorkspaceBudget) {
  // The device keeps no tiles.
  const Problem small = problem_of({.kind = kSymmetric, .size = {30, 30, 9}, .tau = 0.2, .seed = 9});
  std::unique_ptr<selftest::Device> threads;
  if (!emulated()) threads = with_threads(3);
  for (Problem problem : emulated() ? std::vector<Problem>{small} : problems_to_the_bit(emulated())) {
    if (GetParam().sampled || !turn()) continue;
    SCOPED_TRACE(problem.label());
    const auto bytes = [&](int64_t budget) {
      problem.desc.workspace_budget_bytes = budget;
      return selftest::Plan(device(), problem.desc).workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
    };
    const int64_t necessary = bytes(0);
    const Result first = run(problem);
    // None, some of the tiles (a tile takes 576 bytes to 9 KiB), all of them.
    for (const int64_t budget : {necessary + (int64_t{60} << 10), int64_t{256} << 20}) {
      if (emulated()) {
        EXPECT_EQ(bytes(budget), necessary);
      } else {
        EXPECT_LE(bytes(budget), budget);
        EXPECT_GT(bytes(budget), necessary);
      }
      EXPECT_EQ(run(problem).difference(first), "") << "budget " << budget;
      if (emulated()) continue;
      EXPECT_EQ(DeviceRun(*threads, problem)(Calls::kSeparate).difference(first), "")
          << "budget " << budget << ", threads";
    }
  }
}

TEST_P(DenseBits, ExchangedTowersExchangeTheirGradients) {
  uint64_t seed = 6700;
  for (const int32_t similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      for (const int64_t dim : {24, 290}) {
        // On the device distances and float64 are computed alike, by blocks.
        if (dim > 24 && (dtype == NCE_DTYPE_FLOAT64 || similarity == NCE_SIMILARITY_NEG_EUCLIDEAN)) continue;
        if (!turn()) continue;
        Problem problem = problem_of({.kind = kSymmetric,
                                      .measure = similarity,
                                      .dtype = dtype,
                                      .size = {140, 140, dim},
                                      .tau = 0.5,
                                      .seed = ++seed});
        problem.desc.metrics = 0;
        SCOPED_TRACE(problem.label());
        const Result result = run(problem);
        std::swap(problem.queries, problem.keys);
        Result exchanged = run(problem);
        std::swap(exchanged.d_queries, exchanged.d_keys);
        if (emulated()) {
          EXPECT_EQ(exchanged.difference(result), "");
          continue;
        }
        // The CPU adds columns up in another order than rows.
        const double unit = dtype == NCE_DTYPE_FLOAT64 ? 1e-13 : dtype == NCE_DTYPE_FLOAT32 ? 1e-6 : 1e-2;
        EXPECT_NEAR(exchanged.loss[0], result.loss[0], 1e-6 * unit / 1e-7 * result.loss[0]);
        expect_near(exchanged.d_queries, result.d_queries, unit * largest(result.d_queries));
        expect_near(exchanged.d_keys, result.d_keys, unit * largest(result.d_keys));
      }
    }
  }
}

NCE_ON_EVERY_DEVICE(DenseBits);

}  // namespace
}  // namespace nce::test
