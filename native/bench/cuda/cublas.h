#pragma once
// cuBLAS, if this machine has it. Nothing is linked.

#include <memory>
#include <string>

#include "bench/cuda/gemm.h"

namespace nce::bench {

/// Null, with the reason, if there is none. `fast` lets float32 products use the tensor cores' TF32.
std::unique_ptr<Gemm> open_cublas(bool fast, std::string* reason);

}  // namespace nce::bench
