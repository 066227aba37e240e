// gradient_tiles against double: three pitches, shapes around the tiles' edges, every form.

#include "cuda_tile_problem.h"
#include "emulation/control.h"

namespace nce::cuda::test {
namespace {

struct Case {
  int64_t x_rows, y_rows, dim;
  Excluded excluded;
  int32_t splits;
};
const Case kCases[] = {
    {1, 1, 3, Excluded::kNone, 1},       {65, 63, 40, Excluded::kDiagonal, 1}, {127, 129, 64, Excluded::kNone, 2},
    {200, 200, 33, Excluded::kViews, 3}, {129, 64, 128, Excluded::kNone, 1},   {130, 130, 70, Excluded::kDiagonal, 2},
    {1, 200, 129, Excluded::kNone, 15},  {66, 66, 256, Excluded::kViews, 2},   {128, 33, 200, Excluded::kDiagonal, 1}};

/// What a launch is given beside the matrices. Vectors are padded by the buffers that are made of them.
struct Extras {
  bool x_coefficients = true;
  bool y_coefficients = true;
  bool scales = false;
  bool relative = false;
};

std::vector<double> numbers(int64_t rows, double first, double step, int64_t period) {
  std::vector<double> result;
  for (int64_t i = 0; i < rows; ++i) result.push_back(first + step * static_cast<double>(i % period));
  return result;
}

/// As float.
double single(double x) { return static_cast<double>(static_cast<float>(x)); }

class GradientProblem {
 public:
  static constexpr double kTau = 0.2;
  static constexpr double kScale = 1024.0;  // G is 60 at most, and float16 ends at 65504

  GradientProblem(const Arithmetics& a, const Case& c, Form form, const Extras& extras)
      : case_(c),
        form_(form),
        extras_(extras),
        shift_(form == Form::kBounded ? 1.5 : 0.0),
        problem_(a, c.x_rows, c.y_rows, c.dim, call_state(form, kTau, shift_), c.excluded),
        x_coefficients_(extras.x_coefficients ? numbers(c.x_rows, 0.125, 0.0625, 7)
                                              : std::vector<double>(size(c.x_rows))),
        y_coefficients_(extras.y_coefficients ? numbers(c.y_rows, -0.25, 0.125, 5)
                                              : std::vector<double>(size(c.y_rows))),
        x_references_(numbers(c.x_rows, 0.3, 0.05, 6)),
        y_references_(numbers(c.y_rows, 0.2, 0.06, 9)),
        x_scales_(numbers(c.x_rows, 0.5, 0.25, 3)),
        y_scales_(numbers(c.y_rows, 1.0, -0.25, 4)),
        relative_(numbers(c.y_rows, 0.25, 0.25, 4)),
        x_coefficients_buffer_(reals(a, x_coefficients_)),
        y_coefficients_buffer_(reals(a, y_coefficients_)),
        x_references_buffer_(reals(a, x_references_)),
        y_references_buffer_(reals(a, y_references_)),
        x_scales_buffer_(reals(a, x_scales_)),
        y_scales_buffer_(reals(a, y_scales_)),
        relative_buffer_(reals(a, relative_)) {}

  /// The sums of all splits, [padded rows][pitch].
  std::vector<float> run() const {
    const int64_t count = padded_rows(case_.x_rows) * problem_.x.pitch();
    const Buffer<float> sums(case_.splits * count);
    GradientTilesParams params{};
    params.operands = problem_.operands();
    if (extras_.scales) {
      params.operands.x.scales = floats(x_scales_buffer_);
      params.operands.y.scales = floats(y_scales_buffer_);
    }
    if (extras_.x_coefficients) params.coefficients.x = x_coefficients_buffer_.get();
    if (extras_.y_coefficients) params.coefficients.y = y_coefficients_buffer_.get();
    if (form_ == Form::kOnline && extras_.x_coefficients) params.coefficients.x_references = x_references_buffer_.get();
    if (form_ == Form::kOnline && extras_.y_coefficients) params.coefficients.y_references = y_references_buffer_.get();
    params.g_scale = static_cast<float>(kScale);
    params.y_relative = extras_.relative ? floats(relative_buffer_) : nullptr;
    params.splits = case_.splits;
    params.sums = sums.get();
    launch_gradient_tiles(params, problem_.a.arithmetic, nullptr);
    return sums.read();
  }

