#pragma once
// What a plan may be made of.

#include "api/backend.h"

namespace nce::api {

/// Throws INVALID_ARGUMENT for a description that infonce.h does not allow; else returns it with defaults filled in.
nce_plan_desc checked_plan_desc(const nce_plan_desc* desc);

}  // namespace nce::api
