#include "device_test.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace nce::test {
namespace {

/// Gradients of 16 bits, or made of products of bfloat16 or of factors of 16 bits.
constexpr double kHalf = 5e-3;

}  // namespace

DeviceTest::DeviceTest() {
  set_machine(&GetParam());
  device_ = std::make_unique<selftest::Device>(selftest::linked_library(), GetParam().desc);
}

void DeviceTest::SetUp() {
  if (device().isa() < GetParam().desc.max_isa) GTEST_SKIP() << "this processor has no " << GetParam().name;
  EXPECT_EQ(device().compute_capability(), GetParam().desc.max_compute_capability);
}

void DeviceTest::TearDown() {
  set_machine(nullptr);
  for (const auto& [what, share] : worst_) {
    RecordProperty("worst_" + what, std::to_string(share));
    if (std::getenv("INFONCE_PRINT_ERRORS") != nullptr) {
      std::printf("worst error of %s as a share of what is allowed: %.3f\n", what.c_str(), share);
    }
  }
}

std::unique_ptr<selftest::Device> DeviceTest::with_threads(int32_t threads) const {
  nce_context_desc desc = GetParam().desc;
  desc.threads = threads;
  return std::make_unique<selftest::Device>(selftest::linked_library(), desc);
}

bool DeviceTest::turn() {
  constexpr uint64_t kSample = 17;
  // Where doubles are slow, row-wise losses have kernels of their own: one such device runs all cases of these.
  const std::string suite = testing::UnitTest::GetInstance()->current_test_info()->test_suite_name();
  const bool own_kernels = GetParam().desc.max_compute_capability == 120 && suite.find("Rowwise") != std::string::npos;
  const uint64_t number = cases_++;
  // Neighbours, and those a power of two apart, are of different quarters, so no loop's values fall to one.
  if (GetParam().quarter >= 0) return std::popcount(number) % 4 == GetParam().quarter;
  return number % kSample == 0 || !GetParam().sampled || own_kernels;
}

Answer DeviceTest::answer_to(const Problem& problem) {
  // Rowwise and mined losses are computed in double whatever the elements.
  const bool wide = problem.dtype() == NCE_DTYPE_FLOAT64 || problem.shape().rowwise || problem.shape().mined;
  return wide ? oracle::oracle<long double>(problem) : oracle::oracle<double>(problem);
}

Problem DeviceTest::decided_problem_of(Case of) {
  constexpr double kFar = 4e-6;
  constexpr int kMostSeeds = 200;
  for (int i = 0; i < kMostSeeds; ++i, ++of.seed) {
    const Problem problem = problem_of(of);
    if (problem.desc.threshold == NCE_THRESHOLD_NONE || answer_to(problem).limit_gap >= kFar) return problem;
  }
  ADD_FAILURE() << "with every seed a similarity is near a limit";
  return problem_of(of);
}

void DeviceTest::check_decided(const Case& of) {
  if (turn()) check_dense(decided_problem_of(of));
}

void DeviceTest::check_measures_and_types(std::span<const Kind> kinds, uint64_t seed, const Extent& on_cpu) {
  for (const Kind& kind : kinds) {
    for (const int32_t measure : measures_of(kind)) {
      for (const nce_dtype dtype : oracle::kDtypes) {
        for (const double tau : {0.5, 0.01}) {
          ++seed;
          if (emulated() && seed % 5 != 0) continue;
          check_decided({.kind = kind,
                         .measure = measure,
                         .dtype = dtype,
                         .size = emulated() ? Extent{19, 27, 20} : on_cpu,
                         .tau = tau,
                         .seed = 1000 * seed});
        }
      }
    }
  }
}

void DeviceTest::check_ragged_shapes(std::span<const Kind> kinds, uint64_t seed) {
  const Extent size = emulated() ? Extent{70, 90, 24} : Extent{60, 110, 24};
  for (const Kind& kind : kinds) {
    for (const Extent& of : {Extent{1, 1, 1}, Extent{1, 5, 2}, Extent{2, 2, 5}, Extent{65, 127, 33}}) {
      check_decided({.kind = kind, .size = of, .tau = 0.5, .noise = 1.0, .seed = 1000 * ++seed});
    }
    check_decided({.kind = kind, .dtype = NCE_DTYPE_BFLOAT16, .size = size, .tau = 0.2, .seed = 1000 * ++seed});
    check_decided({.kind = kind, .dtype = NCE_DTYPE_FLOAT16, .size = {40, 50, 300}, .tau = 0.2, .seed = 1000 * ++seed});
  }
}

