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

// AddressSanitizer looks at memory rather than digits, and multiplies the time: so instruction sets share the cases,
// and leave a quarter of them to the other runs.
#if defined(__SANITIZE_ADDRESS__)
constexpr int kFirst = 1, kSecond = 2, kThird = 0;
#else
constexpr int kFirst = -1, kSecond = -1, kThird = -1;
#endif

constexpr TestDevice kDevices[] = {
#if defined(__x86_64__)
    {.name = "Portable", .desc = cpu(NCE_ISA_PORTABLE), .quarter = kFirst},
    {.name = "Avx2", .desc = cpu(NCE_ISA_AVX2), .quarter = kSecond},
    {.name = "Avx512", .desc = cpu(NCE_ISA_AVX512), .quarter = kThird},
#else
    {.name = "Neon", .desc = cpu(NCE_ISA_PORTABLE)},
#endif
};

}  // namespace

std::span<const TestDevice> test_devices() { return kDevices; }
void set_machine(const TestDevice*) {}

OtherOrder::OtherOrder() = default;
OtherOrder::~OtherOrder() = default;

}  // namespace nce::test
