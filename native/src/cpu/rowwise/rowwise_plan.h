#pragma once
// Losses in which every row meets only vectors of its own: InfoNCE with own negatives, NT-Logistic triples, contrastive
// comparisons, triplets. Bound by memory: every matrix is read once forward and once backward.

#include <memory>

#include "api/backend.h"
#include "cpu/thread_pool.h"

namespace nce::cpu {

/// The problem's matrices are FLOAT32 or FLOAT64. The pool must outlive the plan. Results do not depend on its number
/// of threads.
std::unique_ptr<Plan> make_rowwise_plan(const loss::Problem& problem, ThreadPool& pool, nce_isa isa);

}  // namespace nce::cpu
