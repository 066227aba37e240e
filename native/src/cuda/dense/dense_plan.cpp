#include "cuda/dense/dense_plan.h"

#include "api/refusals.h"
#include "cuda/begin_call.h"
#include "cuda/dense/call.h"

namespace nce::cuda {
namespace dense {
namespace {

/// Refuses sizes whose bytes could not even be counted.
const Problem& countable(const Problem& problem) {
  constexpr double kPadding = 512.0;  // of rows and of elements
  const nce_plan_desc& desc = problem.desc;
  const double elements = (static_cast<double>(desc.n) * 2.0 + static_cast<double>(desc.m) + kPadding) *
                          (static_cast<double>(desc.dim) + kPadding);
  if (elements > static_cast<double>(kLargestWorkspace)) refuse_sizes(desc, kLargestWorkspaceText);
  return problem;
}

class DensePlan final : public DevicePlan<DensePlan> {
 public:
  DensePlan(const Problem& problem, int device, const Architecture& architecture)
      : DevicePlan(device),
        problem_(countable(problem)),
        architecture_(architecture),
        methods_(choose_methods(problem, architecture)) {
    for (const Method& method : methods_) {
      Carver carver(nullptr);
      const State state(carver, problem_);
      const Scratch scratch(carver, problem_);
      const MethodState rows(carver, problem_, state, method);
      Carver backward_carver = carver;
      const MethodForward forward(carver, problem_, state, method, architecture_);
      const MethodBackward backward(backward_carver, problem_, state, method, architecture_);
      forward_bytes_ = std::max(forward_bytes_, carver.used());
      both_bytes_ = std::max({both_bytes_, carver.used(), backward_carver.used()});
    }
    if (both_bytes_ > kLargestWorkspace) refuse_sizes(problem.desc, kLargestWorkspaceText);
  }

  int64_t workspace_bytes(nce_pass pass) const override {
    return pass == NCE_PASS_FORWARD ? forward_bytes_ : both_bytes_;
  }

  void enqueue(const DeviceCall& of) const {
    Carver carver(of.workspace.data);
    const State state(carver, problem_);
    const Scratch scratch(carver, problem_);
    const RowSource queries = source(of.in.queries, of.in.queries_stride, problem_.desc.n);
    const RowSource keys = source(of.in.keys, of.in.keys_stride, std::max<int64_t>(0, problem_.key_rows));
    const RowSource negatives = source(of.in.negatives, of.in.negatives_stride, problem_.y_rows);
    RowSource tower = queries;
    tower.second = of.in.keys;
    tower.second_stride = of.in.keys_stride;
    const Call call{.problem = problem_,
                    .architecture = architecture_,
                    .methods = methods_,
                    .in = of.in,
                    .out = of.out,
                    .stream = of.stream,
                    .call_state = call_state_of(of.workspace),
                    .state = state,
                    .scratch = scratch,
                    .rest = carver,
                    .x = problem_.tower ? tower : queries,
                    .y = problem_.tower    ? tower
                         : problem_.shared ? negatives
                                           : keys,
                    .z = problem_.shared ? keys : RowSource{}};
    launch_begin_call({.call = call.call_state,
                       .scratch = scratch.begin,
                       .plan = id(),
                       .backward = !of.forward,
                       .with_upstream = true,
                       .in = &of.in,
                       .rows = problem_.x_rows},
                      of.stream);
    if (of.forward) enqueue_forward(call, of.workspace.bytes >= both_bytes_ ? id() : 0);
    if (of.backward) enqueue_backward(call);
  }

 private:
  RowSource source(const void* rows, int64_t stride, int64_t count) const {
    return {.dtype = problem_.dtype,
            .first = rows,
            .first_stride = stride,
            .first_rows = count,
            .second = nullptr,
            .second_stride = 0};
  }

  const Problem problem_;
  const Architecture& architecture_;
  const std::vector<Method> methods_;
  int64_t forward_bytes_ = 1;
  int64_t both_bytes_ = 1;
};

}  // namespace
}  // namespace dense

std::unique_ptr<Plan> make_dense_plan(const loss::Problem& problem, int device,
                                      const dense::Architecture& architecture) {
  return std::make_unique<dense::DensePlan>(problem, device, architecture);
}

}  // namespace nce::cuda