  /// Compares with double. The bound of a sum is a share of the sum of its terms' sizes, from the error of each G: that
  /// of the similarity (two roundings or truncations a product, and with two planes the product of the low ones) over
  /// tau, of the exponential, of the rounding to planes; then of sums of a tile, which truncate, and over tiles; and G
  /// that is too small for a plane is off by half of the smallest.
  void expect_sums(const std::vector<float>& sums) const {
    const bool two = problem_.a.planes == 2;
    const double plane = problem_.a.exponent_bits() == 8 ? 0x1p-8 : two ? 0x1p-21 : 0x1p-11;
    const double similarity = static_cast<double>(2 * case_.dim + 8) * 0x1p-24 + (two ? 0x1p-22 : 0.0);
    const double tiles = static_cast<double>(case_.y_rows) / 16.0 + 64.0;
    const double share = 1.01 * plane + 4.0 * similarity / kTau + 0x1p-19 + tiles * 0x1p-24;
    const double smallest = problem_.a.exponent_bits() == 8 ? 0x1p-130 : 0x1p-24;
    const int64_t pitch = problem_.x.pitch();
    const int64_t plane_rows = padded_rows(case_.x_rows);
    std::vector<double> row(size(case_.y_rows));
    for (int64_t i = 0; i < case_.x_rows; ++i) {
      for (int64_t j = 0; j < case_.y_rows; ++j) row[size(j)] = g(i, j);
      for (int64_t d = 0; d < pitch; ++d) {
        double expected = 0.0, terms = 0.0, floor = 0.0, actual = 0.0;
        for (int64_t j = 0; j < case_.y_rows; ++j) {
          const double term = row[size(j)] * problem_.y.at(j, d);
          expected += term;
          terms += std::fabs(term);
          floor += smallest * std::fabs(problem_.y.at(j, d));
        }
        for (int64_t s = 0; s < case_.splits; ++s) {
          actual += static_cast<double>(sums[size((s * plane_rows + i) * pitch + d)]);
        }
        ASSERT_NEAR(actual, expected, share * terms + floor) << "row " << i << ", element " << d;
      }
    }
    for (int64_t s = 0; s < case_.splits; ++s) {
      for (int64_t i = case_.x_rows; i < plane_rows; ++i) {
        for (int64_t d = 0; d < pitch; ++d) {
          ASSERT_EQ(sums[size((s * plane_rows + i) * pitch + d)], 0.0f) << "padding row " << i;
        }
      }
    }
  }

  /// Of the sums of row 0, in the Euclidean norm.
  double relative_error(const std::vector<float>& sums) const {
    double difference = 0.0, norm = 0.0;
    for (int64_t d = 0; d < case_.dim; ++d) {
      double expected = 0.0;
      for (int64_t j = 0; j < case_.y_rows; ++j) expected += g(0, j) * problem_.y.at(j, d);
      const double error = static_cast<double>(sums[size(d)]) - expected;
      difference += error * error;
      norm += expected * expected;
    }
    return std::sqrt(difference / norm);
  }

 private:
  static std::size_t size(int64_t count) { return static_cast<std::size_t>(count); }
  static const float* floats(const Buffer<unsigned char>& buffer) {
    return reinterpret_cast<const float*>(buffer.get());
  }

  double g(int64_t i, int64_t j) const {
    if (!problem_.negative(i, j)) return 0.0;
    double s = problem_.s(i, j);
    if (extras_.scales) s *= x_scales_[size(i)] * y_scales_[size(j)];
    const double x = x_coefficients_[size(i)];
    const double y = y_coefficients_[size(j)];
    double result = 0.0;
    if (form_ == Form::kBounded) {
      result = std::exp(s / kTau - shift_ * std::log(2.0)) * (x + y);
    } else if (form_ == Form::kOnline) {
      result = x * std::exp((s - single(x_references_[size(i)])) / kTau) +
               y * std::exp((s - single(y_references_[size(j)])) / kTau);
    } else {
      result = (x + y) / (1.0 + std::exp(-s / kTau));
    }
    return result * kScale * (extras_.relative ? relative_[size(j)] : 1.0);
  }

  const Case case_;
  const Form form_;
  const Extras extras_;
  const double shift_;
  const TileProblem problem_;
  const std::vector<double> x_coefficients_, y_coefficients_, x_references_, y_references_, x_scales_, y_scales_,
      relative_;
  const Buffer<unsigned char> x_coefficients_buffer_, y_coefficients_buffer_, x_references_buffer_,
      y_references_buffer_, x_scales_buffer_, y_scales_buffer_, relative_buffer_;
};

class GradientTiles : public testing::TestWithParam<std::tuple<Arithmetics, Form>> {
 protected:
  ~GradientTiles() override { emulation::options() = before_; }

