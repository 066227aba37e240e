#include "cpu/processor.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>

namespace nce::cpu {
namespace {

nce_isa best_isa() {
#if defined(__x86_64__)
  // These ask cpuid and, through xgetbv, whether the operating system saves the registers.
#if !defined(NCE_WITHOUT_AVX512)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma")) {
    return NCE_ISA_AVX512;
  }
#endif
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return NCE_ISA_AVX2;
#endif
  return NCE_ISA_PORTABLE;
}

/// From the C library, or where it does not know (as on AArch64) from the kernel; 0 if neither tells.
int64_t told_second_level_cache_bytes() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes > 0) return bytes;
#endif
  std::FILE* const file = std::fopen("/sys/devices/system/cpu/cpu0/cache/index2/size", "r");
  if (file == nullptr) return 0;
  long kibibytes = 0;
  const bool read = std::fscanf(file, "%ldK", &kibibytes) == 1;
  std::fclose(file);
  return read ? int64_t{kibibytes} << 10 : 0;
}

}  // namespace

nce_isa choose_isa(nce_isa cap) {
  const nce_isa best = best_isa();
  return cap == NCE_ISA_BEST ? best : std::min(best, cap);
}

std::vector<nce_isa> available_isas() {
  std::vector<nce_isa> isas;
  for (const nce_isa isa : {NCE_ISA_PORTABLE, NCE_ISA_AVX2, NCE_ISA_AVX512}) {
    if (choose_isa(isa) == isa) isas.push_back(isa);
  }
  return isas;
}

bool multiplies_bfloat16() {
#if defined(__x86_64__) && !defined(NCE_WITHOUT_AVX512)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

int64_t second_level_cache_bytes() {
  constexpr int64_t kUsual = int64_t{1} << 20;
  static const int64_t told = told_second_level_cache_bytes();
  return told > 0 ? told : kUsual;
}

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

}  // namespace nce::cpu
