#pragma once
// Losses in which every row meets only vectors of its own: InfoNCE with own negatives, NT-Logistic triples, contrastive
// pairs, triplets. Bound by memory: each pass reads every matrix once.

#include <memory>

#include "api/backend.h"

namespace nce::cuda {

/// `desc` is validated; `device` is the runtime's number of the device. Throws UNSUPPORTED for sizes beyond any
/// device's memory.
std::unique_ptr<Plan> make_rowwise_plan(const nce_plan_desc& desc, int device);

}  // namespace nce::cuda
