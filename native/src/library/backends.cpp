// What is in this library: the one place where the C interface and the backends meet.

#include "api/backends.h"

#if INFONCE_WITH_CPU
#include "cpu/context.h"
#endif
#if INFONCE_WITH_CUDA || INFONCE_WITH_EMULATION
#include "cuda/context.h"
#endif

namespace nce::api {
namespace {

[[maybe_unused]] int32_t absent(const char* backend, const char* library, std::string* reason) {
  *reason = std::string(backend) + ": not in this library, but in " + library;
  return 0;
}

}  // namespace

int32_t device_count(nce_backend backend, std::string* reason) {
  switch (backend) {
    case NCE_BACKEND_CPU:
#if INFONCE_WITH_CPU
      return 1;
#else
      return absent("NCE_BACKEND_CPU", "libinfonce.so", reason);
#endif
    case NCE_BACKEND_CUDA:
#if INFONCE_WITH_CUDA
      return cuda::device_count(reason);
#else
      return absent("NCE_BACKEND_CUDA", "libinfonce_cuda.so", reason);
#endif
    case NCE_BACKEND_EMULATED:
#if INFONCE_WITH_EMULATION
      return cuda::device_count(reason);
#else
      return absent("NCE_BACKEND_EMULATED", "libinfonce_emulated.so", reason);
#endif
  }
  return 0;
}

std::unique_ptr<Context> open_device(const nce_context_desc& desc) {
  const auto backend = static_cast<nce_backend>(desc.backend);
  switch (backend) {
    case NCE_BACKEND_CPU:
#if INFONCE_WITH_CPU
      if (desc.device_index != 0) {
        throw Error(NCE_STATUS_NO_DEVICE,
                    "desc->device_index is " + std::to_string(desc.device_index) + "; allowed: 0 to 0");
      }
      return cpu::make_context(desc.threads, static_cast<nce_isa>(desc.max_isa));
#else
      break;
#endif
    case NCE_BACKEND_CUDA:
#if INFONCE_WITH_CUDA
      return cuda::make_context(desc);
#else
      break;
#endif
    case NCE_BACKEND_EMULATED:
#if INFONCE_WITH_EMULATION
      return cuda::make_context(desc);
#else
      break;
#endif
  }
  std::string reason;
  static_cast<void>(device_count(backend, &reason));
  throw Error(NCE_STATUS_NO_DEVICE, "desc->backend: " + reason);
}

}  // namespace nce::api
