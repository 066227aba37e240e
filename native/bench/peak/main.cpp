// infonce_peak THREADS: what so many threads reach together in wall-clock time, as JSON: fused multiply-adds, and
// float32 products of tiles alone.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "cpu/processor.h"
#include "fma_peak.h"
#include "plain_product.h"

namespace {

constexpr int64_t kProductDim = 256;

const char* name(nce_isa isa) { return isa == NCE_ISA_AVX512 ? "AVX-512" : isa == NCE_ISA_AVX2 ? "AVX2" : ""; }

}  // namespace

int main(int count, char** arguments) {
  const int threads = count == 2 ? std::atoi(arguments[1]) : 0;
  if (threads < 1 || threads > 1024) {
    std::fputs("usage: infonce_peak THREADS, 1 to 1024\n", stderr);
    return 2;
  }
  const nce_isa isa = nce::cpu::choose_isa(NCE_ISA_BEST);
  std::printf("{\"isa\": \"%s\", \"threads\": %d, \"float32\": %.1f, \"float64\": %.1f, \"product\": %.1f}\n",
              name(isa), threads, nce::bench::fma_peak_of_threads(isa, true, threads),
              nce::bench::fma_peak_of_threads(isa, false, threads),
              nce::bench::plain_product_of_threads(isa, true, kProductDim, threads));
  return 0;
}
