#pragma once
// Triplets mined in the batch, and pairs of it that are all weighed: those of loss::Engine::kMined. Distances come a
// strip of rows at a time, in double, and a block mines a row. Correct before it is fast: no tensor cores.

#include <memory>

#include "api/backend.h"

namespace nce::cuda {

std::unique_ptr<Plan> make_mined_plan(const loss::Problem& problem, int device);

}  // namespace nce::cuda
