#include "selftest/driver.h"

#include <dlfcn.h>

#include "selftest/library.h"

namespace nce::selftest {
namespace {

using Handle = void*;

// Numbers of cuda.h and nvml.h, which are part of their binary interfaces.
constexpr int kNoDevice = 100;
constexpr int kMultiprocessors = 16, kL2Bytes = 38, kMajor = 75, kMinor = 76;
constexpr int kCaptureGlobal = 0;  // no thread may make an unsafe call
constexpr unsigned kClockMultiprocessor = 1, kClockMemory = 2, kTemperatureGpu = 0;
constexpr unsigned long long kIdle = 1, kApplicationClocks = 2, kSoftwarePower = 4, kHardware = 8, kSync = 16,
                             kSoftwareThermal = 32, kHardwareThermal = 64, kHardwarePower = 128;

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

/// The parts of NVML that are there; nothing of it is necessary.
void add_management_facts(const char* bus_id, GpuFacts& facts) {
  void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return;
  int (*initialise)() = nullptr;
  int (*handle_of)(const char*, Handle*) = nullptr;
  int (*driver_version)(char*, unsigned) = nullptr;
  int (*clock)(Handle, unsigned, unsigned*) = nullptr;
  int (*clock_limit)(Handle, unsigned, unsigned*) = nullptr;
  int (*temperature)(Handle, unsigned, unsigned*) = nullptr;
  int (*power)(Handle, unsigned*) = nullptr;
  int (*power_limit)(Handle, unsigned*) = nullptr;
  int (*reasons)(Handle, unsigned long long*) = nullptr;
  Handle device = nullptr;
  if (!find(library, "nvmlInit_v2", initialise) || initialise() != 0) return;
  char text[96] = "";
  if (find(library, "nvmlSystemGetDriverVersion", driver_version) && driver_version(text, sizeof text) == 0) {
    facts.driver = text;
  }
  if (!find(library, "nvmlDeviceGetHandleByPciBusId_v2", handle_of) || handle_of(bus_id, &device) != 0) {
    return;
  }
  unsigned value = 0;
  if (find(library, "nvmlDeviceGetClockInfo", clock)) {
    if (clock(device, kClockMultiprocessor, &value) == 0) facts.clock_mhz = static_cast<int32_t>(value);
    if (clock(device, kClockMemory, &value) == 0) facts.memory_clock_mhz = static_cast<int32_t>(value);
  }
  if (find(library, "nvmlDeviceGetMaxClockInfo", clock_limit) &&
      clock_limit(device, kClockMultiprocessor, &value) == 0) {
    facts.clock_limit_mhz = static_cast<int32_t>(value);
  }
  if (find(library, "nvmlDeviceGetTemperature", temperature) && temperature(device, kTemperatureGpu, &value) == 0) {
    facts.temperature_celsius = static_cast<int32_t>(value);
  }
  if (find(library, "nvmlDeviceGetPowerUsage", power) && power(device, &value) == 0) {
    facts.power_watts = static_cast<int32_t>(value / 1000);
  }
  if (find(library, "nvmlDeviceGetEnforcedPowerLimit", power_limit) && power_limit(device, &value) == 0) {
    facts.power_limit_watts = static_cast<int32_t>(value / 1000);
  }
  unsigned long long bits = 0;
  if (find(library, "nvmlDeviceGetCurrentClocksThrottleReasons", reasons) && reasons(device, &bits) == 0) {
    facts.throttled = (bits & (kHardware | kHardwareThermal | kSoftwareThermal)) != 0 ? "by heat or hardware"
                      : (bits & (kSoftwarePower | kHardwarePower)) != 0               ? "by power"
                      : (bits & (kApplicationClocks | kSync)) != 0                    ? "by settings"
                      : (bits & kIdle) != 0                                           ? "idle"
                                                                                      : "no";
  }
}

}  // namespace

struct Driver::Functions {
  int (*initialise)(unsigned);
  int (*error_name)(int, const char**);
  int (*driver_version)(int*);
  int (*device_count)(int*);
  int (*device_get)(int*, int);
  int (*device_name)(char*, int, int);
  int (*device_attribute)(int*, int, int);
  int (*bus_id)(char*, int, int);
  int (*device_memory)(std::size_t*, int);
  int (*retain)(Handle*, int);
  int (*release)(int);
  int (*set_current)(Handle);
  int (*memory_info)(std::size_t*, std::size_t*);
  int (*begin_capture)(Handle, int);
  int (*end_capture)(Handle, Handle*);
  int (*instantiate)(Handle*, Handle, unsigned long long);
  int (*graph_launch)(Handle, Handle);
  int (*graph_destroy)(Handle);
  int (*executable_destroy)(Handle);
};

Driver::Driver(int32_t device_index) : f_(std::make_unique<Functions>()) {
  void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Failure("no CUDA driver: libcuda.so.1 cannot be loaded");
  const bool complete =
      find(library, "cuInit", f_->initialise) && find(library, "cuGetErrorName", f_->error_name) &&
      find(library, "cuDriverGetVersion", f_->driver_version) && find(library, "cuDeviceGetCount", f_->device_count) &&
      find(library, "cuDeviceGet", f_->device_get) && find(library, "cuDeviceGetName", f_->device_name) &&
      find(library, "cuDeviceGetAttribute", f_->device_attribute) && find(library, "cuDeviceGetPCIBusId", f_->bus_id) &&
      find(library, "cuDeviceTotalMem_v2", f_->device_memory) &&
      find(library, "cuDevicePrimaryCtxRetain", f_->retain) &&
      find(library, "cuDevicePrimaryCtxRelease_v2", f_->release) && find(library, "cuCtxSetCurrent", f_->set_current) &&
      find(library, "cuMemGetInfo_v2", f_->memory_info) &&
      find(library, "cuStreamBeginCapture_v2", f_->begin_capture) &&
      find(library, "cuStreamEndCapture", f_->end_capture) &&
      find(library, "cuGraphInstantiateWithFlags", f_->instantiate) &&
      find(library, "cuGraphLaunch", f_->graph_launch) && find(library, "cuGraphDestroy", f_->graph_destroy) &&
      find(library, "cuGraphExecDestroy", f_->executable_destroy);
  if (!complete) throw Failure("the CUDA driver is older than 11.4: libcuda.so.1 lacks a function of that version");
  const int begun = f_->initialise(0);
  if (begun == kNoDevice) throw Failure("the CUDA driver finds no device");
  check(begun, "cuInit");
  int count = 0;
  check(f_->device_count(&count), "cuDeviceGetCount");
  if (device_index < 0 || device_index >= count) {
    throw Failure("no CUDA device " + std::to_string(device_index) + ": the driver finds " + std::to_string(count));
  }
  check(f_->device_get(&device_, device_index), "cuDeviceGet");
  Handle context = nullptr;
  check(f_->retain(&context, device_), "cuDevicePrimaryCtxRetain");
  check(f_->set_current(context), "cuCtxSetCurrent");
}

Driver::~Driver() { f_->release(device_); }

void Driver::check(int code, const char* what) const {
  if (code == 0) return;
  const char* name = nullptr;
  if (f_->error_name(code, &name) != 0 || name == nullptr) name = "unknown error";
  throw Failure(std::string(what) + ": " + name);
}

GpuFacts Driver::facts() const {
  GpuFacts facts;
  char name[256] = "";
  check(f_->device_name(name, sizeof name, device_), "cuDeviceGetName");
  facts.name = name;
  check(f_->driver_version(&facts.cuda_version), "cuDriverGetVersion");
  const auto attribute = [&](int which) {
    int value = 0;
    check(f_->device_attribute(&value, which, device_), "cuDeviceGetAttribute");
    return value;
  };
  facts.compute_capability = 10 * attribute(kMajor) + attribute(kMinor);
  facts.multiprocessors = attribute(kMultiprocessors);
  facts.l2_bytes = attribute(kL2Bytes);
  std::size_t bytes = 0;
  check(f_->device_memory(&bytes, device_), "cuDeviceTotalMem");
  facts.memory_bytes = static_cast<int64_t>(bytes);
  // Its place on the bus, since the environment may renumber devices for CUDA but not for its management.
  char bus_id[32] = "";
  check(f_->bus_id(bus_id, sizeof bus_id, device_), "cuDeviceGetPCIBusId");
  add_management_facts(bus_id, facts);
  return facts;
}

int64_t Driver::free_bytes() const {
  std::size_t free = 0, total = 0;
  check(f_->memory_info(&free, &total), "cuMemGetInfo");
  return static_cast<int64_t>(free);
}

void Driver::begin_capture(void* stream) const {
  check(f_->begin_capture(stream, kCaptureGlobal), "cuStreamBeginCapture");
}

void* Driver::end_capture(void* stream) const {
  Handle graph = nullptr;
  check(f_->end_capture(stream, &graph), "cuStreamEndCapture");
  Handle executable = nullptr;
  const int code = f_->instantiate(&executable, graph, 0);
  f_->graph_destroy(graph);
  check(code, "cuGraphInstantiate");
  return executable;
}

void Driver::launch(void* graph, void* stream) const { check(f_->graph_launch(graph, stream), "cuGraphLaunch"); }

void Driver::destroy(void* graph) const { check(f_->executable_destroy(graph), "cuGraphExecDestroy"); }

}  // namespace nce::selftest
