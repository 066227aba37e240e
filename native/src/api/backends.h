#pragma once
// The backends of this library, as the C interface asks for them. Answered by library/backends.cpp, the one place that
// knows which there are.

#include <memory>
#include <string>

#include "api/backend.h"

namespace nce::api {

/// How many devices of a backend can be used here; `reason` says why if none.
int32_t device_count(nce_backend backend, std::string* reason);

/// Opens the device of a checked description. Throws NO_DEVICE, or UNSUPPORTED for GPUs that there is no code for.
std::unique_ptr<Context> open_device(const nce_context_desc& desc);

}  // namespace nce::api