void DeviceTest::check_reductions(std::span<const Kind> kinds, uint64_t seed) {
  for (const Kind& kind : kinds) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      if (!turn()) continue;
      Problem problem = decided_problem_of({.kind = kind, .size = {33, 49, 12}, .tau = 0.2, .seed = seed});
      problem.desc.reduction = reduction;
      oracle::weigh(problem);
      if (reduction == NCE_REDUCTION_NONE) oracle::set_upstream_by_row(problem);
      check_dense(problem);
    }
  }
}

void DeviceTest::check_bits(std::span<const Kind> kinds) {
  for (const Kind& kind : kinds) {
    if (!turn()) continue;
    check_bits(problem_of({.kind = kind, .size = {130, 170, 24}, .tau = 0.2, .seed = 8}));
  }
}

void DeviceTest::check_bits(Problem problem) {
  SCOPED_TRACE(problem.label());
  const Result kept = run(problem);
  EXPECT_EQ(run(problem, Calls::kSeparate).difference(kept), "");
  const OtherOrder other;
  const auto threads = with_threads(3);
  EXPECT_EQ(DeviceRun(*threads, problem)(Calls::kTogether).difference(kept), "");
  problem.desc.workspace_budget_bytes = 0;
  EXPECT_EQ(run(problem).difference(kept), "");
}

void DeviceTest::check_unwanted_gradients(const Problem& problem) const {
  SCOPED_TRACE(problem.label());
  const Result all = run(problem);
  for (int wanted = 1; wanted < 8; ++wanted) {
    DeviceRun some(device(), problem);
    if ((wanted & 1) == 0) some.out.d_queries = nullptr;
    if ((wanted & 2) == 0) some.out.d_keys = nullptr;
    if ((wanted & 4) == 0) some.out.d_negatives = nullptr;
    const Result result = some(Calls::kTogether);
    for (int k = 0; k < 3; ++k) {
      const auto which = static_cast<std::size_t>(k);
      if ((wanted >> k & 1) != 0) {
        EXPECT_EQ(*gradients(result)[which], *gradients(all)[which]) << wanted;
      }
    }
  }
}

void DeviceTest::expect_close(const Problem& problem, const Result& result, const Answer& answer,
                              const Bounds& bounds) {
  oracle::compare(problem, result, answer, bounds, [&](const char* what, double error, double allowed) {
    EXPECT_LE(error, allowed) << what << ": " << problem.label();
    if (allowed > 0) worst_[what] = std::max(worst_[what], error / allowed);
  });
  if (problem.desc.metrics != 0) {
    EXPECT_EQ(result.metrics.reserved, 0);
  }
}

namespace {

/// The smallest number of a type above 0, to which what is smaller is rounded.
double smallest_of(nce_dtype dtype) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return 0x1p-1074;
    case NCE_DTYPE_FLOAT32:
      return 0x1p-149;
    case NCE_DTYPE_FLOAT16:
      return 0x1p-24;
    case NCE_DTYPE_BFLOAT16:
      return 0x1p-133;
  }
  oracle::unknown("no such type");
}

}  // namespace

