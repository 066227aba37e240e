#include "api/backends.h"

#include "cpu/context.h"

namespace nce::api {

int32_t device_count(int32_t backend, std::string* reason) {
  switch (backend) {
    case NCE_BACKEND_CPU:
      return 1;
    case NCE_BACKEND_CUDA:
      *reason = "NCE_BACKEND_CUDA: this library was built without a CUDA backend; NCE_BACKEND_CPU is available";
      return 0;
    default:
      *reason =
          "NCE_BACKEND_EMULATED: this library was built without an emulated backend; NCE_BACKEND_CPU is available";
      return 0;
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
  return cpu::make_context(desc.threads, static_cast<nce_isa>(desc.max_isa));
}

}  // namespace nce::api
