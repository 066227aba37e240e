#pragma once
// Losses over a dense matrix of similarities, which never exists as a whole: those of loss::Engine::kDense.

#include <memory>

#include "api/backend.h"
#include "cuda/dense/methods.h"

namespace nce::cuda {

struct DenseLimits {
  /// What a workspace may take beside the bytes of the keys, or shared negatives, where those are many.
  int64_t beside_keys = int64_t{64} << 20;
  int64_t most_positives = dense::kNoLimit;  ///< see choose_cuts
};

/// `device` is the runtime's number of the device, whose kernels are chosen for `architecture`. Throws UNSUPPORTED for
/// sizes beyond any device's memory.
std::unique_ptr<Plan> make_dense_plan(const loss::Problem& problem, int device, const dense::Architecture& architecture,
                                      const DenseLimits& limits = {});

}  // namespace nce::cuda
