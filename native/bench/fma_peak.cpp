#include "fma_peak.h"

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "together.h"

namespace nce::bench {
namespace {

constexpr int64_t kSteps = 20'000'000;
constexpr int kChains = 12;  // enough for two units of latency 4 to 5
constexpr int kRuns = 3;

template <typename Body>
double best_rate(double lanes, const Body& body) {
  double best = 0.0;
  for (int run = 0; run < kRuns; ++run) {
    const std::clock_t start = std::clock();
    body();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    best = std::max(best, 2.0 * lanes * kChains * static_cast<double>(kSteps) / seconds * 1e-9);
  }
  return best;
}

// Assembly, so that no compiler shortens the chains. The registers' values do not matter, but denormals would.
#define NCE_TWELVE(OP, R)                                                                                          \
  OP " %%" R "13, %%" R "14, %%" R "0\n" OP " %%" R "13, %%" R "14, %%" R "1\n" OP " %%" R "13, %%" R "14, %%" R   \
     "2\n" OP " %%" R "13, %%" R "14, %%" R "3\n" OP " %%" R "13, %%" R "14, %%" R "4\n" OP " %%" R "13, %%" R     \
     "14, %%" R "5\n" OP " %%" R "13, %%" R "14, %%" R "6\n" OP " %%" R "13, %%" R "14, %%" R "7\n" OP " %%" R     \
     "13, %%" R "14, %%" R "8\n" OP " %%" R "13, %%" R "14, %%" R "9\n" OP " %%" R "13, %%" R "14, %%" R "10\n" OP \
     " %%" R "13, %%" R "14, %%" R "11\n"

#if defined(__x86_64__)
#define NCE_CHAIN(OP, R) \
  int64_t left = kSteps; \
  asm volatile(                                                                                                     \
      "vpxor %%xmm13, %%xmm13, %%xmm13\n"                                                                           \
      "vpxor %%xmm14, %%xmm14, %%xmm14\n"                                                                           \
      "1:\n" NCE_TWELVE(OP, R) "dec %0\n"                                                                           \
                               "jnz 1b\n"                                                                           \
                               "vzeroupper\n"                                                                       \
      : "+r"(left)                                                                                                  \
      :                                                                                                             \
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm13", \
        "xmm14", "cc")

void chain_avx2_single() { NCE_CHAIN("vfmadd231ps", "ymm"); }
void chain_avx2_double() { NCE_CHAIN("vfmadd231pd", "ymm"); }
void chain_avx512_single() { NCE_CHAIN("vfmadd231ps", "zmm"); }
void chain_avx512_double() { NCE_CHAIN("vfmadd231pd", "zmm"); }
#endif

struct Chain {
  double lanes = 0.0;
  void (*run)() = nullptr;
};

Chain chain_of(nce_isa isa, bool single) {
#if defined(__x86_64__)
  if (isa == NCE_ISA_AVX512) return single ? Chain{16, chain_avx512_single} : Chain{8, chain_avx512_double};
  if (isa == NCE_ISA_AVX2) return single ? Chain{8, chain_avx2_single} : Chain{4, chain_avx2_double};
#endif
  (void)isa;
  (void)single;
  return {};
}

}  // namespace

double fma_peak(nce_isa isa, bool single) {
  const Chain chain = chain_of(isa, single);
  return chain.run == nullptr ? 0.0 : best_rate(chain.lanes, chain.run);
}

double fma_peak_of_threads(nce_isa isa, bool single, int threads) {
  const Chain chain = chain_of(isa, single);
  if (chain.run == nullptr) return 0.0;
  double best = 0.0;
  for (int run = 0; run < kRuns; ++run) {
    const double seconds = seconds_together(threads, [&](int) { chain.run(); });
    best = std::max(best, 2.0 * chain.lanes * kChains * static_cast<double>(kSteps) * threads / seconds * 1e-9);
  }
  return best;
}

}  // namespace nce::bench
