#pragma once
// Triplets mined in the batch, and pairs of it that are all weighed: those of loss::Engine::kMined. Distances come a
// strip of rows at a time from the tiles of the dense losses, and each row is mined as a whole.

#include <memory>

#include "api/backend.h"
#include "cpu/thread_pool.h"

namespace nce::cpu {

/// The pool must outlive the plan. Results do not depend on its number of threads.
std::unique_ptr<Plan> make_mined_plan(const loss::Problem& problem, ThreadPool& pool, nce_isa isa);

}  // namespace nce::cpu
