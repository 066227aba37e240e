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
#define NCE_FIND(name) find(handle, path, "nce_" #name, name);
  NCE_LIBRARY_FUNCTIONS(NCE_FIND)
#undef NCE_FIND
}

void Library::check(nce_status status, const char* what) const {
  if (status == NCE_STATUS_OK) return;
  throw Failure(std::string(what) + ": " + status_string(status) + ": " + last_error());
}

Device::Device(const Library& library, const nce_context_desc& desc) : library_(library), desc_(desc) {
  library.check(library.context_create(&desc_, &context_), "nce_context_create");
  info_.struct_size = sizeof info_;
  const nce_status status = library.context_info(context_, &info_);
  if (status != NCE_STATUS_OK) {
    library.context_destroy(context_);
    library.check(status, "nce_context_info");
  }
  name_ = info_.device_name;
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
