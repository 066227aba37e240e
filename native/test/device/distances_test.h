#pragma once
// Losses that are made of the distances of one tower's rows: what all of them have to stand, and to which errors.

#include <limits>
#include <string>
#include <utility>

#include "device_test.h"

namespace nce::test {

constexpr double kAnything = 1e30;  // finite, as a bound times 0 is to stay 0

class DistancesTest : public DeviceTest {
 protected:
  /// The emulator takes a tenth of a second for a case, and runs one of so many, which is to divide no number of those
  /// that loops go through.
  explicit DistancesTest(int64_t emulated_share) : emulated_share_(emulated_share) {}

  /// As turn(), for cases that take long.
  bool long_turn() { return turn() && (!emulated() || cases_++ % emulated_share_ == 0); }

  /// Distances are of double, whatever the elements, but for PRECISION_FAST: |x - y|^2 keeps all but 2^-10 of the
  /// digits of |x|^2 + |y|^2, whose sums of dim terms have errors of dim 2^-53 at most.
  static double distance_error(const Problem& problem) {
    return problem.desc.precision == NCE_PRECISION_FAST ? 0x1p-18 : 0x1p-42;
  }

  /// `condition` is how much of distances' errors reaches losses and weights. Gradients round once more.
  static Bounds bounds_of(const Problem& problem, double condition = 1.0) {
    Bounds bounds;
    const bool half = oracle::bytes_of(problem.gradient_dtype()) == 2;
    const double rounding = half ? 0x1p-8 : problem.gradient_dtype() == NCE_DTYPE_FLOAT32 ? 0x1p-23 : 0x1p-52;
    bounds.loss = distance_error(problem) * condition;
    bounds.gradient = 16.0 * bounds.loss + rounding;
    bounds.terms = 16.0 * bounds.loss;
    bounds.smallest = half ? 0x1p-25 : problem.gradient_dtype() == NCE_DTYPE_FLOAT32 ? 0x1p-149 : 0x1p-1060;
    bounds.metrics = problem.desc.precision == NCE_PRECISION_FAST ? 1e-3 : 1e-9;
    bounds.accuracy = 1e-12;
    return bounds;
  }

  /// A case was checked, and whether an error may have chosen between what nearly ties.
  void count_case(bool ambiguous) {
    ++checked_;
    ambiguous_ += ambiguous ? 1 : 0;
  }
  void expect_mostly_clear() const {
    EXPECT_LE(ambiguous_ * 10, checked_) << ambiguous_ << " of " << checked_ << " have near ties";
  }

  void expect_zero_rows_counted(const Problem& problem, int64_t zero_rows, bool cosine) const {
    const Result result = run(problem);
    EXPECT_EQ(result.metrics.zero_rows, zero_rows);
    if (!cosine) return;
    const auto dim = static_cast<std::ptrdiff_t>(problem.desc.dim);
    EXPECT_EQ(std::vector<double>(result.d_queries.begin(), result.d_queries.begin() + dim),
              std::vector<double>(static_cast<std::size_t>(dim), 0.0))
        << "the first row is zero";
  }

  /// Calls apart, threads, other orders, metrics and wanted gradients. Returns the result.
  Result expect_same_bits(Problem problem) const {
    SCOPED_TRACE(problem.label());
    const Result first = run(problem);
    {
      const OtherOrder other;
      EXPECT_EQ(run(problem, Calls::kSeparate).difference(first), "");
    }
    for (const int32_t threads : {2, 7}) {
      if (emulated()) break;
      const auto device = with_threads(threads);
      EXPECT_EQ(DeviceRun(*device, problem)(Calls::kTogether).difference(first), "") << threads << " threads";
    }
    problem.desc.metrics = 0;
    problem.desc.top_k = 0;
    Result without = run(problem);
    without.metrics = first.metrics;
    EXPECT_EQ(without.difference(first), "") << "without metrics";
    DeviceRun loss(device(), problem);
    loss.out.d_queries = nullptr;
    EXPECT_EQ(loss(Calls::kTogether).loss, first.loss) << "without a gradient";
    return first;
  }

  void expect_zero_of_zero_weights(std::span<const Kind> kinds) const {
    for (const Kind& kind : kinds) {
      Problem problem = problem_of({.kind = kind, .size = {17, 1, 4}, .seed = 5});
      problem.weights.assign(17, 0.0F);
      const Result result = run(problem);
      EXPECT_EQ(result.loss[0], 0.0);
      EXPECT_EQ(result.d_queries, std::vector<double>(68, 0.0));
    }
  }

  void expect_rows_that_are_not_finite_refused(std::span<const Kind> kinds) const {
    for (const Kind& kind : kinds) {
      Problem problem = problem_of({.kind = kind, .size = {9, 1, 4}, .seed = 2});
      problem.queries[5 * 4 + 1] = std::numeric_limits<double>::quiet_NaN();
      problem.queries[7 * 4] = std::numeric_limits<double>::infinity();
      expect_refused(problem, NCE_STATUS_NON_FINITE,
                     "inputs->queries holds a NaN or an infinity in row 5; all elements must be finite");
    }
  }

  /// With an upstream gradient of such a size.
  void expect_gradient_beyond_its_type_refused(std::span<const Kind> kinds, float upstream) const {
    for (const Kind& kind : kinds) {
      Problem problem = problem_of(
          {.kind = kind, .dtype = NCE_DTYPE_FLOAT16, .size = {9, 1, 4}, .seed = 2, .narrow_gradients = true});
      problem.upstream = {upstream};
      DeviceRun run(device(), problem);
      EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_NON_FINITE);
      EXPECT_NE(std::string(nce_last_error()).find("d_queries"), std::string::npos);
    }
  }

  void expect_backward_needs_its_forward(std::span<const Kind> kinds) const {
    for (const Kind& kind : kinds) {
      const Problem problem = problem_of({.kind = kind, .size = {9, 1, 4}, .seed = 2});
      const Result expected = run(problem);
      DeviceRun of_another(device(), problem);
      EXPECT_EQ(of_another.ended(Calls::kForward), NCE_STATUS_OK);
      DeviceRun run(device(), problem);
      std::swap(run.workspace, of_another.workspace);
      EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_INVALID_STATE);
      EXPECT_TRUE(run.untouched());
      EXPECT_EQ(run.ended(Calls::kForward), NCE_STATUS_OK);
      EXPECT_EQ(run.ended(Calls::kBackward), NCE_STATUS_OK);
      EXPECT_EQ(run.read().difference(expected), "");
    }
  }

 private:
  const int64_t emulated_share_;
  int64_t cases_ = 0, checked_ = 0, ambiguous_ = 0;
};

}  // namespace nce::test
