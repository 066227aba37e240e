// The benchmark's baseline against the definition, and its bookkeeping.

#include "bench/cuda/baseline.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <tuple>

#include "bench/cuda/rows.h"
#include "bench/cuda/spread.h"
#include "cuda/launch.h"
#include "oracle/compare.h"

namespace nce::bench {
namespace {

/// Memory of the emulated device, which the host may touch.
class Memory {
 public:
  explicit Memory(int64_t bytes) { cuda::check(cudaMalloc(&memory_, static_cast<std::size_t>(bytes)), "cudaMalloc"); }
  ~Memory() { cudaFree(memory_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* data() const { return memory_; }

 private:
  void* memory_ = nullptr;
};

class PlainGemm : public Gemm {
 public:
  void multiply(const Product& p, Element, cudaStream_t stream) override {
    // As a kernel's writes, so that the emulator knows them as written.
    std::vector<float> c(static_cast<std::size_t>((p.rows - 1) * p.c_pitch + p.columns), 0.0F);
    const int64_t bytes = static_cast<int64_t>(c.size() * sizeof(float));
    if (p.beta != 0.0F || p.c_pitch != p.columns) copy(c.data(), p.c, bytes, stream);
    const auto a = values(p.a, p.a_transposed ? p.depth : p.rows, p.a_pitch, p.a_transposed ? p.rows : p.depth, stream);
    const auto b =
        values(p.b, p.b_transposed ? p.columns : p.depth, p.b_pitch, p.b_transposed ? p.depth : p.columns, stream);
    for (int64_t i = 0; i < p.rows; ++i) {
      for (int64_t j = 0; j < p.columns; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < p.depth; ++k) {
          const int64_t at_a = p.a_transposed ? k * p.rows + i : i * p.depth + k;
          const int64_t at_b = p.b_transposed ? j * p.depth + k : k * p.columns + j;
          sum += static_cast<double>(a.data()[at_a]) * static_cast<double>(b.data()[at_b]);
        }
        float& out = c.data()[i * p.c_pitch + j];
        out = static_cast<float>(sum) + (p.beta != 0.0F ? p.beta * out : 0.0F);
      }
    }
    copy(p.c, c.data(), bytes, stream);
  }

 private:
  static void copy(void* to, const void* from, int64_t bytes, cudaStream_t stream) {
    cuda::check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDefault, stream),
                "cudaMemcpyAsync");
  }

  static std::vector<float> values(const void* matrix, int64_t rows, int64_t pitch, int64_t columns,
                                   cudaStream_t stream) {
    std::vector<float> result;
    std::vector<float> row(static_cast<std::size_t>(columns));
    for (int64_t i = 0; i < rows; ++i) {
      copy(row.data(), static_cast<const float*>(matrix) + i * pitch, columns * 4, stream);
      result.insert(result.end(), row.begin(), row.end());
    }
    return result;
  }
};

class BaselineAgrees : public testing::TestWithParam<std::tuple<bool, int64_t, double>> {};

TEST_P(BaselineAgrees, WithTheDefinition) {
  const auto [symmetric, block, tau] = GetParam();
  constexpr int64_t kRows = 300, kDim = 40;
  oracle::Problem problem = oracle::problem_of({.kind = symmetric ? oracle::kSymmetric : oracle::kInfoNce,
                                                .size = {kRows, kRows, kDim},
                                                .tau = tau,
                                                .noise = 1.0,
                                                .seed = 5});
  problem.desc.metrics = 0;
  const int64_t bytes = kRows * kDim * int64_t{sizeof(float)};
  const Memory queries(bytes), keys(bytes), d_queries(bytes), d_keys(bytes), loss(sizeof(double));
  const std::vector<float> q(problem.queries.begin(), problem.queries.end());
  const std::vector<float> k(problem.keys.begin(), problem.keys.end());
  const auto copy = [&](void* to, const void* from, int64_t size) {
    cuda::check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(size), cudaMemcpyDefault, nullptr),
                "cudaMemcpyAsync");
  };
  copy(queries.data(), q.data(), bytes);
  copy(keys.data(), k.data(), bytes);
  const Baseline baseline({Element::kFloat32, kRows, kDim, symmetric, tau, block});
  const Memory workspace(baseline.workspace_bytes());
  PlainGemm gemm;
  baseline.forward_backward(
      {queries.data(), keys.data(), static_cast<double*>(loss.data()), d_queries.data(), d_keys.data()},
      workspace.data(), gemm, nullptr);
  oracle::Result result;
  result.loss.resize(1);
  std::vector<float> dq(q.size()), dk(k.size());
  copy(result.loss.data(), loss.data(), sizeof(double));
  copy(dq.data(), d_queries.data(), bytes);
  copy(dk.data(), d_keys.data(), bytes);
  result.d_queries.assign(dq.begin(), dq.end());
  result.d_keys.assign(dk.begin(), dk.end());
  // Similarities are rounded to float, 2^-23, and tau magnifies that; sums are short.
  const double bound = 8 * 0x1p-23 / tau;
  oracle::compare(problem, result, oracle::oracle<double>(problem),
                  {.loss = bound, .loss_floor = bound, .gradient = bound, .temperature = 1e300},
                  [](const char* what, double error, double allowed) { EXPECT_LE(error, allowed) << what; });
}

INSTANTIATE_TEST_SUITE_P(Shapes, BaselineAgrees,
                         testing::Combine(testing::Bool(), testing::Values(int64_t{256}, int64_t{4096}),
                                          testing::Values(0.5, 0.07, 0.01)));

TEST(BenchRows, TheMostTellingComesFirstAndNoneTwice) {
  const std::vector<Row> rows = rows_to_measure();
  EXPECT_EQ(rows.size(), 4U * 5 * 4 * (4 + 2));
  EXPECT_EQ(rows[0].contender, Contender::kFused);
  EXPECT_TRUE(rows[0].symmetric && rows[0].backward);
  EXPECT_EQ(rows[0].n, 16384);
  std::vector<std::tuple<int, int, int64_t, int64_t, bool, bool>> seen;
  for (const Row& r : rows) {
    seen.emplace_back(static_cast<int>(r.contender), static_cast<int>(r.mode), r.n, r.dim, r.symmetric, r.backward);
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

TEST(BenchSpread, InterpolatesBetweenSamples) {
  const Spread spread = spread_of({4, 1, 3, 2});
  EXPECT_DOUBLE_EQ(spread.median, 2.5);
  EXPECT_DOUBLE_EQ(spread.min, 1);
  EXPECT_DOUBLE_EQ(spread.p10, 1.3);
  EXPECT_DOUBLE_EQ(spread.p90, 3.7);
  EXPECT_EQ(spread.samples, 4);
  EXPECT_EQ(spread_of({}).samples, 0);
}

}  // namespace
}  // namespace nce::bench
