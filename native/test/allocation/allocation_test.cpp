// Every request for memory or a thread, in every call, refused one after the other: the call says so, its outputs are
// as they were, and the next call is as good as ever.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "allocator.h"
#include "selftest/linked.h"
#include "selftest/run.h"

namespace nce::test {
namespace {

using oracle::Kind;
using oracle::Problem;
using oracle::problem_of;
using oracle::Result;
using selftest::Calls;
using selftest::Device;
using DeviceRun = selftest::Run;

constexpr int kMostRequests = 1000;

nce_context_desc cpu(int32_t threads) { return {sizeof(nce_context_desc), NCE_BACKEND_CPU, 0, threads, 0, 0}; }

/// Calls `call` with its first request failing, its second, and so on until it has no more; expects OUT_OF_MEMORY and
/// what `check` expects. Returns how many failed.
template <typename Call, typename Check>
int fail_each(Failing failing, const Call& call, const Check& check) {
  for (int number = 0; number < kMostRequests; ++number) {
    nce_status status{};
    const bool reached = call(number, failing, status);
    if (!reached) {
      EXPECT_EQ(status, NCE_STATUS_OK) << nce_last_error();
      return number;
    }
    EXPECT_EQ(status, NCE_STATUS_OUT_OF_MEMORY) << "request " << number << ": " << nce_last_error();
    EXPECT_STRNE(nce_last_error(), "");
    check(number);
    if (testing::Test::HasFailure()) return number;
  }
  ADD_FAILURE() << "no end after " << kMostRequests << " requests";
  return kMostRequests;
}

/// The status of a call under failing requests, and whether one failed.
template <typename Call>
bool under(int number, Failing failing, nce_status& status, const Call& call) {
  fail_request(number, failing);
  status = call();
  return stop_failing() > number;
}

/// Whose workspace holds the tiles of a strip, but not all.
Problem problem_of_strips() {
  Problem problem = problem_of({.kind = oracle::kShared, .size = {4300, 300, 3}, .tau = 0.2, .seed = 4});
  const Device device(selftest::linked_library(), cpu(1));
  const auto bytes = [&](int64_t budget) {
    problem.desc.workspace_budget_bytes = budget;
    return selftest::Plan(device, problem.desc).workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
  };
  const int64_t necessary = bytes(0);
  problem.desc.workspace_budget_bytes = necessary + (bytes(int64_t{1} << 30) - necessary) * 7 / 10;
  return problem;
}

std::vector<Problem> problems() {
  std::vector<Problem> result;
  for (const Kind& kind : oracle::kDenseKinds) {
    result.push_back(problem_of({.kind = kind, .size = {130, 150, 9}, .tau = 0.2, .seed = 1}));
  }
  result.push_back(problem_of({.size = {3, 4, 5}, .tau = 0.2, .seed = 2}));
  result.push_back(problem_of({.measure = NCE_SIMILARITY_NEG_EUCLIDEAN,
                               .dtype = NCE_DTYPE_BFLOAT16,
                               .size = {130, 150, 9},
                               .tau = 0.2,
                               .seed = 3,
                               .narrow_gradients = true}));
  result.push_back(problem_of_strips());
  // So many keys that they come in strips.
  for (const Kind& kind : {oracle::kInfoNce, oracle::kShared}) {
    result.push_back(problem_of({.kind = kind, .size = {4, 200, 9}, .tau = 0.2, .seed = 6}));
  }
  const auto add_of_distances = [&](const Kind& kind) {
    result.push_back(problem_of({.kind = kind, .size = {130, 1, 9}, .seed = 7}));
    result.push_back(problem_of(
        {.kind = kind, .dtype = NCE_DTYPE_BFLOAT16, .size = {70, 1, 9}, .seed = 8, .narrow_gradients = true}));
  };
  for (const Kind& kind : oracle::kMinedKinds) add_of_distances(kind);
  for (const Kind& kind : oracle::kWeighedKinds) add_of_distances(kind);
  for (const Kind& kind : oracle::kRowwiseKinds) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      result.push_back(problem_of(
          {.kind = kind, .dtype = dtype, .size = {700, 5, 37}, .tau = 0.2, .seed = 5, .narrow_gradients = true}));
    }
  }
  return result;
}

TEST(Allocation, AFailingCallWritesNothingAndTheNextIsRight) {
  int failed = 0;
  for (const Problem& problem : problems()) {
    for (const int32_t threads : {1, 4}) {
      SCOPED_TRACE(problem.label() + ", " + std::to_string(threads) + " threads");
      Result expected;
      {
        const Device device(selftest::linked_library(), cpu(threads));
        expected = DeviceRun(device, problem)(Calls::kTogether);
      }
      for (const Calls calls : {Calls::kForward, Calls::kBackward, Calls::kTogether}) {
        for (const Failing failing : {Failing::kOne, Failing::kAllFrom}) {
          std::unique_ptr<Device> device;
          std::unique_ptr<DeviceRun> run;
          failed += fail_each(
              failing,
              [&](int number, Failing how, nce_status& status) {
                run.reset();
                // A new one, whose threads have not been started.
                device = std::make_unique<Device>(selftest::linked_library(), cpu(threads));
                run = std::make_unique<DeviceRun>(*device, problem);
                if (calls == Calls::kBackward) {
                  EXPECT_EQ(run->call(Calls::kForward), NCE_STATUS_OK);
                  run->poison_outputs();
                }
                return under(number, how, status, [&] { return run->call(calls); });
              },
              [&](int) {
                EXPECT_TRUE(run->untouched());
                EXPECT_EQ((*run)(Calls::kTogether).difference(expected), "");
              });
          run.reset();
          if (HasFailure()) return;
        }
      }
    }
  }
  std::printf("%d calls failed\n", failed);
}

TEST(Allocation, FailingPlansAndContextsAreNotMade) {
  int failed = 0;
  for (const Failing failing : {Failing::kOne, Failing::kAllFrom}) {
    failed += fail_each(
        failing,
        [&](int number, Failing how, nce_status& status) {
          nce_context* context = nullptr;
          const nce_context_desc desc = cpu(3);
          const bool reached = under(number, how, status, [&] { return nce_context_create(&desc, &context); });
          EXPECT_EQ(context == nullptr, status != NCE_STATUS_OK);
          nce_context_destroy(context);
          return reached;
        },
        [](int) {});
    const Device device(selftest::linked_library(), cpu(2));
    for (const Problem& problem : problems()) {
      SCOPED_TRACE(problem.label());
      failed += fail_each(
          failing,
          [&](int number, Failing how, nce_status& status) {
            nce_plan* plan = nullptr;
            const bool reached =
                under(number, how, status, [&] { return nce_plan_create(device.context(), &problem.desc, &plan); });
            EXPECT_EQ(plan == nullptr, status != NCE_STATUS_OK);
            nce_plan_destroy(plan);
            return reached;
          },
          [](int) {});
    }
  }
  EXPECT_GT(failed, 0);
}

}  // namespace
}  // namespace nce::test
