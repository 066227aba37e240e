// How many kernels a call of a dense plan enqueues and how much memory it wants, for sizes that nothing here could run.

#include <algorithm>
#include <cstdint>
#include <memory>

#include "api/backend.h"
#include "cuda/dense/dense_plan.h"
#include "cuda/dense/methods.h"
#include "device/device_test.h"
#include "emulation/control.h"
#include "loss/problem.h"

namespace nce::test {
namespace {

constexpr int32_t kCapabilities[] = {75, 80, 86, 89, 90, 100, 120};

class Counting {
 public:
  Counting() {
    emulation::options().running = false;
    emulation::reset_counters();
  }
  ~Counting() { emulation::options().running = emulation::Options{}.running; }
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;

  static int64_t launches() {
    int64_t sum = 0;
    for (const auto& [kernel, counters] : emulation::counters()) sum += counters.launches;
    return sum;
  }
};

struct Shape {
  Kind kind;
  int64_t n, m, dim;
  nce_similarity similarity = NCE_SIMILARITY_COSINE;
  nce_dtype dtype = NCE_DTYPE_FLOAT32;
  nce_precision precision = NCE_PRECISION_PRECISE;
  bool metrics = false;
};

nce_plan_desc describe(const Shape& shape) {
  Problem problem = empty_problem_of({.kind = shape.kind,
                                      .measure = shape.similarity,
                                      .dtype = shape.dtype,
                                      .size = {shape.n, shape.m, shape.dim},
                                      .tau = 0.1});
  problem.desc.precision = shape.precision;
  problem.desc.metrics = shape.metrics ? 1 : 0;
  return problem.desc;
}

std::unique_ptr<nce::Plan> plan_of(const Shape& shape, int32_t capability) {
  return cuda::make_dense_plan(loss::Problem(describe(shape)), 0, cuda::dense::architecture_for(capability));
}

int64_t bytes_of(Shape shape, int32_t capability, nce_precision precision) {
  shape.precision = precision;
  return plan_of(shape, capability)->workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
}

/// Of one call that wants the loss, its metrics and every gradient. No address is read, nor written to.
int64_t launches_of(const Shape& shape, int32_t capability) {
  auto nowhere = [next = uintptr_t{1} << 44]() mutable {
    next += uintptr_t{1} << 40;
    return reinterpret_cast<void*>(next);
  };
  const nce_plan_desc desc = describe(shape);
  nce_inputs in{};
  in.struct_size = sizeof in;
  in.queries = nowhere();
  in.keys = nowhere();
  in.queries_stride = in.keys_stride = in.negatives_stride = shape.dim;
  in.temperature = static_cast<double*>(nowhere());
  nce_outputs out{};
  out.struct_size = sizeof out;
  out.loss = static_cast<double*>(nowhere());
  out.d_queries = nowhere();
  out.d_keys = nowhere();
  out.d_queries_stride = out.d_keys_stride = out.d_negatives_stride = shape.dim;
  out.d_temperature = static_cast<double*>(nowhere());
  if (desc.negatives == NCE_NEGATIVES_SHARED || desc.own_negatives > 0) {
    in.negatives = nowhere();
    out.d_negatives = nowhere();
  }
  if (shape.metrics) out.metrics = static_cast<nce_metrics*>(nowhere());
  const std::unique_ptr<nce::Plan> plan = plan_of(shape, capability);
  const Workspace workspace{static_cast<std::byte*>(nowhere()), plan->workspace_bytes(NCE_PASS_FORWARD_BACKWARD)};
  const Counting counting;
  plan->forward_backward(in, out, workspace, nullptr);
  return Counting::launches();
}

/// A device that is open.
class CudaLaunches : public testing::Test {
 private:
  const selftest::Device device_{selftest::linked_library(), nce_context_desc{.struct_size = sizeof(nce_context_desc),
                                                                              .backend = NCE_BACKEND_EMULATED,
                                                                              .device_index = 0,
                                                                              .threads = 0,
                                                                              .max_isa = NCE_ISA_BEST,
                                                                              .max_compute_capability = 90}};
};

constexpr int64_t kMostWithBlocks = 105;

constexpr Kind kKinds[] = {oracle::kInfoNce, oracle::kSymmetric, oracle::kNtXent, oracle::kShared, oracle::kNtLogistic};

TEST_F(CudaLaunches, OfACallAreFewWhateverItsSize) {
  int64_t most = 0;
  for (const int32_t capability : kCapabilities) {
    for (const Kind& kind : kKinds) {
      for (const int64_t dim : {5, 64, 128, 256, 257, 768, 1024}) {
        for (const int64_t n : {int64_t{2}, int64_t{100}, int64_t{4096}, int64_t{65536}, int64_t{1} << 20}) {
          for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_BFLOAT16, NCE_DTYPE_FLOAT64}) {
            for (const nce_precision precision : {NCE_PRECISION_PRECISE, NCE_PRECISION_FAST}) {
              const Shape shape{.kind = kind,
                                .n = n,
                                .m = n,
                                .dim = dim,
                                .similarity = dtype == NCE_DTYPE_FLOAT64 ? NCE_SIMILARITY_NEG_EUCLIDEAN
                                              : n % 3 == 1               ? NCE_SIMILARITY_DOT
                                                                         : NCE_SIMILARITY_COSINE,
                                .dtype = dtype,
                                .precision = precision,
                                .metrics = n % 3 == 2};
              const int64_t launches = launches_of(shape, capability);
              most = std::max(most, launches);
              ASSERT_GT(launches, 5);
              ASSERT_LE(launches, dim <= 256 ? 60 : 200)
                  << describe(shape).loss << ", " << n << " x " << dim << ", capability " << capability;
            }
          }
        }
      }
    }
  }
  RecordProperty("most", std::to_string(most));
  std::printf("at most %lld launches\n", static_cast<long long>(most));
}

