// Plans and the calls on them.

#include "api/border.h"
#include "api/call_check.h"
#include "api/handles.h"
#include "api/plan_check.h"

using nce::api::Call;
using nce::api::check_handle;
using nce::api::check_pointer;
using nce::api::guarded;
using nce::api::kContextMagic;
using nce::api::kPlanMagic;

namespace {

std::unique_ptr<nce_plan> make_plan(const nce_context* context, const nce_plan_desc* desc) {
  check_handle(context, kContextMagic, "context");
  auto handle = std::make_unique<nce_plan>(nce::api::checked_problem(desc));
  handle->backend = context->context->info().backend;
  handle->plan = context->context->plan(handle->problem);
  return handle;
}

void check_stream(const nce_plan& plan, const void* stream) {
  if (plan.backend == NCE_BACKEND_CPU && stream != nullptr) {
    nce::refuse_argument("stream is given; allowed: NULL, because the plan's backend has no streams");
  }
}

/// Checks all that a call brings, then runs `run(plan, inputs, outputs, workspace, stream)`.
template <typename Run>
nce_status call(Call kind, const nce_plan* plan, const nce_inputs* inputs, const nce_outputs* outputs, void* workspace,
                int64_t workspace_bytes, void* stream, Run run) {
  return guarded([&] {
    check_handle(plan, kPlanMagic, "plan");
    const nce_inputs in = nce::api::checked_inputs(plan->problem, inputs);
    const nce_outputs out = nce::api::checked_outputs(plan->problem, outputs, kind, plan->backend == NCE_BACKEND_CPU);
    const nce_pass pass = kind == Call::kForward ? NCE_PASS_FORWARD : NCE_PASS_FORWARD_BACKWARD;
    const nce::Workspace scratch =
        nce::api::checked_workspace(workspace, workspace_bytes, plan->plan->workspace_bytes(pass));
    check_stream(*plan, stream);
    nce::api::check_places(*plan->plan, plan->problem, in, out, scratch);
    run(*plan->plan, in, out, scratch, stream);
  });
}

}  // namespace

nce_status nce_plan_supported(const nce_context* context, const nce_plan_desc* desc) {
  return guarded([&] { make_plan(context, desc); });
}

nce_status nce_plan_create(nce_context* context, const nce_plan_desc* desc, nce_plan** plan) {
  return guarded([&] {
    check_pointer(plan, "plan", alignof(nce_plan*));
    *plan = make_plan(context, desc).release();
  });
}

void nce_plan_destroy(nce_plan* plan) { nce::api::destroy_handle(plan, kPlanMagic); }

nce_status nce_plan_workspace_bytes(const nce_plan* plan, nce_pass pass, int64_t* bytes) {
  return guarded([&] {
    check_handle(plan, kPlanMagic, "plan");
    nce::api::check_enum(nce::api::enum_number(pass), NCE_PASS_FORWARD_BACKWARD, "pass",
                         "0 (FORWARD), 1 (FORWARD_BACKWARD)");
    check_pointer(bytes, "bytes", alignof(int64_t));
    *bytes = plan->plan->workspace_bytes(pass);
  });
}

nce_status nce_forward(const nce_plan* plan, const nce_inputs* inputs, const nce_outputs* outputs, void* workspace,
                       int64_t workspace_bytes, void* stream) {
  return call(Call::kForward, plan, inputs, outputs, workspace, workspace_bytes, stream,
              [](const nce::Plan& p, auto&&... arguments) { p.forward(arguments...); });
}

nce_status nce_backward(const nce_plan* plan, const nce_inputs* inputs, const nce_outputs* outputs, void* workspace,
                        int64_t workspace_bytes, void* stream) {
  return call(Call::kBackward, plan, inputs, outputs, workspace, workspace_bytes, stream,
              [](const nce::Plan& p, auto&&... arguments) { p.backward(arguments...); });
}

nce_status nce_forward_backward(const nce_plan* plan, const nce_inputs* inputs, const nce_outputs* outputs,
                                void* workspace, int64_t workspace_bytes, void* stream) {
  return call(Call::kForwardBackward, plan, inputs, outputs, workspace, workspace_bytes, stream,
              [](const nce::Plan& p, auto&&... arguments) { p.forward_backward(arguments...); });
}

nce_status nce_workspace_status(const nce_plan* plan, const void* workspace, void* stream) {
  return guarded([&] {
    check_handle(plan, kPlanMagic, "plan");
    check_pointer(workspace, "workspace", NCE_WORKSPACE_ALIGNMENT);
    check_stream(*plan, stream);
    plan->plan->status(workspace, stream);
  });
}
