// What the CPU backend asks for as workspace: a bound, whatever the sizes and the number of threads.

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "handles.h"
#include "infonce.h"

namespace nce::test {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

int64_t bytes_of(const PlanOwner& plan, nce_pass pass) {
  int64_t bytes = 0;
  expect_ok(nce_plan_workspace_bytes(plan.get(), pass, &bytes));
  return bytes;
}

TEST(CpuWorkspace, DoesNotGrowWithKeysThatAreManyMoreThanTheQueries) {
  constexpr int64_t kDim = 128;
  const ContextOwner context = open_cpu(2);
  for (const int64_t n : {64, 512, 4096}) {
    for (int64_t m = int64_t{1} << 16; m <= int64_t{1} << 24; m *= 16) {
      for (const nce_similarity similarity :
           {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
        for (const nce_negatives negatives : {NCE_NEGATIVES_IN_BATCH, NCE_NEGATIVES_SHARED}) {
          nce_plan_desc desc = describe(NCE_LOSS_INFONCE, n, m, kDim);
          desc.similarity = similarity;
          desc.negatives = negatives;
          const int64_t bytes = bytes_of(make_plan(context, desc), NCE_PASS_FORWARD_BACKWARD);
          EXPECT_LE(bytes, 64 * kMiB + 96 * n * kDim)
              << "n " << n << ", m " << m << ", similarity " << similarity << ", negatives " << negatives;
          if (negatives != NCE_NEGATIVES_IN_BATCH) continue;
          desc.m = n;
          desc.queue = m - n;
          EXPECT_LE(bytes_of(make_plan(context, desc), NCE_PASS_FORWARD_BACKWARD), 64 * kMiB + 96 * n * kDim)
              << "of a queue: n " << n << ", m " << m << ", similarity " << similarity;
        }
      }
    }
  }
}

TEST(CpuWorkspace, IsWhatTheCallersBudgetAllowsWhereKeysAreMany) {
  const ContextOwner context = open_cpu(2);
  for (const nce_negatives negatives : {NCE_NEGATIVES_IN_BATCH, NCE_NEGATIVES_SHARED}) {
    nce_plan_desc desc = describe(NCE_LOSS_INFONCE, 1024, 1 << 16, 128);
    desc.negatives = negatives;
    const auto with_budget = [&](int64_t budget) {
      desc.workspace_budget_bytes = budget;
      return bytes_of(make_plan(context, desc), NCE_PASS_FORWARD_BACKWARD);
    };
    EXPECT_LE(with_budget(-1), 64 * kMiB + 96 * desc.n * desc.dim);
    EXPECT_LT(with_budget(0), 40 * kMiB);
    EXPECT_GT(with_budget(256 * kMiB), 250 * kMiB);
    EXPECT_LE(with_budget(256 * kMiB), 256 * kMiB);
  }
}

TEST(CpuWorkspace, OfTheForwardPassAloneIsNeverLarger) {
  for (const int32_t threads : {1, 2, 7, 64, 256}) {
    const ContextOwner context = open_cpu(threads);
    for (const int64_t n : {1, 2, 8, 100}) {
      for (const nce_loss loss : {NCE_LOSS_INFONCE, NCE_LOSS_NT_XENT, NCE_LOSS_NT_LOGISTIC, NCE_LOSS_CONTRASTIVE,
                                  NCE_LOSS_TRIPLET, NCE_LOSS_SIGLIP, NCE_LOSS_MULTI_SIMILARITY, NCE_LOSS_CIRCLE}) {
        for (const nce_negatives negatives :
             {NCE_NEGATIVES_IN_BATCH, NCE_NEGATIVES_SHARED, NCE_NEGATIVES_OWN, NCE_NEGATIVES_PAIRED}) {
          for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16}) {
            nce_plan_desc desc = describe(loss, n, n, 16);
            desc.negatives = negatives;
            desc.dtype = desc.gradient_dtype = dtype;
            if (nce_plan_supported(context.get(), &desc) != NCE_STATUS_OK) continue;
            const PlanOwner plan = make_plan(context, desc);
            EXPECT_LE(bytes_of(plan, NCE_PASS_FORWARD), bytes_of(plan, NCE_PASS_FORWARD_BACKWARD))
                << threads << " threads, n " << n << ", loss " << loss << ", negatives " << negatives << ", dtype "
                << dtype;
          }
        }
      }
    }
  }
}