/// Three blocks and own negatives, with limits of rows and of columns apart.
TEST_F(CudaLaunches, OfBlocksAndOwnNegativesAreFew) {
  Kind kind = oracle::kOwnTooBlocks;
  kind.threshold = NCE_THRESHOLD_ABSOLUTE;
  int64_t most = 0;
  for (const int32_t capability : kCapabilities) {
    for (const int64_t dim : {64, 256, 768}) {
      for (const int64_t n : {int64_t{100}, int64_t{4096}, int64_t{65536}}) {
        const int64_t launches = launches_of({.kind = kind, .n = n, .m = n, .dim = dim, .metrics = true}, capability);
        most = std::max(most, launches);
        ASSERT_LE(launches, kMostWithBlocks) << n << " x " << dim << ", capability " << capability;
      }
    }
  }
  std::printf("at most %lld launches with blocks\n", static_cast<long long>(most));
}

/// They were 90, 930 and 14370 of 4096, 16384 and 65536 rows, while blocks of G were of one size.
TEST_F(CudaLaunches, DontGrowWithTheRows) {
  const auto launches = [](int64_t n) {
    return launches_of({.kind = oracle::kSymmetric, .n = n, .m = n, .dim = 256}, 90);
  };
  for (const int64_t n : {4096, 16384, 65536, 1 << 20}) EXPECT_LE(launches(n), 52) << n;
}

/// What PRECISE takes more than FAST: a second plane. Where tensor products of planes are no faster than floats, four
/// bytes for two and the scratch of blocks that have no tensor cores; there a million rows' sums in groups are as large
/// as FAST's planes, but no larger than FAST's sums.
double most_bytes(double fast, int64_t n, int32_t capability) {
  constexpr double kMost = 1.3;
  if (cuda::dense::architecture_for(capability).split_is_faster) return kMost * fast;
  constexpr double kScratch = static_cast<double>(int64_t{48} << 20);
  return (n > 65536 ? 1.42 : kMost) * fast + kScratch;
}

TEST_F(CudaLaunches, APrecisePlanHasLittleMoreMemoryThanAFastOne) {
  for (const int32_t capability : {80, 86, 89, 90, 100, 120}) {
    for (const Kind& kind : kKinds) {
      for (const int64_t dim : {64, 128, 256, 384, 512, 768, 1024}) {
        for (const int64_t n : {1000, 4096, 10000, 65536, 1 << 20}) {
          for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16}) {
            const Shape shape{.kind = kind, .n = n, .m = n, .dim = dim, .dtype = dtype};
            const auto fast = static_cast<double>(bytes_of(shape, capability, NCE_PRECISION_FAST));
            const auto precise = static_cast<double>(bytes_of(shape, capability, NCE_PRECISION_PRECISE));
            EXPECT_LE(precise, most_bytes(fast, n, capability))
                << precise / fast << " of loss " << describe(shape).loss << ", " << n << " x " << dim << ", dtype "
                << dtype << ", capability " << capability;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace nce::test
