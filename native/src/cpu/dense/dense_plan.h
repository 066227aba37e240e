#pragma once
// Losses over a dense matrix of similarities, which never exists: InfoNCE in-batch, symmetric and with shared
// negatives, NT-Xent, NT-Logistic in-batch.

#include <memory>

#include "api/backend.h"
#include "cpu/thread_pool.h"

namespace nce::cpu {

/// `isa` is one that the machine has (NCE_ISA_BEST picks the best). The pool must outlive the
/// plan. Throws UNSUPPORTED for sizes that no memory holds.
std::unique_ptr<Plan> make_dense_plan(const loss::Problem& problem, ThreadPool& pool, nce_isa isa);

}  // namespace nce::cpu
