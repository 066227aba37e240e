// Plans under many threads and through many lives.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include "handles.h"

namespace nce::test {
namespace {

/// A call of its own on a shared plan of in-batch InfoNCE (the tiled engine) or of triplets (the rowwise one).
struct SharedCall {
  std::vector<float> queries, keys, d_queries, d_keys;
  double temperature = 0.1;
  double loss = 0.0;

  SharedCall(int64_t n, int64_t dim, int seed) : queries(static_cast<std::size_t>(n * dim)), keys(queries.size()) {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      queries[i] = static_cast<float>((i * 37 + static_cast<std::size_t>(seed) * 11) % 101) / 50.0F - 1.0F;
      keys[i] = static_cast<float>((i * 53 + static_cast<std::size_t>(seed) * 7) % 103) / 51.0F - 1.0F;
    }
    d_queries.resize(queries.size());
    d_keys.resize(queries.size());
  }

  nce_status run(const PlanOwner& plan, const nce_plan_desc& desc) {
    const WorkspaceOwner workspace(plan, NCE_PASS_FORWARD_BACKWARD);
    nce_inputs in{};
    in.struct_size = sizeof in;
    in.queries = queries.data();
    in.keys = keys.data();
    in.queries_stride = in.keys_stride = in.negatives_stride = desc.dim;
    if (desc.loss == NCE_LOSS_TRIPLET) {
      in.negatives = queries.data();  // inputs may share memory
    } else {
      in.temperature = &temperature;
    }
    nce_outputs out{};
    out.struct_size = sizeof out;
    out.loss = &loss;
    out.d_queries = d_queries.data();
    out.d_keys = d_keys.data();
    out.d_queries_stride = out.d_keys_stride = desc.dim;
    return nce_forward_backward(plan.get(), &in, &out, workspace.data(), workspace.bytes(), nullptr);
  }
};

class SharedPlan : public testing::TestWithParam<nce_loss> {};

TEST_P(SharedPlan, GivesEightThreadsTheBitsOfOne) {
  const ContextOwner context = open_cpu(2);
  const nce_plan_desc desc = describe(GetParam(), 130, 130, 33);
  const PlanOwner plan = make_plan(context, desc);
  std::vector<std::thread> threads;
  std::vector<int> differences(8, 0);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      SharedCall expected(desc.n, desc.dim, t);
      if (expected.run(plan, desc) != NCE_STATUS_OK) ++differences[static_cast<std::size_t>(t)];
      for (int i = 0; i < 10; ++i) {
        SharedCall again(desc.n, desc.dim, t);
        const bool same = again.run(plan, desc) == NCE_STATUS_OK && again.loss == expected.loss &&
                          again.d_queries == expected.d_queries && again.d_keys == expected.d_keys;
        if (!same) ++differences[static_cast<std::size_t>(t)];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(differences, std::vector<int>(8, 0));

  // And alone afterwards, on a pool that nobody shares.
  const ContextOwner alone = open_cpu(1);
  const PlanOwner own = make_plan(alone, desc);
  SharedCall shared(desc.n, desc.dim, 3);
  SharedCall single(desc.n, desc.dim, 3);
  expect_ok(shared.run(plan, desc));
  expect_ok(single.run(own, desc));
  EXPECT_EQ(shared.loss, single.loss);
  EXPECT_EQ(shared.d_queries, single.d_queries);
}

INSTANTIATE_TEST_SUITE_P(Engines, SharedPlan, testing::Values(NCE_LOSS_INFONCE, NCE_LOSS_TRIPLET));

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(Lifetime, TenThousandContextsAndPlansLeaveNoMemoryBehind) {
  const nce_plan_desc descs[] = {describe(NCE_LOSS_INFONCE, 8, 8, 4), describe(NCE_LOSS_TRIPLET, 8, 8, 4)};
  const auto cycle = [&](int i) {
    const ContextOwner context = open_cpu(2);
    const nce_plan_desc& desc = descs[i % 2];
    const PlanOwner plan = make_plan(context, desc);
    if (i % 10 != 0) return;
    SharedCall call(desc.n, desc.dim, i);  // some also run, which starts the threads
    expect_ok(call.run(plan, desc));
  };
  for (int i = 0; i < 1000; ++i) cycle(i);
  const int64_t before = resident_bytes();
  for (int i = 0; i < 10000; ++i) cycle(i);
    // A leak of one plan a cycle would be over 1 MiB. Sanitizers keep freed memory in quarantine, up to 256 MiB.
#if defined(__SANITIZE_ADDRESS__)
  constexpr int64_t kAllowed = int64_t{300} << 20;
#else
  constexpr int64_t kAllowed = int64_t{1} << 20;
#endif
  EXPECT_LE(resident_bytes() - before, kAllowed);
}

}  // namespace
}  // namespace nce::test
