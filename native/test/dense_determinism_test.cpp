// The same bits whatever the threads, strides and calls; and what a workspace carries from forward to backward.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "cpu/dense/kernels.h"
#include "dense_runner.h"

namespace nce::test {
namespace {

std::vector<DenseCase> cases() {
  std::vector<DenseCase> result;
  unsigned seed = 0;
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16}) {
    for (const double tau : {0.1, 0.01}) {
      for (const nce_similarity similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
        result.push_back(make_case(NCE_LOSS_INFONCE, similarity, dtype, 130, 201, 37, tau, 0.7, ++seed));
        result.push_back(make_case(NCE_LOSS_INFONCE, similarity, dtype, 150, 150, 37, tau, 0.7, ++seed));
        result.back().desc.symmetric = 1;
        result.push_back(make_case(NCE_LOSS_NT_XENT, similarity, dtype, 75, 75, 37, tau, 0.7, ++seed));
        result.push_back(make_case(NCE_LOSS_NT_LOGISTIC, similarity, dtype, 150, 0, 37, tau, 0.7, ++seed));
        result.push_back(make_case(NCE_LOSS_INFONCE, similarity, dtype, 101, 101, 37, tau, 0.7, ++seed));
        result.back().desc.negatives = NCE_NEGATIVES_SHARED;
        result.back().desc.m = 180;
        result.back().negatives = make_case(NCE_LOSS_INFONCE, similarity, dtype, 180, 0, 37, tau, 0.7, ++seed).queries;
        result.push_back(result[result.size() - 2]);
        result.back().desc.precision = NCE_PRECISION_FAST;
      }
    }
  }
  return result;
}

TEST(DenseDeterminism, SameBitsForAnyThreadsRunStrideAndSplitOfTheCall) {
  for (const DenseCase& problem : cases()) {
    for (const nce_isa isa : cpu::available_isas()) {
      DenseRun how;
      how.isa = isa;
      const DenseResult first = run_dense(problem, how);
      for (const int threads : {1, 2, 3, 8}) {
        how.threads = threads;
        EXPECT_TRUE(run_dense(problem, how) == first) << name_of(isa) << ", threads " << threads;
      }
      how.separate = true;
      EXPECT_TRUE(run_dense(problem, how) == first) << name_of(isa) << ", forward then backward";
      how.extra_stride = 3;
      EXPECT_TRUE(run_dense(problem, how) == first) << name_of(isa) << ", strides beyond dim";
      how.separate = false;
      how.want_keys = false;
      EXPECT_TRUE(run_dense(problem, how).d_queries == first.d_queries) << name_of(isa) << ", without d_keys";
      how.want_keys = true;
      how.want_queries = how.want_negatives = false;
      EXPECT_TRUE(run_dense(problem, how).d_keys == first.d_keys) << name_of(isa) << ", without d_queries";
    }
  }
}

/// What a plan with the problem's budget asks for.
int64_t workspace_of(const DenseCase& problem, nce_isa isa) {
  cpu::ThreadPool pool(1);
  return cpu::make_dense_plan(problem.desc, pool, isa)->workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
}

TEST(DenseDeterminism, SameBitsForAnyBudgetOfKeptTiles) {
  for (DenseCase problem : cases()) {
    for (const nce_isa isa : cpu::available_isas()) {
      problem.desc.workspace_budget_bytes = 0;
      const int64_t necessary = workspace_of(problem, isa);
      DenseRun how;
      how.isa = isa;
      const DenseResult first = run_dense(problem, how);
      // None, some of the tiles (a tile takes 576 bytes to 9 KiB), all of them.
      for (const int64_t budget : {necessary + (int64_t{60} << 10), int64_t{256} << 20}) {
        problem.desc.workspace_budget_bytes = budget;
        EXPECT_GT(workspace_of(problem, isa), necessary) << name_of(isa);
        EXPECT_LE(workspace_of(problem, isa), budget) << name_of(isa);
        for (const bool separate : {false, true}) {
          how.separate = separate;
          how.threads = separate ? 3 : 1;
          EXPECT_TRUE(run_dense(problem, how) == first) << name_of(isa) << ", budget " << budget;
        }
      }
    }
  }
}