TEST(CpuWorkspace, OfMinedTripletsIsAStripAndAMultipleOfTheRows) {
  for (const int32_t threads : {1, 16}) {
    const ContextOwner context = open_cpu(threads);
    for (const nce_mining mining : {NCE_MINING_BATCH_ALL, NCE_MINING_BATCH_HARD, NCE_MINING_SEMI_HARD,
                                    NCE_MINING_EASY_POSITIVE, NCE_MINING_BATCH_EASY}) {
      for (const int64_t n : {int64_t{1}, int64_t{1000}, int64_t{1} << 17, int64_t{1} << 20}) {
        nce_plan_desc desc = describe(NCE_LOSS_TRIPLET, n, 0, 128);
        desc.negatives = NCE_NEGATIVES_IN_BATCH;
        desc.mining = mining;
        // Panels and two sums of them in double, and some numbers a row; then one panel of distances at least.
        EXPECT_LE(bytes_of(make_plan(context, desc), NCE_PASS_FORWARD_BACKWARD),
                  64 * kMiB + n * (3 * desc.dim * 8 + 1024))
            << n << " rows, mining " << mining;
        EXPECT_LE(bytes_of(make_plan(context, desc), NCE_PASS_FORWARD),
                  bytes_of(make_plan(context, desc), NCE_PASS_FORWARD_BACKWARD));
      }
    }
  }
}

TEST(CpuWorkspace, OfWeighedPairsHasNoRoomToSort) {
  const ContextOwner context = open_cpu(2);
  nce_plan_desc all = describe(NCE_LOSS_TRIPLET, 1 << 17, 0, 128);
  all.negatives = NCE_NEGATIVES_IN_BATCH;
  all.mining = NCE_MINING_BATCH_ALL;
  for (const nce_loss loss : {NCE_LOSS_MULTI_SIMILARITY, NCE_LOSS_CIRCLE}) {
    for (const int64_t n : {int64_t{1}, int64_t{1000}, int64_t{1} << 17, int64_t{1} << 20}) {
      const nce_plan_desc desc = describe(loss, n, 0, 128);
      EXPECT_LE(bytes_of(make_plan(context, desc), NCE_PASS_FORWARD_BACKWARD),
                64 * kMiB + n * (3 * desc.dim * 8 + 1024))
          << n << " rows, loss " << loss;
      if (n != all.n) continue;
      // Of a strip that is one panel of anchors: two numbers of 16 bytes a row less, and one of 8 more.
      EXPECT_LE(bytes_of(make_plan(context, desc), NCE_PASS_FORWARD),
                bytes_of(make_plan(context, all), NCE_PASS_FORWARD) - 24 * n + 4096);
    }
  }
}

/// Numbers of tiles alone would leave int64_t here.
TEST(CpuWorkspace, OfSizesBeyondAnyMachineIsToldOrRefused) {
  const ContextOwner context = open_cpu(2);
  for (const int64_t n : {int64_t{1} << 41, (int64_t{1} << 40) + 1}) {
    for (const int64_t m : {int64_t{0}, int64_t{1}, int64_t{100}, int64_t{1} << 17}) {
      for (const nce_negatives negatives : {NCE_NEGATIVES_SHARED, NCE_NEGATIVES_OWN}) {
        for (const bool swapped : {false, true}) {
          nce_plan_desc desc = describe(NCE_LOSS_INFONCE, swapped ? m + 1 : n, swapped ? n : m, 1);
          desc.negatives = negatives;
          nce_plan* made = nullptr;
          const nce_status status = nce_plan_create(context.get(), &desc, &made);
          const PlanOwner plan(made);
          if (status == NCE_STATUS_OK) {
            EXPECT_GT(bytes_of(plan, NCE_PASS_FORWARD_BACKWARD), 0);
          } else {
            EXPECT_TRUE(status == NCE_STATUS_UNSUPPORTED || status == NCE_STATUS_INVALID_ARGUMENT) << nce_last_error();
          }
        }
      }
    }
  }
}

TEST(CpuWorkspace, IsWhatTheBudgetAddsToTheNecessary) {
  const ContextOwner context = open_cpu(2);
  nce_plan_desc desc = describe(NCE_LOSS_NT_XENT, 6000, 0, 64);
  desc.workspace_budget_bytes = 0;
  const int64_t least = bytes_of(make_plan(context, desc), NCE_PASS_FORWARD_BACKWARD);
  for (const int64_t budget : {least + 10 * kMiB, 40 * kMiB, 100 * kMiB}) {
    desc.workspace_budget_bytes = budget;
    EXPECT_LE(bytes_of(make_plan(context, desc), NCE_PASS_FORWARD_BACKWARD), std::max(budget, least));
  }
}

}  // namespace
}  // namespace nce::test
