// The CPU's instruction sets, for tests of devices.

#include "device/device_test.h"

namespace nce::test {
namespace {

constexpr nce_context_desc cpu(nce_isa isa) {
  return {.struct_size = sizeof(nce_context_desc),
          .backend = NCE_BACKEND_CPU,
          .device_index = 0,
          .threads = 1,
          .max_isa = isa,
          .max_compute_capability = 0};
}

constexpr TestDevice kDevices[] = {
#if defined(__x86_64__)
    {"Portable", cpu(NCE_ISA_PORTABLE)},
    {"Avx2", cpu(NCE_ISA_AVX2)},
    {"Avx512", cpu(NCE_ISA_AVX512)},
#else
    {"Neon", cpu(NCE_ISA_PORTABLE)},
#endif
};

}  // namespace

std::span<const TestDevice> test_devices() { return kDevices; }
void set_machine(const TestDevice*) {}

OtherOrder::OtherOrder() = default;
OtherOrder::~OtherOrder() = default;

}  // namespace nce::test