Bounds DeviceTest::dense_bounds(const Problem& problem) const {
  // Metrics are for reading.
  Bounds bounds{.metrics = 1e-4, .effective = 1e-4, .accuracy = 1e-12};
  const bool half = oracle::bytes_of(problem.dtype()) == 2;
  if (problem.dtype() == NCE_DTYPE_FLOAT64) {
    // 2^-53 a term, times 1 / tau = 100 in the exponent, with room for sums.
    bounds.loss = bounds.gradient = bounds.temperature = 1e-11;
  } else if (emulated()) {
    const double steep = 0.01 / problem.negative_tau();
    bounds.loss = std::max(1e-6, 2e-5 * steep);
    bounds.gradient = half ? kHalf : std::max(3e-6, 5e-5 * steep);
    bounds.temperature = std::max(bounds.loss, std::min(bounds.gradient, 1e-4));
  } else {
    // What float32 promises in "precise".
    bounds.loss = bounds.temperature = 1e-5;
    const bool products = problem.dtype() == NCE_DTYPE_BFLOAT16 && (problem.desc.similarity == NCE_SIMILARITY_COSINE ||
                                                                    problem.desc.similarity == NCE_SIMILARITY_DOT);
    bounds.gradient = products || problem.gradient_dtype() != NCE_DTYPE_FLOAT32 ? kHalf : 1e-5;
  }
  if (emulated()) bounds.loss_floor = bounds.loss;
  if (half) bounds.similarity = 0x1p-22;
  // Planes of 16 bits hold slopes down to 2^-38 of the largest, which rows' own negatives may all be far below.
  if (emulated() && problem.desc.own_negatives > 0 && problem.dtype() != NCE_DTYPE_FLOAT64) bounds.beside = 0x1p-34;
  if (half && problem.desc.dim == 1) bounds.accuracy = 1;  // there cosines are equal, and rounding orders them
  // Below a hundredth of its terms a gradient is their cancellation (wholly so in one dimension).
  bounds.terms = 0.01 * bounds.gradient;
  bounds.smallest = smallest_of(problem.gradient_dtype());
  return bounds;
}

Bounds DeviceTest::rowwise_bounds(const Problem& problem, const Answer& answer) {
  // Similarities carry at most (dim + 16) roundings of 2^-53, which the condition multiplies, and 4 covers the
  // exponentials and sums after them. Both factors of a slope have them; then it is rounded to its type.
  const auto roundings = static_cast<double>(problem.desc.dim + 16);
  const bool single = problem.gradient_dtype() == NCE_DTYPE_FLOAT32;
  Bounds bounds;
  bounds.loss = 4.0 * roundings * 0x1p-53 * answer.condition;
  bounds.gradient = bounds.temperature = 2.0 * bounds.loss + (single ? 0x1p-24 : 0x1p-53);
  // In one dimension the cosine has no gradient, and what the projection cancels leaves its roundings.
  if (problem.desc.dim == 1) bounds.terms = bounds.gradient;
  // Below the normal numbers of float32, elements round to multiples of 2^-149.
  bounds.smallest = single ? 0x1p-150 : 0x1p-1074;
  bounds.metrics = bounds.effective = 1e-9;
  bounds.accuracy = 1e-12;
  return bounds;
}

void DeviceTest::check_dense(const Problem& problem) {
  if (!turn()) return;
  SCOPED_TRACE(problem.label());
  expect_close(problem, run(problem), answer_to(problem), dense_bounds(problem));
}

void DeviceTest::check_rowwise(const Problem& problem) {
  if (!turn()) return;
  SCOPED_TRACE(problem.label());
  const Answer answer = answer_to(problem);
  expect_close(problem, run(problem), answer, rowwise_bounds(problem, answer));
}

void DeviceTest::expect_refused(const Problem& problem, nce_status status, const std::string& message) const {
  SCOPED_TRACE(problem.label() + ": " + message);
  DeviceRun run(device(), problem);
  EXPECT_EQ(run.ended(Calls::kTogether), status);
  EXPECT_EQ(std::string(nce_last_error()), message);
  EXPECT_TRUE(run.untouched());
  EXPECT_EQ(run.ended(Calls::kForward), status);
  EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_INVALID_STATE) << "a backward pass after a failed forward pass";
  EXPECT_TRUE(run.untouched());
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double allowed) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], allowed) << "element " << i;
}

double largest(const std::vector<double>& values) {
  double result = 0.0;
  for (const double value : values) {
    // Comparisons with NaN are false, so that NaN would be lost, or lose what came before it.
    if (std::isnan(value)) return value;
    result = std::max(result, std::fabs(value));
  }
  return result;
}

std::vector<std::vector<double>*> matrices(Problem& problem) {
  return {&problem.queries, &problem.keys, &problem.negatives, &problem.queue};
}
std::vector<std::vector<double>*> gradients(Result& result) {
  return {&result.d_queries, &result.d_keys, &result.d_negatives};
}
std::vector<const std::vector<double>*> gradients(const Result& result) {
  return {&result.d_queries, &result.d_keys, &result.d_negatives};
}

}  // namespace nce::test
