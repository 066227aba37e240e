#pragma once
// Owners of what infonce.h hands out, for tests. A failing call fails the test with the library's own message.

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "infonce.h"

extern "C" {
// header_test.c: what only C can say.
int32_t infonce_header_in_c(void);
nce_memory_kind infonce_memory_kind(int32_t value);
nce_pass infonce_pass(int32_t value);
nce_status infonce_status(int32_t value);
}

namespace nce::test {

inline void expect_ok(nce_status status) { ASSERT_EQ(status, NCE_STATUS_OK) << nce_last_error(); }

struct ContextCloser {
  void operator()(nce_context* context) const { nce_context_destroy(context); }
};
struct PlanCloser {
  void operator()(nce_plan* plan) const { nce_plan_destroy(plan); }
};
using ContextOwner = std::unique_ptr<nce_context, ContextCloser>;
using PlanOwner = std::unique_ptr<nce_plan, PlanCloser>;

inline ContextOwner open_cpu(int32_t threads = 1, nce_isa max_isa = NCE_ISA_BEST) {
  const nce_context_desc desc = {sizeof desc, NCE_BACKEND_CPU, 0, threads, max_isa, 0};
  nce_context* context = nullptr;
  expect_ok(nce_context_create(&desc, &context));
  return ContextOwner(context);
}

inline PlanOwner make_plan(const ContextOwner& context, const nce_plan_desc& desc) {
  nce_plan* plan = nullptr;
  expect_ok(nce_plan_create(context.get(), &desc, &plan));
  return PlanOwner(plan);
}

/// A workspace of exactly the bytes that a pass of a plan needs.
class WorkspaceOwner {
 public:
  WorkspaceOwner(const PlanOwner& plan, nce_pass pass) {
    expect_ok(nce_plan_workspace_bytes(plan.get(), pass, &bytes_));
    const auto rounded = (static_cast<std::size_t>(bytes_) + NCE_WORKSPACE_ALIGNMENT - 1) / NCE_WORKSPACE_ALIGNMENT *
                         NCE_WORKSPACE_ALIGNMENT;
    memory_.reset(std::aligned_alloc(NCE_WORKSPACE_ALIGNMENT, rounded));
  }
  void* data() const { return memory_.get(); }
  int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  int64_t bytes_ = 0;
  std::unique_ptr<void, Free> memory_;
};

/// A description with everything that a loss does not use at 0.
inline nce_plan_desc describe(nce_loss loss, int64_t n, int64_t m, int64_t dim) {
  nce_plan_desc desc{};
  desc.struct_size = sizeof desc;
  desc.loss = loss;
  desc.top_k = 1;
  desc.metrics = 1;
  desc.n = n;
  desc.m = m;
  desc.dim = dim;
  desc.workspace_budget_bytes = -1;
  if (loss == NCE_LOSS_TRIPLET) desc.negatives = NCE_NEGATIVES_PAIRED;
  if (loss == NCE_LOSS_TRIPLET || loss == NCE_LOSS_CONTRASTIVE) desc.margin = 1.0;
  if (loss == NCE_LOSS_MULTI_SIMILARITY || loss == NCE_LOSS_CIRCLE) desc.positive_scale = 2.0;
  if (loss == NCE_LOSS_MULTI_SIMILARITY) desc.negative_scale = 10.0;
  return desc;
}

}  // namespace nce::test
