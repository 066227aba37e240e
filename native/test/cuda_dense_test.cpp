// What only a device has: memory of its own, orders of blocks, sizes that no device takes, capabilities.

#include <optional>

#include "api/backend.h"
#include "cuda/dense/dense_plan.h"
#include "device/device_test.h"
#include "emulation_options.h"

namespace nce::test {
namespace {

using oracle::kNtXent;
using oracle::kShared;
using oracle::kSymmetric;

class CudaDense : public DeviceTest {};

TEST_P(CudaDense, OrdersOfBlocksAndArrivalsOfCopiesChangeNoBit) {
  using emulation::Arrival;
  uint64_t seed = 6500;
  for (const Kind& kind : {kSymmetric, kNtXent}) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      for (const int64_t dim : {24, 290}) {                    // gradients by tiles, and by blocks
        if (dtype == NCE_DTYPE_FLOAT64 && dim > 24) continue;  // by blocks in any case
        if (!turn()) continue;
        const int64_t n = kind.loss == NCE_LOSS_NT_XENT ? 70 : 140;  // rows of one matrix of two
        const Problem problem =
            problem_of({.kind = kind, .dtype = dtype, .size = {n, 150, dim}, .tau = 0.1, .seed = ++seed});
        SCOPED_TRACE(problem.label());
        std::optional<Result> first;
        for (const auto& [order, arrival] :
             {std::pair{1, Arrival::kLate}, std::pair{2, Arrival::kEarly}, std::pair{3, Arrival::kShuffled}}) {
          const emulation::test::Emulation how(static_cast<uint64_t>(order), arrival);
          const Result result = run(problem);
          if (!first) first = result;
          EXPECT_EQ(result.difference(*first), "") << "order " << order;
        }
      }
    }
  }
}

/// As those of a million queries are, lest two planes of all make the workspace larger.
TEST_P(CudaDense, PositivesThatArePackedInPartsGiveTheSameBits) {
  uint64_t seed = 6600;
  for (const auto& [similarity, dtype] :
       {std::pair{NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32}, std::pair{NCE_SIMILARITY_DOT, NCE_DTYPE_BFLOAT16},
        std::pair{NCE_SIMILARITY_NEG_EUCLIDEAN, NCE_DTYPE_FLOAT64}}) {
    Problem problem = problem_of(
        {.kind = kShared, .measure = similarity, .dtype = dtype, .size = {300, 20, 12}, .tau = 0.4, .seed = ++seed});
    problem.gaps.keys = 3;
    SCOPED_TRACE(problem.label());
    DeviceRun run(device(), problem);
    const Result at_once = run(Calls::kTogether);
    expect_close(problem, at_once, answer_to(problem), dense_bounds(problem));
    run.poison();
    const std::unique_ptr<nce::Plan> plan = cuda::make_dense_plan(
        loss::Problem(problem.desc), 0, cuda::dense::architecture_for(GetParam().desc.max_compute_capability),
        {.most_positives = cuda::tile::kRowMultiple});
    const int64_t bytes = plan->workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
    const selftest::Buffer memory(device(), run.stream, bytes);
    emulation::reset_counters();
    plan->forward_backward(run.in, run.out, {static_cast<std::byte*>(memory.data()), bytes}, nullptr);
    plan->status(memory.data(), nullptr);
    EXPECT_EQ(run.read().difference(at_once), "");
    EXPECT_EQ(emulation::counters().at("pack_rows").launches, 2 + 3);
  }
}

/// Even where they are larger than all that a forward pass needs after them.
TEST_P(CudaDense, AForwardPassHasRoomForPackedPositives) {
  const Problem problem = problem_of({.kind = kShared, .size = {140, 3, 200}, .tau = 0.4, .seed = 6700});
  DeviceRun run(device(), problem);
  const Result both = run(Calls::kTogether);
  run.poison();
  const std::unique_ptr<nce::Plan> plan = cuda::make_dense_plan(
      loss::Problem(problem.desc), 0, cuda::dense::architecture_for(GetParam().desc.max_compute_capability));
  const int64_t bytes = plan->workspace_bytes(NCE_PASS_FORWARD);
  const selftest::Buffer memory(device(), run.stream, bytes);
  plan->forward(run.in, run.out, {static_cast<std::byte*>(memory.data()), bytes}, nullptr);
  plan->status(memory.data(), nullptr);
  EXPECT_EQ(run.read().loss, both.loss);
}

