#include "plain_product.h"

#include <algorithm>
#include <ctime>
#include <vector>

#include "plain_product_kernels.h"

namespace nce::bench {
namespace {

constexpr int64_t kPanelBytes = int64_t{384} << 10;
constexpr double kOperations = 4e9;
constexpr int kRuns = 3;

template <typename Real>
double best_rate(const ProductKernel<Real>& kernel, int64_t dim) {
  if (kernel.multiply == nullptr) return 0.0;
  const int64_t panel = kernel.width * dim;
  const int64_t count = std::max<int64_t>(2, kPanelBytes / (panel * static_cast<int64_t>(sizeof(Real))) / 2);
  std::vector<Real> x(static_cast<size_t>(count * panel + 64), Real{1});
  std::vector<Real> y(x);
  std::vector<Real> tile(static_cast<size_t>(kernel.width * kernel.width + 64));
  const auto aligned = [](std::vector<Real>& memory) {
    const auto address = reinterpret_cast<uintptr_t>(memory.data());
    return memory.data() + ((64 - address % 64) % 64) / sizeof(Real);
  };
  const double pass = 2.0 * static_cast<double>(count * count * panel * kernel.width);
  const int64_t passes = std::max<int64_t>(1, static_cast<int64_t>(kOperations / pass));
  double best = 0.0;
  for (int run = 0; run < kRuns; ++run) {
    const std::clock_t start = std::clock();
    for (int64_t i = 0; i < passes; ++i) kernel.multiply(aligned(y), aligned(x), count, dim, aligned(tile));
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    best = std::max(best, pass * static_cast<double>(passes) / seconds * 1e-9);
  }
  return best;
}

}  // namespace

double plain_product(nce_isa isa, bool single, int64_t dim) {
  return single ? best_rate<float>(product_kernel_single(isa), dim)
                : best_rate<double>(product_kernel_double(isa), dim);
}

}  // namespace nce::bench
