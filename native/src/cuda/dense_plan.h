#pragma once
// Losses over a dense matrix of similarities, which never exists as a whole: InfoNCE in-batch, symmetric and with
// shared negatives, NT-Xent, NT-Logistic in-batch.

#include <memory>

#include "api/backend.h"
#include "cuda/methods.h"

namespace nce::cuda {

/// `desc` is validated; `device` is the runtime's number of the device, whose kernels are chosen for `architecture`.
/// Throws UNSUPPORTED for sizes beyond any device's memory.
std::unique_ptr<Plan> make_dense_plan(const nce_plan_desc& desc, int device, const Architecture& architecture);

}  // namespace nce::cuda