TEST_P(CudaDense, TheNullStreamGivesTheSameBits) {
  const Problem problem = problem_of({.size = {9, 12, 7}, .tau = 0.25, .seed = 5});
  DeviceRun run(device(), problem);
  const Result first = run(Calls::kTogether);
  run.poison();
  EXPECT_EQ(nce_forward_backward(run.plan.get(), &run.in, &run.out, run.workspace, run.workspace_bytes, nullptr),
            NCE_STATUS_OK);
  EXPECT_EQ(nce_workspace_status(run.plan.get(), run.workspace, nullptr), NCE_STATUS_OK);
  EXPECT_EQ(run.read().difference(first), "");
}

TEST_P(CudaDense, GradientsAreRoundedOnceToTheTypeThatThePlanNames) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16}) {
    Problem problem = problem_of({.dtype = dtype, .size = {20, 30, 20}, .tau = 0.2, .seed = 9});
    const Result wide = run(problem);
    problem.desc.gradient_dtype = dtype;
    const Result narrow = run(problem);
    for (std::size_t i = 0; i < wide.d_queries.size(); ++i) {
      EXPECT_EQ(narrow.d_queries[i], oracle::rounded(wide.d_queries[i], dtype));
    }
  }
}

TEST_P(CudaDense, WrongMemoryIsRefusedByName) {
  const Problem problem = problem_of({.size = {9, 12, 7}, .tau = 0.25, .seed = 5});
  const auto expect = [&](nce_status status, const std::string& name, const auto& spoil) {
    DeviceRun run(device(), problem);
    spoil(run);
    EXPECT_EQ(run.call(Calls::kTogether), status) << name;
    EXPECT_NE(std::string(nce_last_error()).find(name), std::string::npos) << nce_last_error();
  };
  expect(NCE_STATUS_WORKSPACE_TOO_SMALL, "workspace_bytes", [](DeviceRun& run) { --run.workspace_bytes; });
  expect(NCE_STATUS_INVALID_ARGUMENT, "workspace",
         [](DeviceRun& run) { run.workspace = static_cast<std::byte*>(run.workspace) + 32; });
  std::vector<float> host(9 * 12);
  expect(NCE_STATUS_INVALID_ARGUMENT, "inputs->queries", [&](DeviceRun& run) { run.in.queries = host.data(); });
  double loss = 0.0;
  expect(NCE_STATUS_INVALID_ARGUMENT, "outputs->loss", [&](DeviceRun& run) { run.out.loss = &loss; });
  expect(NCE_STATUS_INVALID_ARGUMENT, "inputs->keys",
         [](DeviceRun& run) { run.in.keys = static_cast<const std::byte*>(run.in.keys) + 2; });
  expect(NCE_STATUS_INVALID_ARGUMENT, "inputs->queries_stride", [](DeviceRun& run) { run.in.queries_stride = 6; });
}

TEST_P(CudaDense, SizesBeyondAnyDeviceAreUnsupported) {
  nce_plan_desc desc = empty_problem_of({}).desc;
  nce_plan* plan = nullptr;
  desc.dim = 0;
  EXPECT_EQ(nce_plan_create(device().context(), &desc, &plan), NCE_STATUS_INVALID_ARGUMENT);
  desc.dim = 1 << 20;
  desc.n = desc.m = 1 << 19;
  EXPECT_EQ(nce_plan_create(device().context(), &desc, &plan), NCE_STATUS_UNSUPPORTED);
  EXPECT_NE(std::string(nce_last_error()).find("n = 524288"), std::string::npos) << nce_last_error();
  desc.dim = 1;
  desc.n = 1;
  desc.m = int64_t{1} << 45;
  EXPECT_EQ(nce_plan_create(device().context(), &desc, &plan), NCE_STATUS_UNSUPPORTED);
  // Beyond 2^31 elements, but not beyond every device.
  desc.dim = 1024;
  desc.n = desc.m = int64_t{1} << 22;
  EXPECT_GT(selftest::Plan(device(), desc).workspace_bytes(NCE_PASS_FORWARD), int64_t{1} << 33);
}

NCE_ON_EVERY_DEVICE(CudaDense);

TEST(CudaContext, ACapBelowEveryArchitectureIsRefused) {
  nce_context_desc desc = test_devices()[0].desc;
  desc.max_compute_capability = 70;
  nce_context* context = nullptr;
  EXPECT_EQ(nce_context_create(&desc, &context), NCE_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(std::string(nce_last_error()), "desc->max_compute_capability is 70; allowed: 75 or more, or 0 for no cap");
}

}  // namespace
}  // namespace nce::test
