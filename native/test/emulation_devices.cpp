// The emulated GPUs, for tests of devices.

#include "device/device_test.h"
#include "emulation/control.h"

namespace nce::test {
namespace {

constexpr nce_context_desc emulated(int32_t capability) {
  return {.struct_size = sizeof(nce_context_desc),
          .backend = NCE_BACKEND_EMULATED,
          .device_index = 0,
          .threads = 0,
          .max_isa = NCE_ISA_BEST,
          .max_compute_capability = capability};
}

/// Without tensor cores; with the fastest for float32; with slow ones for float32; with more shared memory; with more
/// multiprocessors, for which work is cut otherwise.
constexpr TestDevice kDevices[] = {{.name = "Sm75", .desc = emulated(75), .sampled = true},
                                   {.name = "Sm80", .desc = emulated(80)},
                                   {.name = "Sm86", .desc = emulated(86), .sampled = true},
                                   {.name = "Sm90", .desc = emulated(90), .sampled = true},
                                   {.name = "Sm120", .desc = emulated(120), .sampled = true}};

}  // namespace

std::span<const TestDevice> test_devices() { return kDevices; }
void set_machine(const TestDevice* device) {
  emulation::options().compute_capability =
      device != nullptr ? device->desc.max_compute_capability : emulation::Options{}.compute_capability;
}

OtherOrder::OtherOrder() : before_(emulation::options().seed) { emulation::options().seed += 5; }
OtherOrder::~OtherOrder() { emulation::options().seed = before_; }

}  // namespace nce::test
