#pragma once
// What a plan may be made of.

#include "api/backend.h"

namespace nce::api {

/// Throws INVALID_ARGUMENT for a description that infonce.h does not allow; else tells what it asks for, with defaults
/// filled in.
loss::Problem checked_problem(const nce_plan_desc* desc);

}  // namespace nce::api
