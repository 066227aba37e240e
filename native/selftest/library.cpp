#include "selftest/library.h"

#include <dlfcn.h>

namespace nce::selftest {
namespace {

template <typename Function>
void find(void* handle, const std::string& path, const char* name, Function& function) {
  void* const symbol = dlsym(handle, name);
  if (symbol == nullptr) throw Failure(path + " has no " + name);
  function = reinterpret_cast<Function>(symbol);
}

}  // namespace

Library::Library(const std::string& file) : path(file) {
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw Failure(std::string("cannot load the library: ") + dlerror());
  find(handle, path, "nce_abi_version", abi_version);
  if (abi_version() != NCE_ABI_VERSION) {
    throw Failure(path + " has interface version " + std::to_string(abi_version()) + ", not " +
                  std::to_string(NCE_ABI_VERSION));
  }
  find(handle, path, "nce_version", version);
  find(handle, path, "nce_status_string", status_string);
  find(handle, path, "nce_last_error", last_error);
  find(handle, path, "nce_device_count", device_count);
  find(handle, path, "nce_context_create", context_create);
  find(handle, path, "nce_context_info", context_info);
  find(handle, path, "nce_context_destroy", context_destroy);
  find(handle, path, "nce_plan_supported", plan_supported);
  find(handle, path, "nce_plan_create", plan_create);
  find(handle, path, "nce_plan_destroy", plan_destroy);
  find(handle, path, "nce_plan_workspace_bytes", plan_workspace_bytes);
  find(handle, path, "nce_forward", forward);
  find(handle, path, "nce_backward", backward);
  find(handle, path, "nce_forward_backward", forward_backward);
  find(handle, path, "nce_workspace_status", workspace_status);
  find(handle, path, "nce_memory_allocate", memory_allocate);
  find(handle, path, "nce_memory_free", memory_free);
  find(handle, path, "nce_memory_copy", memory_copy);
  find(handle, path, "nce_stream_create", stream_create);
  find(handle, path, "nce_stream_synchronize", stream_synchronize);
  find(handle, path, "nce_stream_destroy", stream_destroy);
}

void Library::check(nce_status status, const char* what) const {
  if (status == NCE_STATUS_OK) return;
  throw Failure(std::string(what) + ": " + status_string(status) + ": " + last_error());
}

Device::Device(const Library& library, nce_backend backend, int32_t index, int32_t max_compute_capability,
               int32_t threads, int32_t max_isa)
    : library_(library), backend_(backend), index_(index) {
  nce_context_desc desc{};
  desc.struct_size = sizeof desc;
  desc.backend = backend;
  desc.device_index = index;
  desc.threads = threads;
  desc.max_isa = max_isa;
  desc.max_compute_capability = max_compute_capability;
  library.check(library.context_create(&desc, &context_), "nce_context_create");
  nce_device_info info{};
  info.struct_size = sizeof info;
  const nce_status status = library.context_info(context_, &info);
  if (status != NCE_STATUS_OK) {
    library.context_destroy(context_);
    library.check(status, "nce_context_info");
  }
  name_ = info.device_name;
  compute_capability_ = info.compute_capability;
  threads_ = info.threads;
  isa_ = info.isa;
}

Device::~Device() { library_.context_destroy(context_); }

Plan::Plan(const Device& device, const nce_plan_desc& desc) : library_(device.library()) {
  library_.check(library_.plan_create(device.context(), &desc, &plan_), "nce_plan_create");
}

Plan::~Plan() { library_.plan_destroy(plan_); }

int64_t Plan::workspace_bytes(nce_pass pass) const {
  int64_t bytes = 0;
  library_.check(library_.plan_workspace_bytes(plan_, pass, &bytes), "nce_plan_workspace_bytes");
  return bytes;
}

Stream::Stream(const Device& device) : device_(device) {
  if (device.backend() == NCE_BACKEND_CPU) return;
  device.library().check(device.library().stream_create(device.context(), &stream_), "nce_stream_create");
}

Stream::~Stream() {
  if (stream_ != nullptr) device_.library().stream_destroy(device_.context(), stream_);
}

void Stream::synchronize() const {
  device_.library().check(device_.library().stream_synchronize(device_.context(), stream_), "nce_stream_synchronize");
}

}  // namespace nce::selftest
