#pragma once
// The backends of this library.

#include <memory>
#include <string>

#include "api/backend.h"

namespace nce::api {

/// How many devices of a backend can be used here; `reason` says why if none. `backend` is a valid nce_backend.
int32_t device_count(int32_t backend, std::string* reason);

/// Opens the device of a checked description. Throws NO_DEVICE.
std::unique_ptr<Context> open_device(const nce_context_desc& desc);

}  // namespace nce::api
