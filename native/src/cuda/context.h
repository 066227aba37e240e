#pragma once
// CUDA devices, or the emulator that stands in for one: the same source serves both.

#include <cstdint>
#include <memory>
#include <string>

#include "api/backend.h"

namespace nce::cuda {

/// How many devices can be used; `reason` names what is missing if none can.
int32_t device_count(std::string* reason);

/// Opens device desc.device_index of those. Throws NO_DEVICE; UNSUPPORTED where the library has code for none of the
/// devices; INVALID_ARGUMENT for a cap below every architecture.
std::unique_ptr<Context> make_context(const nce_context_desc& desc);

}  // namespace nce::cuda
