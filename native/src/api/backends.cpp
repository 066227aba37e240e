#include "api/backends.h"

#if INFONCE_WITH_CPU
#include "cpu/context.h"
#endif
#if INFONCE_WITH_CUDA || INFONCE_WITH_EMULATION
#include "cuda/context.h"
#endif

namespace nce::api {
namespace {

std::string absent(const char* backend, const char* library) {
  return std::string(backend) + ": not in this library, but in " + library;
}

}  // namespace

int32_t device_count(int32_t backend, std::string* reason) {
  switch (backend) {
    case NCE_BACKEND_CPU:
#if INFONCE_WITH_CPU
      return 1;
#else
      *reason = absent("NCE_BACKEND_CPU", "libinfonce.so");
      return 0;
#endif
    case NCE_BACKEND_CUDA:
#if INFONCE_WITH_CUDA
      return cuda::device_count(reason);
#else
      *reason = absent("NCE_BACKEND_CUDA", "libinfonce_cuda.so");
      return 0;
#endif
    default:
#if INFONCE_WITH_EMULATION
      return cuda::device_count(reason);
#else
      *reason = absent("NCE_BACKEND_EMULATED", "libinfonce_emulated.so");
      return 0;
#endif
  }
}

std::unique_ptr<Context> open_device(const nce_context_desc& desc) {
  std::string reason;
  const int32_t count = device_count(desc.backend, &reason);
  if (count == 0) throw Error(NCE_STATUS_NO_DEVICE, "desc->backend: " + reason);
  if (desc.device_index >= count) {
    throw Error(NCE_STATUS_NO_DEVICE, "desc->device_index is " + std::to_string(desc.device_index) +
                                          "; allowed: 0 to " + std::to_string(count - 1));
  }
#if INFONCE_WITH_CPU
  if (desc.backend == NCE_BACKEND_CPU) return cpu::make_context(desc.threads, static_cast<nce_isa>(desc.max_isa));
#endif
#if INFONCE_WITH_CUDA || INFONCE_WITH_EMULATION
  return cuda::make_context(desc);
#else
  throw Error(NCE_STATUS_INTERNAL, "a backend without a context");
#endif
}

}  // namespace nce::api
