#include "plain_product.h"

#include <algorithm>
#include <ctime>
#include <vector>

#include "plain_product_kernels.h"
#include "together.h"

namespace nce::bench {
namespace {

constexpr int64_t kPanelBytes = int64_t{384} << 10;
constexpr double kOperations = 4e9;
constexpr int kRuns = 3;
constexpr int64_t kGap = 4096;  // elements, so that what a thread fetches ahead is not what another writes

template <typename Real>
class Panels {
 public:
  Panels(const ProductKernel<Real>& kernel, int64_t dim)
      : kernel_(kernel),
        dim_(dim),
        count_(std::max<int64_t>(2, kPanelBytes / (kernel.width * dim * static_cast<int64_t>(sizeof(Real))) / 2)),
        x_(static_cast<size_t>(count_ * kernel.width * dim + 64), Real{1}),
        y_(x_),
        tile_(static_cast<size_t>(kernel.width * kernel.width + 64 + kGap)),
        passes_(std::max<int64_t>(1, static_cast<int64_t>(kOperations / operations_of_pass()))) {}

  double operations() const { return operations_of_pass() * static_cast<double>(passes_); }

  void multiply() {
    for (int64_t i = 0; i < passes_; ++i) kernel_.multiply(aligned(y_), aligned(x_), count_, dim_, aligned(tile_));
  }

 private:
  double operations_of_pass() const {
    return 2.0 * static_cast<double>(count_ * count_ * kernel_.width * kernel_.width * dim_);
  }

  static Real* aligned(std::vector<Real>& memory) {
    const auto address = reinterpret_cast<uintptr_t>(memory.data());
    return memory.data() + ((64 - address % 64) % 64) / sizeof(Real);
  }

  ProductKernel<Real> kernel_;
  int64_t dim_;
  int64_t count_;
  std::vector<Real> x_;
  std::vector<Real> y_;
  std::vector<Real> tile_;
  int64_t passes_;
};

template <typename Real>
double best_rate(const ProductKernel<Real>& kernel, int64_t dim) {
  if (kernel.multiply == nullptr) return 0.0;
  Panels<Real> panels(kernel, dim);
  double best = 0.0;
  for (int run = 0; run < kRuns; ++run) {
    const std::clock_t start = std::clock();
    panels.multiply();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    best = std::max(best, panels.operations() / seconds * 1e-9);
  }
  return best;
}

template <typename Real>
double best_rate_of_threads(const ProductKernel<Real>& kernel, int64_t dim, int threads) {
  if (kernel.multiply == nullptr) return 0.0;
  std::vector<Panels<Real>> panels(static_cast<size_t>(threads), Panels<Real>(kernel, dim));
  double best = 0.0;
  for (int run = 0; run < kRuns; ++run) {
    const double seconds = seconds_together(threads, [&](int i) { panels[static_cast<size_t>(i)].multiply(); });
    best = std::max(best, panels.front().operations() * threads / seconds * 1e-9);
  }
  return best;
}

}  // namespace

double plain_product(nce_isa isa, bool single, int64_t dim) {
  return single ? best_rate<float>(product_kernel_single(isa), dim)
                : best_rate<double>(product_kernel_double(isa), dim);
}

double plain_product_of_threads(nce_isa isa, bool single, int64_t dim, int threads) {
  return single ? best_rate_of_threads<float>(product_kernel_single(isa), dim, threads)
                : best_rate_of_threads<double>(product_kernel_double(isa), dim, threads);
}

}  // namespace nce::bench