TEST(DenseDeterminism, SameBitsOverStripsAndGroupsOfLargeShapes) {
  // More rows than a strip has, and groups of several blocks.
  DenseCase problem = make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 4300, 4300, 3, 0.1, 0.7, 9);
  problem.desc.symmetric = 1;
  DenseRun how;
  const DenseResult first = run_dense(problem, how);
  how.threads = 4;
  problem.desc.workspace_budget_bytes = int64_t{64} << 20;
  EXPECT_TRUE(run_dense(problem, how) == first);
}

/// More rows than a strip has, for tiles of any width; the rows of the first strip have no weight.
std::vector<DenseCase> cases_of_strips(nce_isa isa) {
  const int64_t portable = 90 * cpu::dense::kernels_portable<float>().width;  // NEON's tiles are wider than SSE2's
  const int64_t n = isa == NCE_ISA_AVX512 ? 4300 : isa == NCE_ISA_AVX2 ? 2150 : portable;
  std::vector<DenseCase> result;
  result.push_back(make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, n, n, 3, 0.1, 0.7, 1));
  result.push_back(make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_BFLOAT16, n, n + 30, 3, 0.1, 0.7, 2));
  result.push_back(make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, n, n, 3, 0.001, 0.7, 3));
  result.push_back(make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_NEG_EUCLIDEAN, NCE_DTYPE_FLOAT64, n, n, 3, 0.1, 0.7, 4));
  result.push_back(make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT32, n, n, 3, 0.1, 0.7, 5));
  result.back().desc.negatives = NCE_NEGATIVES_SHARED;
  result.back().desc.m = 300;
  result.back().negatives =
      make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT32, 300, 0, 3, 0.1, 0.7, 6).queries;
  for (DenseCase& problem : result) {
    problem.weights.assign(static_cast<size_t>(n), 1.5f);
    std::fill(problem.weights.begin(), problem.weights.begin() + n * 5 / 8, 0.0f);
    problem.desc.precision = NCE_PRECISION_FAST;  // one arithmetic, hence a workspace for tiles of one size
  }
  result.push_back(result.front());
  result.back().weights.clear();
  return result;
}

TEST(DenseDeterminism, SameBitsWhenStripsOfWholeRowsGoForwardAndBackward) {
  for (const nce_isa isa : cpu::available_isas()) {
    for (DenseCase problem : cases_of_strips(isa)) {
      DenseRun how;
      how.isa = isa;
      how.threads = 2;
      problem.desc.workspace_budget_bytes = int64_t{1} << 30;
      const int64_t all = workspace_of(problem, isa);
      problem.desc.workspace_budget_bytes = 0;
      const int64_t necessary = workspace_of(problem, isa);
      const DenseResult first = run_dense(problem, how);
      EXPECT_TRUE(first.kept) << name_of(isa);
      // Room for the tiles of a strip, but not for all.
      problem.desc.workspace_budget_bytes = necessary + (all - necessary) * 7 / 10;
      const DenseResult strips = run_dense(problem, how);
      EXPECT_FALSE(strips.kept) << name_of(isa) << ": the call did not go by strips";
      EXPECT_TRUE(strips == first) << name_of(isa);
      how.again = true;
      EXPECT_TRUE(run_dense(problem, how) == first) << name_of(isa) << ", backward again";
      how.again = false;
      how.separate = true;
      const DenseResult separate = run_dense(problem, how);
      EXPECT_TRUE(separate.kept) << name_of(isa);
      EXPECT_TRUE(separate == first) << name_of(isa) << ", forward then backward";
    }
  }
}

TEST(DenseDeterminism, SwappingQueriesAndKeysOfTheSymmetricLossSwapsTheGradients) {
  DenseCase problem = make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT64, 60, 60, 20, 0.1, 0.7, 3);
  problem.desc.symmetric = 1;
  DenseCase swapped = problem;
  std::swap(swapped.queries, swapped.keys);
  const DenseResult a = run_dense(problem, {});
  const DenseResult b = run_dense(swapped, {});
  EXPECT_NEAR(a.loss[0], b.loss[0], 1e-14 * a.loss[0]);
  for (size_t i = 0; i < a.d_queries.size(); ++i) EXPECT_NEAR(a.d_queries[i], b.d_keys[i], 1e-13);
}

