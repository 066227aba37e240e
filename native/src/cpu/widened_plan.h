#pragma once
#include <functional>
#include <memory>

#include "api/backend.h"
#include "cpu/thread_pool.h"

namespace nce::cpu {

/// A plan for 16-bit matrices: they are widened to float in the workspace, where a plan of float then finds them, and
/// its gradients are rounded to the type that the problem asks for. Time and memory are O((n + m) dim), or n m dim for
/// OWN negatives.
std::unique_ptr<Plan> make_widened_plan(const loss::Problem& problem, ThreadPool& pool,
                                        const std::function<std::unique_ptr<Plan>(const loss::Problem&)>& make);

}  // namespace nce::cpu
