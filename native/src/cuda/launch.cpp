#include "cuda/launch.h"

#include <string>

#include "api/backend.h"

namespace nce::cuda {

void throw_cuda_error(cudaError_t code, const char* what) {
  throw Error(code == cudaErrorMemoryAllocation ? NCE_STATUS_OUT_OF_MEMORY : NCE_STATUS_DEVICE_ERROR,
              std::string(what) + ": " + cudaGetErrorName(code) + ", " + cudaGetErrorString(code));
}

void throw_no_kernel(const char* what) { throw Error(NCE_STATUS_INTERNAL, what); }

}  // namespace nce::cuda