TEST(DenseDeterminism, GradientByLnTauIsTauTimesTheOneByTau) {
  const DenseCase problem =
      make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 30, 40, 20, 0.2, 0.7, 3);
  DenseRun how;
  const DenseResult plain = run_dense(problem, how);
  how.logarithm = true;
  const DenseResult logarithm = run_dense(problem, how);
  EXPECT_NEAR(logarithm.d_temperature, 0.2 * plain.d_temperature, 1e-9);
  EXPECT_NEAR(logarithm.loss[0], plain.loss[0], 1e-9);
}

class DenseWorkspace : public testing::Test {
 protected:
  DenseWorkspace() {
    in_.queries = queries_.data();
    in_.keys = keys_.data();
    in_.queries_stride = in_.keys_stride = 2;
    in_.temperature = &tau_;
    out_.loss = &loss_;
    out_.d_queries = gradient_.data();
    out_.d_queries_stride = 2;
    desc_ = make_case(NCE_LOSS_INFONCE, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, 2, 2, 2, 0.5, 0, 1).desc;
  }

  static void expect_invalid_state(const Plan& plan, const nce_inputs& in, const nce_outputs& out,
                                   Workspace workspace) {
    try {
      plan.backward(in, out, workspace, nullptr);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), NCE_STATUS_INVALID_STATE) << error.message();
    }
  }

  std::vector<float> queries_{1.0f, 0.0f, 0.0f, 1.0f};
  std::vector<float> keys_{1.0f, 0.5f, 0.5f, 1.0f};
  std::vector<float> gradient_ = std::vector<float>(4, 7.0f);
  double tau_ = 0.5;
  double loss_ = 0.0;
  nce_inputs in_{};
  nce_outputs out_{};
  nce_plan_desc desc_{};
  cpu::ThreadPool pool_{1};
  alignas(NCE_WORKSPACE_ALIGNMENT) std::byte memory_[1 << 20] = {};
};

TEST_F(DenseWorkspace, BackwardNeedsAForwardOfTheSamePlan) {
  const auto plan = cpu::make_dense_plan(desc_, pool_, NCE_ISA_BEST);
  const auto other = cpu::make_dense_plan(desc_, pool_, NCE_ISA_BEST);
  const int64_t bytes = plan->workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
  ASSERT_LE(bytes, static_cast<int64_t>(sizeof memory_));
  expect_invalid_state(*plan, in_, out_, {memory_, bytes});
  plan->forward(in_, out_, {memory_, bytes}, nullptr);
  expect_invalid_state(*other, in_, out_, {memory_, bytes});
  EXPECT_EQ(gradient_, std::vector<float>(4, 7.0f));
  plan->backward(in_, out_, {memory_, bytes}, nullptr);
  EXPECT_NE(gradient_, std::vector<float>(4, 7.0f));
  const std::vector<float> once = gradient_;
  const float upstream = 2.0f;
  in_.upstream = &upstream;
  plan->backward(in_, out_, {memory_, bytes}, nullptr);
  for (size_t i = 0; i < once.size(); ++i) EXPECT_FLOAT_EQ(gradient_[i], 2.0f * once[i]);
}

TEST_F(DenseWorkspace, BackwardRefusesAnotherTemperatureAndAForwardThatFailed) {
  const auto plan = cpu::make_dense_plan(desc_, pool_, NCE_ISA_BEST);
  const int64_t bytes = plan->workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
  plan->forward(in_, out_, {memory_, bytes}, nullptr);
  tau_ = 0.25;
  expect_invalid_state(*plan, in_, out_, {memory_, bytes});
  tau_ = 0.5;
  queries_[1] = NAN;
  EXPECT_THROW(plan->forward(in_, out_, {memory_, bytes}, nullptr), Error);
  queries_[1] = 0.0f;
  expect_invalid_state(*plan, in_, out_, {memory_, bytes});
}

}  // namespace
}  // namespace nce::test