  const emulation::Options before_ = emulation::options();
};

TEST_P(GradientTiles, AgreeWithDouble) {
  const auto& [a, form] = GetParam();
  int number = 0;
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::to_string(c.x_rows) + " x " + std::to_string(c.y_rows) + " x " + std::to_string(c.dim));
    const Extras extras{number % 4 != 1, number % 4 != 2, number % 2 == 0, number % 3 == 0};
    const GradientProblem problem(a, c, form, extras);
    problem.expect_sums(problem.run());
    ++number;
  }
}

TEST_P(GradientTiles, HaveTheSameBitsInAnyOrderAndWithoutConflicts) {
  const auto& [a, form] = GetParam();
  for (const Case& c : {Case{130, 140, 40, Excluded::kDiagonal, 2}, Case{130, 70, 100, Excluded::kDiagonal, 2},
                        Case{70, 40, 250, Excluded::kNone, 2}}) {
    const GradientProblem problem(a, c, form, Extras{});
    emulation::reset_counters();
    const std::vector<float> first = problem.run();
    const emulation::Counters counters = emulation::counters().at("gradient_tiles");
    EXPECT_GT(counters.matrix_loads, 0);
    EXPECT_EQ(counters.matrix_conflicts, 0);
    EXPECT_EQ(counters.copy_conflicts, 0);
    for (const auto arrival : {emulation::Arrival::kEarly, emulation::Arrival::kShuffled}) {
      emulation::options().arrival = arrival;
      emulation::options().seed += 17;
      const std::vector<float> again = problem.run();
      EXPECT_EQ(std::memcmp(first.data(), again.data(), first.size() * sizeof(float)), 0);
    }
    emulation::options() = before_;
  }
}

std::string name_of(const testing::TestParamInfo<std::tuple<Arithmetics, Form>>& info) {
  const Form form = std::get<1>(info.param);
  return std::string(std::get<0>(info.param).name) + (form == Form::kBounded  ? "Bounded"
                                                      : form == Form::kOnline ? "Online"
                                                                              : "Logistic");
}

INSTANTIATE_TEST_SUITE_P(All, GradientTiles,
                         testing::Combine(testing::Values(kAll[0], kAll[1], kAll[2]),
                                          testing::Values(Form::kBounded, Form::kOnline, Form::kLogistic)),
                         name_of);

/// The largest reference, far above every similarity of a row that has no coefficient, must not reach the sums.
TEST(GradientTilesEdges, RowsWithoutCoefficientsHaveNoSums) {
  const Case c{70, 70, 40, Excluded::kDiagonal, 1};
  for (const auto& a : {kAll[0], kAll[1], kAll[2]}) {
    const GradientProblem problem(a, c, Form::kOnline, Extras{false, false, false, false});
    for (const float sum : problem.run()) ASSERT_EQ(sum, 0.0f);
  }
}

/// Tensor cores truncate, which over 750 steps would bias a sum by some 1e-5. Each tile's sums are added where sums are
/// rounded: what remains is within what precise gradients are promised to be.
TEST(GradientTilesEdges, LongSumsAreNotTruncated) {
  const Case c{1, 6000, 40, Excluded::kNone, 1};
  const GradientProblem problem(kAll[1], c, Form::kBounded, Extras{true, false, false, false});
  EXPECT_LT(problem.relative_error(problem.run()), 3e-6);
}

TEST(GradientTilesEdges, CallsOfAnotherMethodAreLeftAlone) {
  const TileProblem problem(kAll[0], 64, 64, 40, call_state(Form::kBounded, 0.5));
  const Buffer<float> sums(std::vector<float>(128 * 64, 7.0f));
  GradientTilesParams params{};
  params.operands = problem.operands();
  params.operands.method = 1;
  params.splits = 1;
  params.sums = sums.get();
  launch_gradient_tiles(params, Arithmetic::kTensorFloat16, nullptr);
  for (const float sum : sums.read()) ASSERT_EQ(sum, 7.0f);
}

TEST(GradientTilesEdges, SharedMemoryFitsWhereItIsSaidTo) {
  constexpr int64_t kSmallest = 99 << 10;  // of sm_86, 89 and 120
  constexpr int64_t kOfAmpere = 163 << 10;
  for (const int64_t pitch : {64, 128, 256}) {
    EXPECT_LE(gradient_shared_bytes(1, pitch), kSmallest) << pitch;
    EXPECT_LE(gradient_shared_bytes(2, pitch), pitch == 256 ? kOfAmpere : kSmallest) << pitch;
    EXPECT_EQ(kRowMultiple % kGradientXRows, 0);
    EXPECT_EQ(kRowMultiple % gradient_tile_size(2, pitch).y_rows, 0);
  }
}

}  // namespace
}  // namespace nce::cuda::test
