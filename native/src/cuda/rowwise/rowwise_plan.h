#pragma once
// Losses in which every row meets only vectors of its own: those of loss::Engine::kRowwise. Bound by memory: each pass
// reads every matrix once.

#include <cstdint>
#include <memory>

#include "api/backend.h"

namespace nce::cuda {

/// `device` is the runtime's number of the device, `capability` what it is opened for. Throws UNSUPPORTED for sizes
/// beyond any device's memory.
std::unique_ptr<Plan> make_rowwise_plan(const loss::Problem& problem, int device, int32_t capability);

}  // namespace nce::cuda
