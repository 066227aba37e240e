#pragma once
// What a call on a plan may bring.

#include "api/backend.h"

namespace nce::api {

enum class Call { kForward, kBackward, kForwardBackward };

/// Throws unless the inputs are those that the plan needs, no more and no less. Returns them.
nce_inputs checked_inputs(const loss::Problem& problem, const nce_inputs* inputs);

/// Throws unless the outputs fit the plan. Returns them with NULL in place of those that this call does not write.
/// `host_memory`: memory of the context may be read here.
nce_outputs checked_outputs(const loss::Problem& problem, const nce_outputs* outputs, Call call, bool host_memory);

/// Throws unless the workspace is given, aligned and has `needed` bytes.
Workspace checked_workspace(void* workspace, int64_t bytes, int64_t needed);

/// Throws if an output shares memory with an input, another output or the workspace, or if anything lies where the plan
/// cannot use it. All are as checked above.
void check_places(const Plan& plan, const loss::Problem& problem, const nce_inputs& inputs, const nce_outputs& outputs,
                  const Workspace& workspace);

}  // namespace nce::api
